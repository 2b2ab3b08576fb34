//! Finds, reads and judges the configuration file.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hinomi_config::decode::SECRET_MAX_BYTES;
use hinomi_config::{Note, Problem, Secret, TEXT_MAX_BYTES};
use hinomi_pipeline::settings::{Given, GivenMetrics, Settings, TOKEN_VARIABLE, Tls, check_token};
use serde_json::json;

use crate::cli::{ConfigFile, Global, Output, Run};
use crate::client::Server;
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

fn judge(named: Option<&Path>, given: &Given) -> anyhow::Result<Result<Loaded, Wrong>> {
    let file = find(named);
    let text = file.as_deref().map(read).transpose()?.unwrap_or_default();
    let shown = file.as_deref().map_or_else(|| "(no file)".to_owned(), |file| file.display().to_string());
    let env = |name: &str| std::env::var(name).ok();
    Ok(match Settings::parse_given(&text, &shown, &env, given) {
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
    load_given(named, &Given::default())
}

/// The configuration in force, with what the command line says.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn load_given(named: &ConfigFile, given: &Given) -> anyhow::Result<Loaded> {
    judge(named.config.as_deref(), given)?.map_err(|wrong| Usage(problems(&wrong.problems)).into())
}

/// What the command line of `up` and `server` says about the configuration.
///
/// # Errors
///
/// When the file with the token can't be read.
pub(crate) fn given(global: &Global, run: &Run) -> anyhow::Result<Given> {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let pair = run.tls_cert.as_ref().zip(run.tls_key.as_ref());
    Ok(Given {
        listen: run.listen,
        token: global.token_file.as_deref().map(token_file).transpose()?,
        insecure: run.insecure,
        tls: pair.map(|(certificate, key)| Tls { certificate: absolute(certificate), key: absolute(key) }),
        metrics: GivenMetrics {
            retention: run.metrics_retention,
            out_of_order_window: run.out_of_order_window,
            promql_experimental: run.promql_experimental,
            admin_api: run.enable_admin_api,
            procfs: run.procfs.as_ref().map(absolute),
            sysfs: run.sysfs.as_ref().map(absolute),
            cgroupfs: run.cgroupfs.as_ref().map(absolute),
        },
    })
}

fn token_file(file: &Path) -> anyhow::Result<Secret> {
    let usage = |why: String| Usage(format!("--token-file {}: {why}", file.display()));
    let limit = u64::try_from(SECRET_MAX_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(limit).read_to_string(&mut text));
    read.map_err(|error| usage(format!("{error}; check that it exists and that this user may read it")))?;
    let token = Secret::new(text.trim_end_matches(['\r', '\n']));
    check_token(&token).map_err(|(message, remedy)| usage(format!("{message}; {remedy}")))?;
    Ok(token)
}

/// The Hinomi that commands ask: the option, else the configuration's, else the default. The token of the configuration
/// is for nobody but the Hinomi that was started with it.
///
/// # Errors
///
/// When the file of `--token-file` can't be read.
pub(crate) fn server(global: &Global) -> anyhow::Result<Server> {
    let env = |name: &str| std::env::var(name).ok();
    let token = match global.token_file.as_deref() {
        Some(file) => Some(token_file(file)?),
        None => env(TOKEN_VARIABLE).filter(|token| !token.is_empty()).map(Secret::new),
    };
    let ca_file = global.ca_file.clone();
    if let Some(server) = &global.server {
        return Ok(Server { url: server.trim_end_matches('/').to_owned(), token, ca_file, at: None });
    }
    // A configuration that this user can't read in full or that is wrong is not what a question is about.
    let file = find(std::env::var_os("HINOMI_CONFIG").as_deref().map(Path::new));
    let text = file.and_then(|file| read(&file).ok()).unwrap_or_default();
    let settings = Settings::parse_leniently(&text, &env);
    let (url, at) = on_this_machine(&settings);
    Ok(Server { url, token: token.or(settings.access.token), ca_file, at })
}

/// Where this machine's Hinomi answers. With TLS by a name that its certificate may have, at the address on which it
/// listens.
fn on_this_machine(settings: &Settings) -> (String, Option<(String, SocketAddr)>) {
    let mut listen = settings.listen;
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    if settings.tls.is_none() {
        return (format!("http://{listen}"), None);
    }
    let public = settings.public_url.as_ref().and_then(|url| url.domain()).map(str::to_owned);
    let is_name = |host: &&String| host.parse::<IpAddr>().is_err();
    match public.or_else(|| settings.access.hosts.iter().find(is_name).cloned()) {
        Some(name) => (format!("https://{name}:{}", listen.port()), Some((name, listen))),
        None => (format!("https://{listen}"), None),
    }
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
    let judged = judge(named.config.as_deref(), &Given::default())?;
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
    fn where_this_machine_answers() {
        let tls = "tls: { certificate: /a.pem, key: /b.pem }\n";
        let table = [
            ("", "http://127.0.0.1:8119", None),
            ("listen: 0.0.0.0:9\n", "http://127.0.0.1:9", None),
            ("listen: \"[::]:9\"\n", "http://[::1]:9", None),
            ("listen: 192.0.2.1:9\naccess: { token: { file: /nonexistent } }\n", "http://192.0.2.1:9", None),
            ("public_url: https://a.example.org\n", "http://127.0.0.1:8119", None),
            (tls, "https://127.0.0.1:8119", None),
            (
                "access: { hosts: [192.0.2.1, b.example.org] }\n",
                "https://b.example.org:8119",
                Some("b.example.org"),
            ),
            ("public_url: https://a.example.org\n", "https://a.example.org:8119", Some("a.example.org")),
        ];
        for (text, url, name) in table {
            let text = if url.starts_with("https") && text != tls {
                format!("{tls}{text}")
            } else {
                text.to_owned()
            };
            let settings = Settings::parse_leniently(&text, &|_| None);
            let want = name.map(|name| (name.to_owned(), SocketAddr::from(([127, 0, 0, 1], 8119))));
            assert_eq!(on_this_machine(&settings), (url.to_owned(), want), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_wrong_usage() {
        let file = Some(PathBuf::from("/nonexistent/hinomi.yaml"));
        let error = load(&ConfigFile { config: file }).expect_err("it is not there");
        assert!(error.downcast_ref::<Usage>().is_some());
        insta::assert_snapshot!(error.to_string());
    }
}
