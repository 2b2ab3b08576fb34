//! A message as Slack, Mattermost and Rocket.Chat all show it: `text` and one attachment. Pure.
//!
//! Blocks would be nicer in Slack and are shown by nobody else.
//!
//! Invariants: nothing that a container or a person wrote is markup, hides where a link leads, ends a code block or calls
//! anybody; every part is within Slack's limits. Not prevented: a chat that makes a link of a bare host name or mail
//! address (it leads where it says), and `:names:` of pictures.

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
/// A space that nobody sees.
const TEAR: char = '\u{200b}';
/// Words that call everybody in some chats, wherever they stand.
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

/// Outside of one: nobody is called, nothing is a link, and nothing is bold, struck through or code, whichever of the
/// three chats shows it. An escape would be shown by some of them, so marks become others that look alike, and an
/// invisible space tears apart what only means something together.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = "";
    for (at, c) in text.char_indices() {
        let after = text.get(at + c.len_utf8()..).unwrap_or_default();
        out.push(match c {
            '*' => '∗',
            '~' => '∼',
            '`' => '\'',
            // Within a word it is no mark, and names are full of it.
            '_' if !before.ends_with(in_word) || !after.starts_with(in_word) => '＿',
            c => c,
        });
        if means_more(before, c, after) {
            out.push(TEAR);
        }
        before = text.get(..at + c.len_utf8()).unwrap_or_default();
    }
    escaped(&out)
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

/// Whether a chat takes `c` together with what follows for more than text.
fn means_more(before: &str, c: char, after: &str) -> bool {
    let begins = |word: &str| after.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let begins_word = !before.ends_with(in_word) && after.starts_with(|c: char| !c.is_whitespace());
    match c {
        // A person, a channel. Addresses and digests have a word before it.
        '@' => begins_word || CALLS.iter().any(|call| begins(call)),
        '#' => begins_word,
        ']' => after.starts_with(['(', '[', ':']),
        ':' => after.starts_with("//"),
        '.' => ends_with_www(before),
        _ => false,
    }
}

fn ends_with_www(text: &str) -> bool {
    text.len().checked_sub(3).and_then(|at| text.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

#[cfg(test)]
mod tests;
