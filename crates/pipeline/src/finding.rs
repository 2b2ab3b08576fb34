//! One finding with everything around it: its workload, what was changed before, who was told.

use std::time::Duration;

use hinomi_model::{LogTail, Nanos};
use serde::Serialize;

use crate::deliveries::DeliveryView;
use crate::now::{HappeningView, LoopView, happenings, looped, replicas, workload_name};
use crate::view::{FindingView, not_found, views};
use crate::{Error, Handle};

/// What was changed within this time before a finding may be its cause.
const BEFORE: Duration = Duration::from_secs(3600);
/// Changes shown.
const CHANGES_MAX: usize = 50;

/// A finding and what is known around it.
#[derive(Clone, Debug, Serialize)]
pub struct FindingDetail {
    /// The finding with its incident.
    #[serde(flatten)]
    pub view: FindingView,
    /// Name of its workload; absent for a host or runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_name: Option<String>,
    /// Instances of the workload that should run now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<usize>,
    /// Instances of the workload that serve now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<usize>,
    /// The loop that it forms now.
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub looped: Option<LoopView>,
    /// Messages about its incident, oldest first.
    pub deliveries: Vec<DeliveryView>,
    /// What was changed on this machine in the hour before, newest first.
    pub changes_before: Vec<HappeningView>,
    /// Last log lines of the container now, while it goes on: where nothing ended there are none in the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_now: Option<LogTail>,
}

impl Handle {
    /// A finding by its id.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn finding(&self, id: &str) -> Result<FindingDetail, Error> {
        let mut detail =
            self.finding_alone(id).ok_or_else(|| not_found(id, "see `hinomi findings --all`"))?;
        detail.deliveries = self.deliveries(&detail.view.incident);
        let finding = &detail.view.finding;
        if finding.resolved_at.is_none() && finding.evidence.log.is_none() {
            detail.log_now = self.shared().logs.of(&finding.resource.uid);
        }
        Ok(detail)
    }

    /// Without the messages, which are under another lock.
    fn finding_alone(&self, id: &str) -> Option<FindingDetail> {
        let judge = self.judge();
        let incidents = judge.incidents();
        let has = |finding: &hinomi_model::Finding| finding.id == id;
        let mut all = incidents.open().chain(incidents.over());
        let incident = all.find(|incident| incident.findings.iter().any(has))?;
        let view = views(incident).find(|view| has(&view.finding))?;
        let resource = &view.finding.resource;
        let (desired, ready) = replicas(&judge, resource).unzip();
        let begin: Nanos = view.finding.started_at;
        let before = happenings(&judge, begin.minus(BEFORE), begin);
        let here = before.into_iter().filter(|happening| happening.resource.cluster == resource.cluster);
        Some(FindingDetail {
            workload_name: workload_name(resource),
            desired,
            ready,
            looped: looped(&judge, &view.finding),
            deliveries: Vec::new(),
            log_now: None,
            changes_before: here.take(CHANGES_MAX).map(HappeningView::from).collect(),
            view,
        })
    }
}
