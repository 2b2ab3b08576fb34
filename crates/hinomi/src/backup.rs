//! `hinomi backup`: everything that a running Hinomi stores, into one file.
//!
//! The file appears under its name when it is whole and durable, or not at all; until then it lies beside it.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hinomi_pipeline::backup::Sum;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde_json::json;

use crate::cli::{Backup, Global, Output};
use crate::exit::{self, Code, Usage};
use crate::render::style::bytes as size;
use crate::terminal;
use crate::{client, config};

/// Standard output instead of a file.
const STDOUT: &str = "-";
/// Time between two words about how far it is.
const SAY_EVERY: Duration = Duration::from_millis(250);

/// `hinomi backup FILE`.
pub(crate) fn backup(global: &Global, asked: &Backup) -> anyhow::Result<Code> {
    let to_stdout = asked.file.as_os_str() == STDOUT;
    if to_stdout && std::io::stdout().is_terminal() {
        return Err(
            Usage("an archive is nothing for a terminal: name a file, or pipe it on".to_owned()).into()
        );
    }
    if !to_stdout {
        check_target(&asked.file, asked.force)?;
    }
    let server = config::server(global)?;
    let mut taken = Taken::new();
    let mut partial = None;
    let answer = client::download(&server, &["backup"], &mut |bytes| {
        if to_stdout {
            // Not as the reader's wish: an archive that ends early is a failure.
            let written = std::io::stdout().write_all(bytes);
            written.map_err(|error| anyhow::anyhow!("cannot write to standard output: {error}"))?;
        } else {
            let partial = match &mut partial {
                Some(partial) => partial,
                // Not before there is something: a refusal leaves no file.
                None => partial.insert(Partial::create(&asked.file)?),
            };
            partial.write(bytes)?;
        }
        taken.take(bytes);
        Ok(())
    });
    taken.end_line();
    let headers = answer?;
    anyhow::ensure!(
        taken.sum.is_whole(),
        "the archive that came is not whole ({} bytes came); ask again, and see the log of Hinomi",
        taken.sum.bytes()
    );
    match partial {
        Some(partial) => partial.commit(&asked.file, asked.force)?,
        None => std::io::stdout().flush()?,
    }
    let summary = Summary { headers, bytes: taken.sum.bytes(), took: taken.began.elapsed() };
    // With the archive on standard output there is no place there for words.
    match (global.output, to_stdout) {
        (Output::Json, false) => terminal::print_json(&summary.json(&asked.file))?,
        (Output::Json, true) => terminal::say(&summary.json(&asked.file).to_string()),
        (_, true) => terminal::say(summary.text(&asked.file).trim_end()),
        (_, false) => terminal::print(&summary.text(&asked.file))?,
    }
    Ok(exit::OK)
}

/// Says early what would fail late.
fn check_target(file: &Path, force: bool) -> anyhow::Result<()> {
    let wrong = |why: &str| Usage(format!("{}: {why}", file.display()));
    anyhow::ensure!(file.file_name().is_some(), wrong("is no name of a file"));
    match file.symlink_metadata() {
        Ok(meta) if !meta.is_file() => {
            Err(wrong("is there and is no plain file; write to another, or pipe from `hinomi backup -`")
                .into())
        }
        Ok(_) if !force => {
            Err(wrong("is there already; choose another name, or replace it with --force").into())
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The file while it is not whole; removed if it never is.
struct Partial {
    file: File,
    path: PathBuf,
    done: bool,
}

impl Partial {
    /// For this user only: log lines of containers are in it.
    fn create(target: &Path) -> anyhow::Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file, path, done: false })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(bytes).with_context(|| format!("cannot write to {}", self.path.display()))
    }

    fn commit(mut self, target: &Path, force: bool) -> anyhow::Result<()> {
        self.file.sync_all().with_context(|| format!("cannot sync {}", self.path.display()))?;
        put(&self.path, target, force)
            .with_context(|| format!("cannot name the archive {}", target.display()))?;
        self.done = true;
        let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .with_context(|| format!("cannot sync {}", dir.display()))
    }
}

