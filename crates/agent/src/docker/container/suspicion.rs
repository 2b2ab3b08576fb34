//! What no event told: the regular list disagrees, the process is gone, the container is gone.

use std::sync::Arc;

use hinomi_model::{Exit, Fact, Phase, RunState, Source};
use tokio::time::Instant;

use super::{Flow, Round, SUSPICION, Watcher, is_not_of};
use crate::docker::inspect::Listed;
use crate::docker::outlet::Said;
use crate::docker::reconcile::Life;

impl Watcher {
    /// The regular list: cheap words only. What differs is looked at again a little later.
    pub(super) async fn on_listed(&mut self, listed: &Listed) -> Flow {
        if self.stale || !self.introduced {
            return self.look(None).await;
        }
        let life = Life::from_word(&listed.state);
        if life == Life::Created && self.view.life == Life::Created {
            self.check_start(false).await;
        }
        let health = listed.health();
        let sick = life == Life::Running && health.is_some() && health != self.view.health;
        self.phantom = self.view.life == Life::Running && self.has_lost_process();
        let differs = life != self.view.life || sick || self.phantom;
        if differs && self.suspect_at.is_none() {
            self.suspect_at = Some(Instant::now() + SUSPICION);
        } else if !differs {
            self.suspect_at = None;
        }
        Flow::On
    }

    /// A difference was seen [`SUSPICION`] ago; does it last?
    pub(super) async fn suspicion(&mut self) -> Flow {
        if self.last_event.elapsed() < SUSPICION {
            return Flow::On;
        }
        let now = match self.context.inspect(&self.id, self.context.options.call_timeout).await {
            Ok(now) => now,
            Err(error) if error.is_gone() => return self.on_missing(None).await,
            Err(_) => return Flow::On,
        };
        if std::mem::take(&mut self.phantom)
            && now.state.status == "running"
            && now.state.pid == self.view.pid
            && self.has_lost_process()
        {
            self.report_phantom().await;
            return Flow::On;
        }
        // The runtime goes on to say "running" of a phantom: known already.
        if self.view.life != Life::Dead || now.started_at() != self.view.started_at {
            self.differ(&now, true).await;
        }
        Flow::On
    }

    fn has_lost_process(&self) -> bool {
        self.context.pids_visible() && self.process().is_some_and(|process| is_not_of(&process, &self.id))
    }

    async fn report_phantom(&mut self) {
        let at = self.now();
        let error = format!("the runtime says running, but its process {} is gone", self.view.pid);
        let exit = Exit { code: None, error: Some(error), oom_hint: self.run.oom };
        let log = Some(Arc::new(self.log_tail().await));
        let words = Some("phantom".to_owned());
        self.say(vec![
            Said { log, ..Said::new(Fact::Exit(exit), at, Source::Probe).because(words.clone()) },
            Said::new(Fact::Phase(Phase::Dead), at, Source::Probe).because(words),
        ]);
        self.part();
        self.view.life = Life::Dead;
    }

    pub(super) async fn on_missing(&mut self, round: Option<&Round>) -> Flow {
        // Its destroy event may still be under way.
        if round.is_none() && self.last_event.elapsed() < SUSPICION {
            return Flow::On;
        }
        match self.context.inspect(&self.id, self.context.options.call_timeout).await {
            Err(error) if error.is_gone() => self.gone_unseen(round),
            _ => Flow::On,
        }
    }

    pub(super) fn gone_unseen(&mut self, round: Option<&Round>) -> Flow {
        if !self.introduced {
            return Flow::End;
        }
        let lost = format!("how {} ended (it is gone)", self.resource.name);
        let phase = Said::new(Fact::Phase(Phase::Gone { unseen: true }), self.now(), Source::Reconcile);
        match round {
            Some(round) if self.view.life.is_alive() => round.lose(lost),
            None if self.view.life.is_alive() => self.gap(vec![lost]),
            _ => {}
        }
        self.say(vec![phase]);
        Flow::End
    }

    pub(super) fn restate(&mut self) {
        let at = self.now();
        let Some(spec) = self.spec.clone() else { return };
        let run = RunState { pid: self.view.pid, started_at: self.view.started_at };
        let phase = match self.view.life {
            Life::New => return,
            Life::Created => Phase::Created,
            Life::Running => Phase::Running(run),
            Life::Paused => Phase::Paused,
            Life::Restarting => Phase::Restarting,
            Life::Exited => Phase::Exited,
            Life::Removing => Phase::Removing,
            Life::Dead => Phase::Dead,
        };
        let since = if self.view.life == Life::Running { self.view.started_at.unwrap_or(at) } else { at };
        self.say(vec![
            Said::new(Fact::Spec(Box::new(spec)), at, Source::Reconcile),
            Said::new(Fact::Phase(phase), since, Source::Reconcile),
        ]);
    }
}
