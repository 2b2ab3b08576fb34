//! A dockerd, a receiver, a Hinomi.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_testkit::docker::{Builder, PrivateDocker};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::process::wait_for;
use hinomi_testkit::webhook::{Receiver, Request};
use serde_json::Value;

use crate::SOON;

/// Name under which the site's Hinomi knows its host.
pub const CLUSTER: &str = "e2e-host";

/// What `hinomi why` said.
#[derive(Clone, Debug)]
pub struct Why {
    /// Its exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub text: String,
    /// Standard error.
    pub errors: String,
}

/// Everything a case needs. Fields drop in order: Hinomi ends before its dockerd goes.
#[derive(Debug)]
pub struct Site {
    /// The running Hinomi.
    pub hinomi: Server,
    /// What it tells.
    pub receiver: Receiver,
    /// What it watches.
    pub docker: PrivateDocker,
    expected: Mutex<BTreeMap<String, Vec<String>>>,
}

/// Receiver and route for everything that is loud.
#[must_use]
pub fn config(receiver: &Receiver) -> String {
    let url = receiver.url();
    format!(
        "host: {{ name: {CLUSTER} }}\n\
         receivers:\n  - {{ name: oncall, webhook: {{ url: \"{url}\", timeout: 2s }} }}\n\
         routes:\n  - {{ receiver: oncall }}\n"
    )
}

impl Site {
    /// Starts all three, or says that the suite is skipped where there can be no dockerd.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub fn start(name: &str, builder: Builder) -> Result<Option<Self>> {
        let Some(docker) = builder.start_or_skip(name) else { return Ok(None) };
        Self::around(docker).map(Some)
    }

    /// A Hinomi and a receiver for a dockerd that runs already.
    ///
    /// # Errors
    ///
    /// When one of them does not start.
    pub fn around(docker: PrivateDocker) -> Result<Self> {
        let receiver = Receiver::start_in(Some(&docker.netns()))?;
        let hinomi = Options::new().docker(&docker).config(&config(&receiver)).start()?;
        let site = Self { hinomi, receiver, docker, expected: Mutex::default() };
        site.wait_connected()?;
        Ok(site)
    }

    /// Waits until Hinomi sees the dockerd.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub fn wait_connected(&self) -> Result<()> {
        self.wait_collector(|docker| docker["ok"] == true)
    }

    /// Waits until the docker collector's word about itself is as wanted.
    ///
    /// # Errors
    ///
    /// When it does not become so in time.
    pub fn wait_collector(&self, wanted: impl Fn(&Value) -> bool) -> Result<()> {
        self.hinomi.wait_for("/api/hinomi/v1/status", SOON, |status| {
            collector(status, "docker").filter(|docker| wanted(docker)).map(drop)
        })
    }

    /// Runs the `docker` CLI; it must succeed.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        self.docker.run_ok(args)
    }

    /// Runs the `docker` CLI; it must fail.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn docker_fails(&self, args: &[&str]) -> Result<String> {
        let output = self.docker.docker(args)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "`docker {}` should fail", args.join(" "));
        Ok(said)
    }

    /// The open finding of a container that `wanted` accepts, level None included.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub fn finding(&self, name: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = "/api/hinomi/v1/findings?all=true";
        let found = self.hinomi.wait_for(path, limit, |answer| {
            about(answer, name).find(|finding| finding["resolved_at"].is_null() && wanted(finding)).cloned()
        });
        let seen = || self.hinomi.get(path).map(|all| about(&all, name).cloned().collect::<Vec<_>>());
        found.map_err(|_| anyhow::anyhow!("no such finding of {name}; there are: {:?}", seen()))
    }

    /// All findings of a container, open and over.
    ///
    /// # Errors
    ///
    /// When Hinomi does not answer.
    pub fn findings(&self, name: &str) -> Result<Vec<Value>> {
        let answer = self.hinomi.get("/api/hinomi/v1/findings?all=true")?;
        Ok(about(&answer, name).cloned().collect())
    }

    /// Messages about a resource so far.
    #[must_use]
    pub fn messages(&self, name: &str) -> Vec<Request> {
        let all = self.receiver.received().into_iter();
        all.filter(|request| request.body["resource"]["name"] == name).collect()
    }

    /// Waits until exactly these were told about a resource, each as `status level inspection/cause_class`, and checks
    /// what every message must keep: version, key, rising sequence, `Idempotency-Key`.
    ///
    /// # Errors
    ///
    /// When others or fewer came.
    pub fn expect_told(&self, name: &str, limit: Duration, want: &[&str]) -> Result<Vec<Request>> {
        self.expected().insert(name.to_owned(), want.iter().map(|&words| words.to_owned()).collect());
        let waited = wait_for("messages", limit, || (self.messages(name).len() >= want.len()).then_some(()));
        let messages = self.messages(name);
        let told: Vec<String> = messages.iter().map(|message| words(&message.body)).collect();
        ensure!(waited.is_ok() && told == want, "{name}: told {told:#?}, expected {want:#?}");
        check_form(&messages).with_context(|| name.to_owned())?;
        Ok(messages)
    }

    /// Everything told so far is what the cases expected, and nothing else.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn finish(&self) -> Result<()> {
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for request in self.receiver.received() {
            let name = request.body["resource"]["name"].as_str().unwrap_or("?").to_owned();
            told.entry(name).or_default().push(words(&request.body));
        }
        let mut expected = self.expected().clone();
        expected.retain(|_, messages| !messages.is_empty());
        let more: Vec<_> =
            told.iter().filter(|(name, messages)| expected.get(*name) != Some(messages)).collect();
        ensure!(more.is_empty(), "at the end this was told otherwise than expected: {more:#?}");
        ensure!(told.len() == expected.len(), "told about {:?}, expected {:?}", told.keys(), expected.keys());
        Ok(())
    }

    /// `hinomi why NAME`.
    ///
    /// # Errors
    ///
    /// When it cannot be run.
    pub fn why(&self, name: &str) -> Result<Why> {
        let output = self.hinomi.cli(&["why", name])?;
        Ok(Why {
            code: output.status.code(),
            text: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// `hinomi why NAME` ends with `code` and says all of `phrases`.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn expect_why(&self, name: &str, code: i32, phrases: &[&str]) -> Result<()> {
        let why = self.why(name)?;
        ensure!(why.code == Some(code), "`hinomi why {name}` ended with {why:?}, expected {code}");
        // Lines are broken to the terminal's width.
        let flat = why.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for phrase in phrases {
            ensure!(flat.contains(phrase), "`hinomi why {name}` does not say {phrase:?}:\n{}", why.text);
        }
        Ok(())
    }

    /// The container as `workloads` shows it, once `wanted` accepts it.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub fn instance(&self, name: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        self.hinomi
            .wait_for("/api/hinomi/v1/workloads", limit, |answer| {
                instances(answer).find(|one| one["resource"]["name"] == name && wanted(one)).cloned()
            })
            .with_context(|| format!("instance {name}"))
    }

    /// Waits until no workload has a container of that name any more.
    ///
    /// # Errors
    ///
    /// When it stays.
    pub fn wait_gone(&self, name: &str) -> Result<()> {
        self.hinomi.wait_for("/api/hinomi/v1/workloads", SOON, |answer| {
            instances(answer).all(|one| one["resource"]["name"] != name).then_some(())
        })
    }

    /// A change in the timeline that `wanted` accepts.
    ///
    /// # Errors
    ///
    /// When there is none in time.
    pub fn change(&self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = "/api/hinomi/v1/timeline?since=1h&limit=10000";
        let found = self.hinomi.wait_for(path, limit, |answer| {
            answer["changes"].as_array()?.iter().find(|change| wanted(change)).cloned()
        });
        found.context("no such change")
    }

    fn expected(&self) -> MutexGuard<'_, BTreeMap<String, Vec<String>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message in short: `firing alert abnormal_exit/exit_code`.
#[must_use]
pub fn words(body: &Value) -> String {
    let word = |key: &str| body[key].as_str().unwrap_or("?");
    format!("{} {} {}/{}", word("status"), word("level"), word("inspection"), word("cause_class"))
}

/// The collector of that name in the answer of `status`.
#[must_use]
pub fn collector<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["collectors"].as_array()?.iter().find(|collector| collector["name"] == name)
}

