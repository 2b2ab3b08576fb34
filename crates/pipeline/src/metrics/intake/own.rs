//! The series that this process writes itself: inspections rest on them, so nobody else may.

use std::sync::OnceLock;

use hinomi_model::Tenant;
use hinomi_series::Labels;

use crate::own::{CONTAINERS_JOB, HOST_JOB, JOB};

/// Whose series they are, once they are collected here.
#[derive(Debug, Default)]
pub(super) struct Own(OnceLock<String>);

impl Own {
    /// From now on the series of `host` are its own.
    pub(super) fn reserve(&self, host: &str) {
        let _once = self.0.set(host.to_owned());
    }

    /// Those of a tenant.
    pub(super) fn reserved(&self, tenant: &Tenant) -> Reserved<'_> {
        Reserved(self.0.get().map(String::as_str).filter(|_| *tenant == Tenant::default()))
    }
}

/// The host whose series a request may not write, if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved<'a>(Option<&'a str>);

impl Reserved<'_> {
    /// The labels, if somebody else may write their series.
    pub(super) fn admit(self, labels: Labels) -> Result<Labels, String> {
        self.why(&labels).map_or(Ok(labels), Err)
    }

    fn why(self, labels: &Labels) -> Option<String> {
        let (host, job) = (self.0?, labels.value("job"));
        // The label by which inspections tell them.
        let name = match job {
            HOST_JOB | JOB => "instance",
            CONTAINERS_JOB => "host",
            _ => return None,
        };
        (labels.value(name) == host).then(|| {
            format!(
                "series of this host's own collectors (job={job}, {name}={host}) are written by Hinomi itself: send \
                 yours under another {name}"
            )
        })
    }
}
