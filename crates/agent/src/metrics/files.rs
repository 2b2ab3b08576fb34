//! Bounded reads of the kernel's files, and the list of what could not be read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Off;

/// At most this much of a file. The longest in practice are `vmstat`, `mounts` of container hosts and `net/dev`.
const READ_LIMIT_BYTES: u64 = 1 << 20;
/// A single value.
const VALUE_LIMIT_BYTES: usize = 256;

/// Reads with buffers that are used again.
#[derive(Debug, Default)]
pub(super) struct Files {
    buffer: Vec<u8>,
    path: PathBuf,
    off: BTreeMap<&'static str, String>,
}

impl Files {
    /// A file as text, lossy. `None` switches the feature off in [`Self::off`], until the file can be read again.
    pub(super) fn text(&mut self, feature: &'static str, folder: &Path, file: &str) -> Option<Cow<'_, str>> {
        let read = self.read(folder, file);
        match read {
            Ok(()) => {
                self.off.remove(feature);
                Some(String::from_utf8_lossy(&self.buffer))
            }
            Err(error) => {
                if !self.off.contains_key(feature) {
                    self.off.insert(feature, format!("{}: {error}", self.path.display()));
                }
                None
            }
        }
    }

    /// A file that not every kernel has, as text.
    pub(super) fn optional(&mut self, folder: &Path, file: &str) -> Option<Cow<'_, str>> {
        self.read(folder, file).ok()?;
        Some(String::from_utf8_lossy(&self.buffer))
    }

    /// A file that holds one number, decimal or after `0x`.
    pub(super) fn number(&mut self, folder: &Path, file: &str) -> Option<f64> {
        self.optional(folder, file)
            .filter(|text| text.len() <= VALUE_LIMIT_BYTES)
            .and_then(|text| number(&text))
    }

    /// A file that holds one word or line; empty if it cannot be read.
    pub(super) fn line(&mut self, folder: &Path, file: &str) -> String {
        let text = self.optional(folder, file).unwrap_or_default();
        text.lines().next().unwrap_or_default().trim().chars().take(VALUE_LIMIT_BYTES).collect()
    }

    fn read(&mut self, folder: &Path, file: &str) -> std::io::Result<()> {
        self.path.clear();
        self.path.push(folder);
        self.path.push(file);
        self.buffer.clear();
        self.buffer.reserve(4096);
        File::open(&self.path)?.take(READ_LIMIT_BYTES).read_to_end(&mut self.buffer)?;
        Ok(())
    }

    /// Says why something is off that is no file.
    pub(super) fn note(&mut self, feature: &'static str, problem: Option<String>) {
        match problem {
            Some(reason) => drop(self.off.insert(feature, reason)),
            None => drop(self.off.remove(feature)),
        }
    }

    /// Whether a feature is off.
    pub(super) fn is_off(&self, feature: &str) -> bool {
        self.off.contains_key(feature)
    }

    /// What is off, and why.
    pub(super) fn off(&self) -> Vec<Off> {
        self.off.iter().map(|(feature, reason)| Off { feature, reason: reason.clone() }).collect()
    }
}

/// One number, decimal or hexadecimal after `0x`.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(digits) => Some(u64::from_str_radix(digits, 16).ok()? as f64),
        None => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// Lines of `key value`, separated by a space, a tab or a colon.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (&str, f64)> {
    text.lines().filter_map(|line| {
        let mut words = line.split([' ', '\t', ':']).filter(|word| !word.is_empty());
        Some((words.next()?, number(words.next()?)?))
    })
}

/// The value of a key in lines of `key value`.
pub(super) fn value_of(text: &str, key: &str) -> Option<f64> {
    pairs(text).find(|pair| pair.0 == key).map(|pair| pair.1)
}

/// Names of the entries of a folder, sorted, at most `max`.
pub(super) fn entries(folder: &Path, max: usize) -> Vec<String> {
    let list = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        list.filter_map(|entry| entry.file_name().into_string().ok()).take(max).collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            ("12\n", Some(12.0)),
            ("-1", Some(-1.0)),
            ("0x1003", Some(4099.0)),
            ("0xzz", None),
            ("max", None),
            ("", None),
            ("inf", None),
            ("NaN", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_missing_file_is_one_reason_until_it_is_there() {
        let root = tempfile::tempdir().expect("a folder");
        let mut files = Files::default();
        for _ in 0..2 {
            assert!(files.text("stat", root.path(), "stat").is_none());
        }
        let off = files.off();
        assert_eq!(off.len(), 1);
        assert!(off.iter().all(|off| off.feature == "stat" && off.reason.contains("/stat: No such file")));
        std::fs::write(root.path().join("stat"), b"ctxt 5\xff\n").expect("written");
        assert_eq!(files.text("stat", root.path(), "stat").as_deref(), Some("ctxt 5\u{fffd}\n"));
        assert!(files.off().is_empty());
    }

    #[test]
    fn reads_are_bounded() {
        let root = tempfile::tempdir().expect("a folder");
        std::fs::write(root.path().join("big"), vec![b'x'; 3 << 20]).expect("written");
        let mut files = Files::default();
        assert_eq!(files.optional(root.path(), "big").map(|text| text.len()), Some(1 << 20));
        assert_eq!(files.line(root.path(), "big").len(), 256);
    }
}
