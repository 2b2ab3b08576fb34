//! The web page in a real browser, against a real Hinomi that watches a real Docker.
//!
//! The tests themselves are JavaScript (`ui/test/*.test.mjs`, Node's own runner and Debian's Chromium). This file gives
//! them what they look at: a private dockerd to break things in, a Hinomi beside it, and a second one that asks for a
//! token. Everything runs in the dockerd's network namespace, the browser too, so no request can leave it.
//!
//! `HINOMI_PAGE_TESTS="clicks axe"` runs only these.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_e2e::Site;
use hinomi_testkit::docker::{Builder, IMAGE};
use hinomi_testkit::hinomi::{Options, binary};
use hinomi_testkit::{page, process, skip_suite};

const SUITE: &str = "page";
const TOKEN: &str = "page-token-0123456789";
/// More is a browser that hangs.
const LIMIT: Duration = Duration::from_secs(600);
/// The same for one test, milliseconds.
const TEST_LIMIT_MS: u64 = 180_000;

#[test]
fn the_page_in_a_browser() -> Result<()> {
    if let Some(reason) = page::unavailable() {
        skip_suite(SUITE, &reason);
        return Ok(());
    }
    let Some(site) = Site::start(SUITE, Builder::new(SUITE))? else { return Ok(()) };
    if !page::is_served(&site.hinomi)? {
        skip_suite(
            SUITE,
            "this hinomi was built without its page; run scripts/page build, then build it anew",
        );
        return Ok(());
    }
    let locked = Options::new().docker(&site.docker).env("HINOMI_TOKEN", TOKEN).start()?;
    let mut node = tests(&site.docker.netns())?;
    node.env("DOCKER_HOST", site.docker.host())
        .env("DOCKER_CONFIG", site.docker.base().join("client"))
        .env("HINOMI_URL", format!("http://{}", site.hinomi.address()))
        .env("HINOMI_TOKEN_URL", format!("http://{}", locked.address()))
        .env("HINOMI_TOKEN", TOKEN)
        .env("HINOMI_BIN", binary()?)
        .env("HINOMI_TEST_IMAGE", IMAGE)
        .env("HINOMI_TEST_LABEL", site.docker.label());
    let status = wait(node.spawn().context("start node")?)?;
    ensure!(status.success(), "node's tests of the page failed, see above");
    Ok(())
}

/// `node --test` over the chosen files.
fn tests(netns: &Path) -> Result<Command> {
    let mut command = page::node(Some(netns))?;
    command.args(["--test", "--test-reporter=spec", "--test-concurrency=1"]);
    command.arg(format!("--test-timeout={TEST_LIMIT_MS}"));
    command.args(chosen(&page::sources().join("test"))?);
    Ok(command)
}

fn chosen(folder: &Path) -> Result<Vec<String>> {
    let only = std::env::var("HINOMI_PAGE_TESTS").unwrap_or_default();
    let only: Vec<&str> = only.split_whitespace().collect();
    let names = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_chosen = |name: &String| {
        let stem = name.strip_suffix(".test.mjs");
        stem.is_some_and(|stem| only.is_empty() || only.contains(&stem))
    };
    let mut files: Vec<String> = names.filter(is_chosen).map(|name| format!("test/{name}")).collect();
    files.sort();
    ensure!(!files.is_empty(), "no such tests of the page: {only:?}");
    Ok(files)
}

fn wait(mut child: Child) -> Result<ExitStatus> {
    let ended = process::wait_for("end of node", LIMIT, || child.try_wait().ok().flatten());
    match ended {
        Ok(status) => Ok(status),
        Err(error) => {
            let _ended = child.kill();
            let _reaped = child.wait();
            bail!("{error}: the browser hangs?")
        }
    }
}
