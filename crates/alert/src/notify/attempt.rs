//! One try to deliver one message, whatever the way, and what its answer means.

use std::time::Duration;

use hinomi_base::clock::Clock;
use hinomi_model::Message;

use super::http::Post;
use super::smtp::Mail;
use super::{Clients, slack, webhook};
use crate::settings::{Receiver, Way};

/// Longest part of a stranger's words in an error text, characters.
const SAID_MAX_CHARS: usize = 200;

/// What a try came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted {
        /// The answer, in words.
        said: String,
    },
    /// Worth trying again for long.
    Later { why: String, retry_after: Option<Duration> },
    /// The receiver says that the request is wrong.
    Refused { why: String },
}

/// A message made ready: the same bytes for every try.
pub(super) enum Attempt<'a> {
    Post(Post<'a>),
    Mail(Box<Mail<'a>>),
}

impl<'a> Attempt<'a> {
    pub(super) fn new(receiver: &'a Receiver, message: &Message) -> Self {
        let language = receiver.language;
        match &receiver.way {
            Way::Webhook(webhook) => Self::Post(webhook::post(webhook, message, language)),
            Way::Slack(slack) => Self::Post(slack::post(slack, message, language)),
            Way::Email(email) => Self::Mail(Box::new(Mail::new(email, message, language))),
        }
    }

    pub(super) async fn run(&self, clients: &Clients, clock: &Clock) -> Verdict {
        match self {
            Self::Post(post) => post.run(clients, clock).await,
            Self::Mail(mail) => mail.run().await,
        }
    }
}

/// A stranger's text made fit to be shown: one line, bounded, without our secrets should it repeat them.
pub(super) fn cleaned(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret, "<secret>");
    }
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    one_line.chars().filter(|c| !c.is_control()).take(SAID_MAX_CHARS).collect()
}

/// Secrets in the order to replace them: a longer one may hold a shorter one. Short words are no secrets, and would tear
/// the text apart.
pub(super) fn worth_hiding(mut secrets: Vec<String>) -> Vec<String> {
    secrets.retain(|secret| secret.len() >= 6 && secret != "Bearer");
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}
