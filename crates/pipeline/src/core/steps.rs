//! Going round without sleeping, for whoever moves the clock: a month passes in a minute.

use hinomi_base::task::Shutdown;
use hinomi_model::Nanos;

use super::{Service, answer};

impl Service {
    /// What [`Service::run`] does before its first round: notifiers at work, what the replay left is looked at.
    pub async fn start(&mut self, shutdown: &Shutdown) {
        for notifier in self.notifiers.drain(..) {
            hinomi_base::task::spawn("notifier", notifier.run(shutdown.clone()));
        }
        self.begin();
        self.tell_of_damage().await;
    }

    /// Takes everything that waits and judges what is due; returns when the next thing is due by itself.
    pub async fn go_round(&mut self) -> Option<Nanos> {
        let mut changes = Vec::new();
        while let Ok(batch) = self.changes.try_recv() {
            changes.extend(batch.changes);
        }
        if !changes.is_empty() {
            self.take(changes).await;
        }
        while let Ok(outcome) = self.outcomes.try_recv() {
            self.done(outcome);
        }
        while let Ok(knock) = self.knocks.try_recv() {
            answer(knock);
        }
        self.tick().await;
        self.outbox.hand_over();
        self.show_waiting();
        self.judge(|judge| judge.next_deadline())
    }

    /// The sign of life, and now and then retention and a checkpoint: once a minute in [`Service::run`].
    pub async fn see_to_the_house(&mut self) {
        self.keep_house().await;
    }

    /// Messages that are on their way.
    #[must_use]
    pub fn owed(&self) -> usize {
        self.outbox.all().len()
    }
}
