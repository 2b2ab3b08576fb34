//! Node and a browser, for what looks at the web page (`ui/test`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::hinomi::Server;
use crate::process::find_tool;
use crate::repository;

/// Folder of the web page's sources.
#[must_use]
pub fn sources() -> PathBuf {
    repository().join("ui")
}

/// Why the page cannot be looked at here, if so.
#[must_use]
pub fn unavailable() -> Option<String> {
    if let Some(tool) = ["node", "chromium"].into_iter().find(|tool| find_tool(tool).is_none()) {
        return Some(format!("no {tool}; run scripts/setup-test"));
    }
    let packages = sources().join("node_modules/playwright-core");
    (!packages.is_dir()).then(|| "the page's packages are not installed; run scripts/page build".to_owned())
}

/// Whether a Hinomi was built with its page.
///
/// # Errors
///
/// When it does not answer.
pub fn is_served(hinomi: &Server) -> Result<bool> {
    let answer = hinomi.request("GET", "/", b"", Duration::from_secs(10))?;
    Ok(answer.status == 200 && String::from_utf8_lossy(&answer.body).contains("/assets/"))
}

/// `node`, to be given arguments, in the page's folder; in a network namespace, so that what the browser asks for stays
/// in there.
///
/// # Errors
///
/// When a tool is missing.
pub fn node(netns: Option<&Path>) -> Result<Command> {
    let node = find_tool("node").context("no node")?;
    let mut command = match netns {
        None => Command::new(node),
        Some(netns) => {
            let mut inside = Command::new(find_tool("nsenter").context("no nsenter")?);
            inside.arg(format!("--net={}", netns.display())).arg(node);
            inside
        }
    };
    command.current_dir(sources()).env("CHROMIUM", find_tool("chromium").context("no chromium")?);
    Ok(command)
}
