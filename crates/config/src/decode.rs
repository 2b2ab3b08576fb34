//! Values to Rust types. Every decoder gives `None` after it told what is wrong and how to write it.

mod secret;
mod units;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use url::Url;

use crate::suggest::closest;
use crate::value::{Value, quoted};

pub use secret::{SECRET_MAX_BYTES, Secret, secret};
pub use units::{Size, duration, duration_text, duration_within, size};

/// Text, with or without quotes.
#[must_use]
pub fn string(value: &Value<'_>) -> Option<String> {
    string_of(value, "a text").map(str::to_owned)
}

/// Text that names a thing: 1 to 64 characters, none of them a control character.
#[must_use]
pub fn name(value: &Value<'_>) -> Option<String> {
    let text = string_of(value, "a name")?;
    if text.is_empty() || text.chars().count() > 64 || text.chars().any(char::is_control) {
        value.problem(format!("not a name: {}", quoted(text)), "write 1 to 64 printable characters");
        return None;
    }
    Some(text.to_owned())
}

/// `true` or `false`.
#[must_use]
pub fn boolean(value: &Value<'_>) -> Option<bool> {
    match value.scalar() {
        Some(("true" | "True" | "TRUE", true)) => Some(true),
        Some(("false" | "False" | "FALSE", true)) => Some(false),
        _ => {
            value.expected("true or false", "write `true` or `false`, without quotes");
            None
        }
    }
}

/// A whole number within bounds.
pub fn integer(bounds: RangeInclusive<i64>) -> impl Fn(&Value<'_>) -> Option<i64> {
    move |value| {
        let range = format!("write one from {} to {}", bounds.start(), bounds.end());
        let number =
            value.scalar().filter(|(_, plain)| *plain).and_then(|(text, _)| text.parse::<i64>().ok());
        match number {
            Some(number) if bounds.contains(&number) => Some(number),
            Some(number) => {
                value.problem(format!("{number} is out of range"), range);
                None
            }
            None => {
                value.expected("a whole number", &range);
                None
            }
        }
    }
}

/// One word of a closed list.
pub fn one_of<T: Clone>(words: &[(&'static str, T)]) -> impl Fn(&Value<'_>) -> Option<T> {
    move |value| {
        let text = string_of(value, "a word")?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(meaning.clone());
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let remedy = match closest(text, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("write one of: {}", known.join(", ")),
        };
        value.problem(format!("unknown word {}", quoted(text)), remedy);
        None
    }
}

/// An IP address with a port; `localhost` is 127.0.0.1.
#[must_use]
pub fn socket_addr(value: &Value<'_>) -> Option<SocketAddr> {
    let text = string_of(value, "an address with a port")?;
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse::<u16>().ok());
    if let Some(port) = local {
        return Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    match text.parse() {
        Ok(addr) => Some(addr),
        Err(_) => {
            value.problem(
                format!("not an IP address with a port: {}", quoted(text)),
                "write it like 127.0.0.1:80 or \"[::1]:80\"",
            );
            None
        }
    }
}

/// An absolute URL with `http` or `https` and a host.
#[must_use]
pub fn url(value: &Value<'_>) -> Option<Url> {
    let text = string_of(value, "a URL")?;
    url_from(value, text, true)
}

/// As [`url()`], for a text that came from elsewhere; it is repeated in the problem only if `shown`.
#[must_use]
pub fn url_from(value: &Value<'_>, text: &str, shown: bool) -> Option<Url> {
    // Whatever looks like credentials stays out of the terminal and the journal.
    let said = if shown && !text.contains('@') { format!(": {}", quoted(text)) } else { String::new() };
    let remedy = "write it like https://example.com/hook";
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
        Ok(url) if url.has_host() => {
            value.problem(format!("a {} URL is of no use here", url.scheme()), remedy);
            None
        }
        Ok(_) | Err(_) => {
            value.problem(format!("not a URL{said}"), remedy);
            None
        }
    }
}

/// An absolute path.
#[must_use]
pub fn absolute_path(value: &Value<'_>) -> Option<PathBuf> {
    let text = string_of(value, "a path")?;
    let path = PathBuf::from(text);
    if path.is_absolute() && !text.contains('\0') {
        return Some(path);
    }
    value.problem(format!("not an absolute path: {}", quoted(text)), "begin it with `/`");
    None
}

fn string_of<'a>(value: &Value<'a>, what: &str) -> Option<&'a str> {
    let text = value.scalar().map(|(text, _)| text);
    if text.is_none() {
        value.expected(what, "write it on the same line, in quotes if it has special characters");
    }
    text
}
