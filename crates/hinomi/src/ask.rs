//! Commands that ask: a running Hinomi, or the machine.

use hinomi_model::Level;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::{ConfigFile, Findings, Global, Output, Status, Timeline, Why};
use crate::exit::{self, Code};
use crate::terminal::{self, Page};
use crate::{client, config, render, view};

/// Prints the answer as it came, or as text; `judge` gives the exit code.
fn answer<T: DeserializeOwned>(
    global: &Global,
    mut value: Value,
    render: impl FnOnce(&Page, &T) -> String,
    judge: impl FnOnce(&T) -> Code,
) -> anyhow::Result<Code> {
    let raw = (global.output == Output::Json).then(|| value.clone());
    client::make_printable(&mut value);
    let view: T = serde_json::from_value(value).map_err(|error| {
        anyhow::anyhow!("the answer is not understood: {error}; is the server of another version?")
    })?;
    match raw {
        Some(raw) => terminal::print_json(&raw)?,
        None => terminal::print(&render(&Page::stdout(), &view))?,
    }
    Ok(judge(&view))
}

/// `hinomi why NAME`.
pub(crate) fn why(global: &Global, asked: &Why) -> anyhow::Result<Code> {
    let value = client::get(&config::server(global)?, "why", &[("name", Some(&asked.name))])?;
    let code = |why: &view::Why| if why.deviates { exit::FINDING } else { exit::OK };
    answer(global, value, |page, why| render::why::text(page, why, asked.verbose), code)
}

/// `hinomi findings`.
pub(crate) fn findings(global: &Global, asked: &Findings) -> anyhow::Result<Code> {
    let all = asked.all.then_some("true");
    let value = client::get(&config::server(global)?, "findings", &[("all", all)])?;
    let loud = |finding: &view::Finding| finding.level > Level::None && finding.resolved_at.is_none();
    let code = |list: &view::Findings| if list.findings.iter().any(loud) { exit::FINDING } else { exit::OK };
    answer(global, value, |page, list| render::findings::text(page, list, asked.all), code)
}

/// `hinomi timeline`.
pub(crate) fn timeline(global: &Global, asked: &Timeline) -> anyhow::Result<Code> {
    let limit = asked.limit.to_string();
    let parameters = [
        ("since", asked.since.as_deref()),
        ("from", asked.from.as_deref()),
        ("to", asked.to.as_deref()),
        ("resource", asked.resource.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let value = client::get(&config::server(global)?, "timeline", &parameters)?;
    answer(global, value, render::timeline::text, |_| exit::OK)
}

/// `hinomi status`.
pub(crate) fn status(global: &Global, asked: &Status) -> anyhow::Result<Code> {
    let value = client::get(&config::server(global)?, "status", &[])?;
    answer(global, value, |page, status| render::status::text(page, status, asked.verbose), |_| exit::OK)
}

/// `hinomi agent explain-privileges`.
pub(crate) fn privileges(global: &Global, named: &ConfigFile) -> anyhow::Result<Code> {
    let loaded = config::load(named)?;
    let data_dir = crate::up::data_dir(&loaded.settings, None)?.path;
    let rights = crate::up::rights(&loaded.settings, &data_dir);
    match global.output {
        Output::Json => terminal::print_json(&json!({ "rights": rights }))?,
        Output::Text | Output::Csv => terminal::print(&render::rights::full(&Page::stdout(), &rights))?,
    }
    Ok(exit::OK)
}

/// `hinomi version`.
pub(crate) fn version(global: &Global) -> anyhow::Result<Code> {
    let version = env!("CARGO_PKG_VERSION");
    match global.output {
        Output::Json => terminal::print_json(&json!({ "version": version }))?,
        Output::Text | Output::Csv => terminal::print(&format!("hinomi {version}\n"))?,
    }
    Ok(exit::OK)
}
