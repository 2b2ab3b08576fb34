//! Tests of receivers, as a person asks for them.

use hinomi_alert::notify;
use serde::Serialize;

use crate::{Error, Handle};

/// What a test of a receiver came to.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiverTest {
    /// Name of the receiver.
    pub receiver: String,
    /// Whether it took the message, how long that took, and its words.
    #[serde(flatten)]
    pub tested: notify::Tested,
}

impl Handle {
    /// Sends a receiver a message that says it is a test: once, beside the queue.
    ///
    /// # Errors
    ///
    /// When there is no such receiver, or another test of it is under way.
    pub async fn test_receiver(&self, name: &str) -> Result<ReceiverTest, Error> {
        let shared = self.shared();
        let Some(handle) = shared.receivers.get(name) else {
            let known: Vec<&str> = shared.receivers.keys().map(String::as_str).collect();
            let hint = match known.as_slice() {
                [] => "no receiver is configured: add one under `receivers` in hinomi.yaml".to_owned(),
                known => format!("receivers are: {}", known.join(", ")),
            };
            return Err(Error::NotFound { name: name.to_owned(), hint });
        };
        let settings = &shared.settings;
        let url_base = settings.url_base().unwrap_or_default();
        let message = notify::test_message(name, &settings.host.name, &url_base, self.now());
        match handle.test(&message).await {
            Some(tested) => Ok(ReceiverTest { receiver: name.to_owned(), tested }),
            None => {
                Err(Error::Busy(format!("another test of the receiver \"{name}\" is under way; wait for it")))
            }
        }
    }
}
