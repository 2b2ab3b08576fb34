//! A message as Slack, Mattermost and Rocket.Chat all show it: `text` and one attachment. Pure.
//!
//! Blocks would be nicer in Slack and are shown by nobody else.
//!
//! Invariants: nothing that a container or a person wrote is taken for a link, ends a code block or calls anybody; every
//! part is within Slack's limits.

use hinomi_model::Message;
use hinomi_words::Language;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use super::http::Post;
use super::page::{Page, clip};
use crate::settings::Slack;

/// Slack cuts attachments' texts that are much longer.
const TEXT_MAX_CHARS: usize = 3_000;
/// Of these, so much for the launch: the log has the rest.
const LAUNCH_MAX_CHARS: usize = 1_500;
const TITLE_MAX_CHARS: usize = 200;
const FIELD_MAX_CHARS: usize = 500;
/// Words that call everybody in some chats.
const CALLS: [&str; 4] = ["channel", "here", "everyone", "all"];

pub(super) fn post<'a>(slack: &'a Slack, message: &Message, language: Language) -> Post<'a> {
    let body = payload(&Page::of(message, language), slack.channel.as_deref());
    Post::new(&slack.url, slack.timeout, HeaderMap::new(), &body, Vec::new())
}

fn payload(page: &Page, channel: Option<&str>) -> Value {
    let text = format!("*{}*: {}", plain(&page.head), plain(&page.headline));
    let mut attachment = json!({
        "fallback": format!("{}: {}", plain(&page.head), plain(&page.headline)),
        "color": page.colour,
        "title": clip(&plain(&page.place), TITLE_MAX_CHARS),
        "text": clipped_text(page),
        "fields": page.rows.iter().map(field).collect::<Vec<_>>(),
        "footer": plain(&page.footer),
        "mrkdwn_in": ["text", "fields"],
    });
    let mut body = Map::new();
    if let Some(channel) = channel {
        body.insert("channel".to_owned(), channel.into());
    }
    if let (Some(url), Value::Object(attachment)) = (&page.url, &mut attachment) {
        attachment.insert("title_link".to_owned(), url.as_str().into());
    }
    body.insert("text".to_owned(), text.into());
    body.insert("attachments".to_owned(), json!([attachment]));
    Value::Object(body)
}

fn field((label, text): &(String, String)) -> Value {
    let text = clip(text, FIELD_MAX_CHARS);
    json!({ "title": plain(label), "value": plain(&text), "short": text.chars().count() < 40 })
}

/// Launch, log, and what else has to be said; the code block is whole or not there.
fn clipped_text(page: &Page) -> String {
    let mut text = if page.not_stored { plain(page.phrases.not_stored) } else { String::new() };
    for line in &page.launch {
        let line = plain(&clip(line, FIELD_MAX_CHARS));
        if text.chars().count() + line.chars().count() < LAUNCH_MAX_CHARS {
            text.push_str(if text.is_empty() { "" } else { "\n" });
            text.push_str(&line);
        }
    }
    // The newest lines are the last ones.
    let mut log = page.log.as_slice();
    while let Some((_oldest, rest)) = log.split_first() {
        let block =
            format!("\n```\n{}\n```", log.iter().map(|line| code(line)).collect::<Vec<_>>().join("\n"));
        if text.chars().count() + block.chars().count() <= TEXT_MAX_CHARS {
            text.push_str(&block);
            break;
        }
        log = rest;
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Inside a code block: it must not end early.
fn code(line: &str) -> String {
    escaped(&line.replace("```", "'''"))
}

/// Outside of one: no markup, and nobody is called.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        out.push('@');
        let calls = CALLS
            .iter()
            .any(|call| after.get(..call.len()).is_some_and(|word| word.eq_ignore_ascii_case(call)));
        if calls {
            out.push('\u{200b}');
        }
        rest = after;
    }
    out.push_str(rest);
    escaped(&out.replace("```", "'''"))
}

#[cfg(test)]
mod tests;