/// Without force nothing is replaced, not even what came meanwhile.
fn put(from: &Path, to: &Path, force: bool) -> std::io::Result<()> {
    if force {
        return std::fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that can't do that.
        Err(Errno::INVAL | Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        other => other.map_err(Into::into),
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            let _best_effort = std::fs::remove_file(&self.path);
        }
    }
}

/// What came so far.
struct Taken {
    sum: Sum,
    began: Instant,
    said: Option<Instant>,
    says: bool,
}

impl Taken {
    fn new() -> Self {
        Self { sum: Sum::default(), began: Instant::now(), said: None, says: std::io::stderr().is_terminal() }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.sum.push(bytes);
        if self.says && self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            let text =
                format!("{}  {}", size(self.sum.bytes()), rate(self.sum.bytes(), self.began.elapsed()));
            let _unread = write!(std::io::stderr(), "\r{text:<40}");
        }
    }

    /// Wipes the line.
    fn end_line(&self) {
        if self.said.is_some() {
            let _unread = write!(std::io::stderr(), "\r{:<40}\r", "");
        }
    }
}

/// Bytes a second, as people read them.
pub(crate) fn rate(bytes: u64, took: Duration) -> String {
    let ms = took.as_millis().max(1);
    let rate = u128::from(bytes).saturating_mul(1000) / ms;
    format!("{}/s", size(u64::try_from(rate).unwrap_or(u64::MAX)))
}

struct Summary {
    headers: client::Headers,
    bytes: u64,
    took: Duration,
}

impl Summary {
    fn number(&self, name: &str) -> u64 {
        self.headers.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn json(&self, file: &Path) -> serde_json::Value {
        json!({
            "file": file.display().to_string(),
            "archive_bytes": self.bytes,
            "files": self.number("x-hinomi-files"),
            "bytes": self.number("x-hinomi-bytes"),
            "made_at": self.headers.get("x-hinomi-made-at"),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn text(&self, file: &Path) -> String {
        let made_at = client::printable(self.headers.get("x-hinomi-made-at").unwrap_or("?"));
        format!(
            "{}: everything stored until {made_at}\n{} of {} files ({}) in {:.1} s, {}\n",
            if file.as_os_str() == STDOUT { "standard output".into() } else { file.to_string_lossy() },
            size(self.bytes),
            self.number("x-hinomi-files"),
            size(self.number("x-hinomi-bytes")),
            self.took.as_secs_f64(),
            rate(self.bytes, self.took)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_file_is_named_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("b.tar.zst");
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        Partial::create(&target).unwrap().write(b"half").unwrap();
        assert_eq!(names(), 0);
        let mut partial = Partial::create(&target).unwrap();
        partial.write(b"one").unwrap();
        partial.commit(&target, false).unwrap();
        assert_eq!((std::fs::read(&target).unwrap(), names()), (b"one".to_vec(), 1));
        assert!(check_target(&target, false).is_err() && check_target(&target, true).is_ok());
        // It came meanwhile.
        Partial::create(&target).unwrap().commit(&target, false).unwrap_err();
        assert_eq!((std::fs::read(&target).unwrap(), names()), (b"one".to_vec(), 1));
        let mut partial = Partial::create(&target).unwrap();
        partial.write(b"two").unwrap();
        partial.commit(&target, true).unwrap();
        assert_eq!((std::fs::read(&target).unwrap(), names()), (b"two".to_vec(), 1));
        for no_file in [dir.path(), Path::new("/dev/null"), Path::new("/")] {
            assert!(check_target(no_file, true).is_err(), "{no_file:?}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate(3 << 20, Duration::from_millis(1500)), "2.0 MiB/s");
        assert_eq!(rate(5, Duration::ZERO), "4.8 KiB/s");
    }
}
