//! Writes YAML that [`crate::parse`] reads back.

use std::fmt::Display;

/// A YAML document being written, two spaces a level.
#[derive(Debug, Default)]
pub struct Emitter {
    text: String,
    depth: usize,
    /// The next line begins a list item.
    item: bool,
}

impl Emitter {
    /// An empty document.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `key: value`, quoted where YAML needs it.
    pub fn entry(&mut self, key: &str, value: impl Display) {
        self.line(&format!("{}: {}", scalar(key), scalar(&value.to_string())));
    }

    /// `key: value` where the value is written as it is: an empty list, a comment after it.
    pub fn raw(&mut self, key: &str, value: &str) {
        self.line(&format!("{}: {value}", scalar(key)));
    }

    /// A map under `key`.
    pub fn map(&mut self, key: &str, body: impl FnOnce(&mut Self)) {
        self.line(&format!("{}:", scalar(key)));
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    /// A list of maps under `key`; `[]` when there are none.
    pub fn list<T>(&mut self, key: &str, items: &[T], body: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            return self.raw(key, "[]");
        }
        self.line(&format!("{}:", scalar(key)));
        self.depth += 2;
        for item in items {
            self.item = true;
            body(self, item);
        }
        self.depth -= 2;
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, content: &str) {
        let dash = std::mem::take(&mut self.item);
        let indent = if dash { self.depth.saturating_sub(1) } else { self.depth };
        self.text.extend(std::iter::repeat_n("  ", indent));
        if dash {
            self.text.push_str("- ");
        }
        self.text.push_str(content);
        self.text.push('\n');
    }
}

/// A scalar: plain where every reader takes it for the same text, else in double quotes.
#[must_use]
pub fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c))
        && !text.ends_with(':')
        && !matches!(text.to_ascii_lowercase().as_str(), "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if plain {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
