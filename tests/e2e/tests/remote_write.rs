//! A real Prometheus sends what it scrapes, and Hinomi answers PromQL over it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use hinomi_e2e::SOON;
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::{net, process};
use serde_json::Value;

/// A Prometheus that scrapes itself and sends everything on.
struct Prometheus {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        process::signal(self.child.id(), rustix::process::Signal::TERM);
        let _ended = self.child.wait();
    }
}

impl Prometheus {
    fn start(program: &Path, to: &Server) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("hinomi-prometheus-").tempdir()?;
        let port = net::free_port(None)?;
        let config = format!(
            "global: {{ scrape_interval: 1s, external_labels: {{ origin: e2e }} }}\n\
             scrape_configs:\n  - job_name: self\n    static_configs: [ {{ targets: [ '127.0.0.1:{port}' ] }} ]\n\
             remote_write:\n  - url: http://{}/api/v1/write\n    headers: {{ X-Scope-OrgID: default }}\n    \
             send_exemplars: true\n    send_native_histograms: true\n    queue_config: {{ batch_send_deadline: 1s }}\n    \
             metadata_config: {{ send_interval: 2s }}\n",
            to.address()
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config)?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--enable-feature=exemplar-storage,native-histograms")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("prometheus")?;
        Ok(Self { child, port, folder })
    }

    fn log(&self) -> String {
        process::tail(&self.folder.path().join("log"), 20)
    }
}

#[allow(clippy::print_stderr, reason = "whoever runs the test has to know that it did not look")]
fn skipped() {
    eprintln!("skipped: there is no prometheus on this machine");
}

/// Values of an instant query, with their labels.
fn values(answer: &Value) -> Vec<(&Value, &str)> {
    let rows = answer["data"]["result"].as_array().into_iter().flatten();
    rows.filter_map(|row| Some((&row["metric"], row["value"][1].as_str()?))).collect()
}

#[test]
fn prometheus_sends_and_hinomi_answers() -> Result<()> {
    let Some(program) = process::find_tool("prometheus") else {
        skipped();
        return Ok(());
    };
    let hinomi = Options::new().without_collectors().start()?;
    let prometheus = Prometheus::start(&program, &hinomi)?;
    let asked = |query: &str| format!("/api/v1/query?query={query}");
    let seen = hinomi.wait_for(&asked("up%7Borigin%3D%22e2e%22%7D"), SOON, |answer| {
        let [(labels, "1")] = values(answer)[..] else { return None };
        Some((*labels).clone())
    });
    let labels = seen.with_context(|| prometheus.log())?;
    ensure!(labels["job"] == "self" && labels["instance"] == format!("127.0.0.1:{}", prometheus.port));
    // Counters rise, histograms have all their buckets, and Prometheus itself has lost nothing on the way.
    let rises = asked("rate(prometheus_tsdb_head_samples_appended_total%5B10s%5D)%20%3E%200");
    hinomi.wait_for(&rises, SOON, |answer| (!values(answer).is_empty()).then_some(()))?;
    let all = asked("count(%7Borigin%3D%22e2e%22%7D)");
    hinomi.wait_for(&all, SOON, |answer| {
        let [(_, count)] = values(answer)[..] else { return None };
        count.parse::<u32>().ok().filter(|count| *count > 200)
    })?;
    let failed = asked("sum(prometheus_remote_storage_samples_failed_total)");
    let sum =
        hinomi.wait_for(&failed, SOON, |answer| values(answer).first().map(|(_, sum)| (*sum).to_owned()))?;
    ensure!(sum == "0", "{sum} samples were refused: {}", prometheus.log());
    let metadata = "/api/v1/metadata?metric=prometheus_tsdb_head_series";
    let said = hinomi.wait_for(metadata, SOON, |answer| {
        answer["data"]["prometheus_tsdb_head_series"][0]["type"].as_str().map(str::to_owned)
    })?;
    ensure!(said == "gauge", "{said}");
    Ok(())
}
