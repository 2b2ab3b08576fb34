//! `hinomi restore`: a backup into a data folder, without a running Hinomi.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::time::Instant;

use anyhow::Context as _;
use hinomi_model::{ErrorKind, Nanos};
use hinomi_pipeline::backup::{self, RestoreError, Restored};
use serde_json::json;

use crate::backup::rate;
use crate::cli::{Global, Output, Restore};
use crate::exit::{self, Code, Usage};
use crate::render::style::bytes as size;
use crate::{client, terminal};

/// `hinomi restore FILE --data-dir DIR`.
pub(crate) fn restore(global: &Global, asked: &Restore) -> anyhow::Result<Code> {
    if asked.data_dir.as_os_str().is_empty() {
        return Err(Usage("--data-dir: the name is empty; name a folder".to_owned()).into());
    }
    let from: Box<dyn Read> = if asked.file.as_os_str() == "-" {
        if std::io::stdin().is_terminal() {
            return Err(Usage("nothing is piped into standard input: name a file".to_owned()).into());
        }
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(&asked.file).with_context(|| format!("cannot open {}", asked.file.display()))?)
    };
    let began = Instant::now();
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    let restored = backup::restore(from, &asked.data_dir, asked.force, Nanos(now))
        .map_err(|error| told(error, asked))?;
    let took = began.elapsed();
    if global.output == Output::Json {
        let Restored { head, folder, kept, .. } = &restored;
        terminal::print_json(&json!({
            "data_dir": folder.display().to_string(),
            "kept": kept.as_ref().map(|kept| kept.display().to_string()),
            "files": head.files,
            "bytes": head.bytes,
            "made_at": head.made_at,
            "hinomi": head.hinomi,
            "cluster": head.cluster,
            "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }))?;
        return Ok(exit::OK);
    }
    let mut text = words(&restored);
    text.push_str(&format!(
        "{} in {} files in {:.1} s, {}; every checksum is right\nnext: hinomi server --data-dir {}\n",
        size(restored.head.bytes),
        restored.head.files,
        took.as_secs_f64(),
        rate(restored.head.bytes, took),
        restored.folder.display()
    ));
    terminal::print(&text)?;
    Ok(exit::OK)
}

fn words(restored: &Restored) -> String {
    let head = &restored.head;
    let mut text = format!(
        "{}: everything that Hinomi {} on {} had stored until {}\n",
        restored.folder.display(),
        client::printable(&head.hinomi),
        client::printable(&head.cluster),
        client::printable(&head.made_at)
    );
    if let Some(kept) = &restored.kept {
        text.push_str(&format!("what was there before is in {}\n", kept.display()));
    }
    text
}

/// With the archive's name, and as wrong usage where another call helps.
fn told(error: RestoreError, asked: &Restore) -> anyhow::Error {
    let of_archive = matches!(
        error,
        RestoreError::Cut { .. }
            | RestoreError::Damaged { .. }
            | RestoreError::Refused { .. }
            | RestoreError::Version { .. }
    );
    let usage = error.kind() == ErrorKind::Invalid;
    let text = if of_archive { format!("{}: {error}", asked.file.display()) } else { error.to_string() };
    let text = client::printable(&text);
    if usage { Usage(text).into() } else { anyhow::anyhow!(text) }
}
