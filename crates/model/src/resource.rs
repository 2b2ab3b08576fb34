//! Things with a life.

use serde::{Deserialize, Serialize};

/// Owner of data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tenant(pub String);

impl Default for Tenant {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// Kind of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// One orchestrator's realm; a Docker host counts as one.
    Cluster,
    /// A machine.
    Node,
    /// What is declared: a Compose service, a lone container's name.
    Workload,
    /// One running copy of a workload.
    Instance,
    /// A container; on Docker every Instance is one container.
    Container,
}

/// Kind of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// A service of a Compose project.
    ComposeService,
    /// A container that nobody but its name groups.
    LoneContainer,
}

/// The workload that a resource belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkloadRef {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Name of its project or namespace; empty for a lone container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// Its name: the Compose service or the container's name.
    pub name: String,
}

impl std::fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.project.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.project, self.name)
        }
    }
}

/// Which thing. Carried by every state change; small and cheap to clone through `Arc`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResourceId {
    /// Owner of the data.
    #[serde(default)]
    pub tenant: Tenant,
    /// The realm: for Docker the host's name.
    pub cluster: String,
    /// Its kind.
    pub kind: ResourceKind,
    /// Unique for ever: the container's id, the boot's id.
    pub uid: String,
    /// Name for people; may change and be used again.
    pub name: String,
    /// The machine it runs on, where it runs on one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The workload it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRef>,
}

impl std::fmt::Display for ResourceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}