/// The value of a fact in a finding's evidence.
#[must_use]
pub fn fact<'a>(finding: &'a Value, label: &str) -> Option<&'a str> {
    let facts = finding["evidence"]["facts"].as_array()?;
    facts.iter().find(|pair| pair[0] == label)?[1].as_str()
}

/// The texts of the log lines in a finding or message.
#[must_use]
pub fn log_lines(finding: &Value) -> Vec<&str> {
    let lines = finding["evidence"]["log"]["lines"].as_array();
    lines.into_iter().flatten().filter_map(|line| line["text"].as_str()).collect()
}

/// A stage of a launch, by its name.
#[must_use]
pub fn stage<'a>(launch: &'a Value, name: &str) -> &'a Value {
    let stages = launch["stages"].as_array();
    stages.into_iter().flatten().find(|stage| stage["stage"] == name).unwrap_or(&Value::Null)
}

fn about<'a>(answer: &'a Value, name: &'a str) -> impl Iterator<Item = &'a Value> {
    let findings = answer["findings"].as_array().into_iter().flatten();
    findings.filter(move |finding| finding["resource"]["name"] == name)
}

/// All containers in the answer of `workloads`.
pub fn instances(answer: &Value) -> impl Iterator<Item = &Value> {
    let workloads = answer["workloads"].as_array().into_iter().flatten();
    workloads.flat_map(|workload| workload["instances"].as_array().into_iter().flatten())
}

/// What holds for all messages of one incident.
///
/// # Errors
///
/// When it does not.
pub fn check_form(messages: &[Request]) -> Result<()> {
    let mut keys: Vec<&Value> = messages.iter().map(|message| &message.body["incident"]).collect();
    keys.dedup();
    ensure!(keys.len() <= 1, "one incident, but keys {keys:?}");
    let mut last = 0;
    for message in messages {
        let body = &message.body;
        let (key, sequence) = (body["incident"].as_str(), body["sequence"].as_u64());
        let (Some(key), Some(sequence)) = (key, sequence) else { bail!("no key or sequence: {body}") };
        ensure!(sequence > last, "sequence {sequence} after {last}");
        last = sequence;
        ensure!(body["version"] == 1 && body["stored"] == true, "{body}");
        let sent = message.headers.get("idempotency-key").map(String::as_str);
        ensure!(
            sent == Some(format!("{key}:{sequence}").as_str()),
            "Idempotency-Key {sent:?} of {key} {sequence}"
        );
        let over = body["status"] == "resolved";
        ensure!(over != body["resolved"].is_null() && over != body["resolved_because"].is_null(), "{body}");
    }
    Ok(())
}
