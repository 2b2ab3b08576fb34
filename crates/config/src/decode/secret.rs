//! Texts that must not be seen.
//!
//! Invariant: the text of a secret is in no problem, no `Debug` and no emitted configuration.

use std::fmt;
use std::io::Read;
use std::path::Path;

use crate::value::{Value, quoted};

/// Longest secret, bytes.
pub const SECRET_MAX_BYTES: usize = 16 * 1024;

/// A text that is shown only as `<secret>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; never for a log or an answer.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A secret, from `{ file: /path }`, `{ env: NAME }`, or written plainly. A line end at the end of a file is no part of it.
pub fn secret(env: &dyn Fn(&str) -> Option<String>) -> impl Fn(&Value<'_>) -> Option<Secret> + '_ {
    move |value| {
        if !value.is_map() {
            return super::string_of(value, "a secret").and_then(|text| checked(value, text));
        }
        let mut map = value.map()?;
        let file = map.take("file", super::absolute_path);
        let name = map.take("env", super::string);
        map.finish();
        match (file, name) {
            (Some(path), None) => from_file(value, &path),
            (None, Some(name)) => from_env(value, &name, env),
            (Some(_), Some(_)) => {
                value.problem("both `file` and `env`", "keep one of them");
                None
            }
            (None, None) => {
                value.problem("no secret", "write `{ file: /path }`, `{ env: NAME }`, or the text itself");
                None
            }
        }
    }
}

fn from_file(value: &Value<'_>, path: &Path) -> Option<Secret> {
    let limit = u64::try_from(SECRET_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text));
    if let Err(error) = read {
        value.problem(
            format!("cannot read the secret's file {}: {error}", quoted(&path.to_string_lossy())),
            "check that it exists and that this user may read it",
        );
        return None;
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    checked(value, text.strip_suffix('\r').unwrap_or(text))
}

fn from_env(value: &Value<'_>, name: &str, env: &dyn Fn(&str) -> Option<String>) -> Option<Secret> {
    let Some(text) = env(name) else {
        value.problem(
            format!("the environment variable {} is not set", quoted(name)),
            "set it, or use `{ file: /path }`",
        );
        return None;
    };
    checked(value, &text)
}

fn checked(value: &Value<'_>, text: &str) -> Option<Secret> {
    if text.is_empty() {
        value.problem("the secret is empty", "write it, or leave the key out");
        return None;
    }
    if text.len() > SECRET_MAX_BYTES {
        value.problem(format!("the secret is longer than {SECRET_MAX_BYTES} bytes"), "is it the right file?");
        return None;
    }
    Some(Secret::new(text))
}
