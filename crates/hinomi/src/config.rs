//! Finds, reads and judges the configuration file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hinomi_config::{Note, Problem, TEXT_MAX_BYTES};
use hinomi_pipeline::settings::Settings;
use serde_json::json;

use crate::cli::{ConfigFile, Global, Output};
use crate::exit::{self, Usage};
use crate::terminal::{self, Page};

/// The file that is read when none is named.
pub(crate) const DEFAULT_FILE: &str = "/etc/hinomi/hinomi.yaml";

/// A configuration that is right.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What is set.
    pub(crate) settings: Settings,
    /// Where it stands; `None`: nowhere, defaults are in force.
    pub(crate) file: Option<PathBuf>,
    /// What is worth knowing about it.
    pub(crate) notes: Vec<Note>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
struct Wrong {
    problems: Vec<Problem>,
}

/// A file that is there, or `None`.
fn find(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_path_buf).or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let usage = |error: std::io::Error| {
        Usage(format!(
            "cannot read the configuration {}: {error}; name another with --config",
            file.display()
        ))
    };
    let limit = u64::try_from(TEXT_MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(usage)?.take(limit).read_to_end(&mut bytes).map_err(usage)?;
    let wrong =
        |_| Usage(format!("the configuration {} is not UTF-8 text; is it the right file?", file.display()));
    Ok(String::from_utf8(bytes).map_err(wrong)?)
}

fn judge(named: Option<&Path>) -> anyhow::Result<Result<Loaded, Wrong>> {
    let file = find(named);
    let text = file.as_deref().map(read).transpose()?.unwrap_or_default();
    let shown = file.as_deref().map_or_else(|| "(no file)".to_owned(), |file| file.display().to_string());
    let env = |name: &str| std::env::var(name).ok();
    Ok(match Settings::parse(&text, &shown, &env) {
        Ok((settings, notes)) => Ok(Loaded { settings, file, notes }),
        Err(problems) => Err(Wrong { problems }),
    })
}

/// The configuration in force.
///
/// # Errors
///
/// [`Usage`] with everything that is wrong.
pub(crate) fn load(named: &ConfigFile) -> anyhow::Result<Loaded> {
    judge(named.config.as_deref())?.map_err(|wrong| Usage(problems(&wrong.problems)).into())
}

/// Address of the Hinomi that commands ask: the option, else the configuration's, else the default.
pub(crate) fn server(global: &Global) -> String {
    if let Some(server) = &global.server {
        return server.trim_end_matches('/').to_owned();
    }
    // A configuration that this user can't read or that is wrong is not what a question is about.
    let listen = match judge(std::env::var_os("HINOMI_CONFIG").as_deref().map(Path::new)) {
        Ok(Ok(loaded)) => loaded.settings.listen,
        Ok(Err(_)) | Err(_) => Settings::default().listen,
    };
    format!("http://{listen}")
}

/// All problems, one a line, for a person.
fn problems(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "the configuration has a problem\n".to_owned(),
        n => format!("the configuration has {n} problems\n"),
    };
    for problem in problems {
        text.push_str(&format!("  {problem}\n"));
    }
    text.push_str("all keys: docs/reference/config.md; check again: hinomi config check");
    text
}

/// `hinomi config check`.
///
/// # Errors
///
/// When the file can't be read; in text form also when it has problems.
pub(crate) fn check(global: &Global, named: &ConfigFile) -> anyhow::Result<exit::Code> {
    let judged = judge(named.config.as_deref())?;
    if global.output == Output::Json {
        let (ok, problems, notes) = match &judged {
            Ok(loaded) => (true, Vec::new(), loaded.notes.iter().map(|note| &note.0).collect()),
            Err(wrong) => (false, wrong.problems.iter().collect(), Vec::new()),
        };
        let list = |list: Vec<&Problem>| list.into_iter().map(problem_json).collect::<Vec<_>>();
        terminal::print_json(&json!({ "ok": ok, "problems": list(problems), "notes": list(notes) }))?;
        return Ok(if ok { exit::OK } else { exit::USAGE });
    }
    let loaded = judged.map_err(|wrong| Usage(problems(&wrong.problems)))?;
    let mut text = String::new();
    for note in &loaded.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    let mark = crate::render::style::good(&Page::stdout());
    text.push_str(&match &loaded.file {
        Some(file) => format!("{mark} {} is right\n", file.display()),
        None => format!("{mark} there is no {DEFAULT_FILE}; every key has its default\n"),
    });
    terminal::print(&text).context("write the answer")?;
    Ok(exit::OK)
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "key_path": problem.key_path,
        "message": problem.message,
        "remedy": problem.remedy,
    })
}

/// `hinomi config show`.
///
/// # Errors
///
/// When the configuration is wrong.
pub(crate) fn show(global: &Global, named: &ConfigFile) -> anyhow::Result<exit::Code> {
    if global.output == Output::Json {
        let why = "`config show` prints YAML, which is what the file is written in; leave --output json away";
        return Err(Usage(why.to_owned()).into());
    }
    terminal::print(&load(named)?.settings.effective_yaml()).context("write the answer")?;
    Ok(exit::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_mistakes_are_told_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("hinomi.yaml");
        std::fs::write(
            &file,
            "listen: 0.0.0.0:8119\nretention: { state: 400 }\nmemory: 512MiB\nreceivers:\n  - name: oncall\n    \
             webhook: { url: exmaple }\nroutes:\n  - { receiver: onkall, levels: [alert] }\n",
        )?;
        let error = load(&ConfigFile { config: Some(file) }).expect_err("it has five mistakes");
        assert!(error.downcast_ref::<Usage>().is_some());
        let text = error.to_string().replace(&folder.path().display().to_string(), "FOLDER");
        insta::assert_snapshot!(text);
        Ok(())
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let file = Some(PathBuf::from("/nonexistent/hinomi.yaml"));
        let error = load(&ConfigFile { config: file }).expect_err("it is not there");
        assert!(error.downcast_ref::<Usage>().is_some());
        insta::assert_snapshot!(error.to_string());
    }
}
