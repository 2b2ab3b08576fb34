//! Numbers of the host and of real containers, through a running `hinomi up` and PromQL; and Hinomi's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use hinomi_e2e::SOON;
use hinomi_testkit::docker::{Builder, IMAGE, PrivateDocker};
use hinomi_testkit::hinomi::{Options, Server};
use hinomi_testkit::net::{free_port, request};
use hinomi_testkit::process::{find_tool, wait_for};
use hinomi_testkit::skip_suite;
use serde_json::Value;

const HOST: &str = "numbers-host";
/// A series must agree with node_exporter in one of so many rounds: some numbers never stand still.
const ROUNDS: usize = 20;
const SHARE: f64 = 0.02;
/// Sockets of those who ask, and of what answers them.
const SOCKETS: f64 = 8.0;

/// A Hinomi that collects every second.
fn options() -> Options {
    Options::new().config(&format!("host: {{ name: {HOST} }}\nmetrics: {{ interval: 1s }}\n"))
}

fn query(hinomi: &Server, text: &str, at: Option<f64>) -> Result<Vec<Value>> {
    let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let at = at.map_or_else(String::new, |at| format!("&time={at}"));
    let answer = hinomi.get(&format!("/api/v1/query?query={encoded}{at}"))?;
    ensure!(answer["status"] == "success", "{text}: {answer}");
    Ok(answer["data"]["result"].as_array().cloned().unwrap_or_default())
}

fn number(one: &Value) -> f64 {
    one["value"][1].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// The only series of the answer.
fn value(hinomi: &Server, text: &str) -> Result<f64> {
    let all = query(hinomi, text, None)?;
    match all.as_slice() {
        [one] => Ok(number(one)),
        _ => bail!("{text}: {all:?}"),
    }
}

fn comes(hinomi: &Server, text: &str, wanted: impl Fn(&[Value]) -> bool) -> Result<()> {
    let mut last = Vec::new();
    let found = wait_for(text, SOON, || {
        last = query(hinomi, text, None).unwrap_or_default();
        wanted(&last).then_some(())
    });
    found.with_context(|| format!("{text}: last {last:?}"))
}

fn families(hinomi: &Server, begin: &str) -> Result<f64> {
    value(hinomi, &format!("count(count by (__name__) ({{__name__=~\"{begin}.+\"}}))"))
}

#[test]
fn numbers() -> Result<()> {
    let Some(docker) = Builder::new("numbers").start_or_skip("numbers") else { return Ok(()) };
    let mut hinomi = options().docker(&docker).start()?;
    containers(&docker, &hinomi)?;
    ended_and_begun(&docker, &hinomi)?;
    own(&docker, &hinomi)?;
    restarts(&docker, &mut hinomi)?;
    Ok(())
}

fn containers(docker: &PrivateDocker, hinomi: &Server) -> Result<()> {
    let compose = ["--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web"];
    let limits = ["-m", "64m", "--cpus", "0.2", "--pids-limit", "50"];
    let mut web = vec!["run", "-d", "--name", "web"];
    web.extend(compose.into_iter().chain(limits).chain([IMAGE, "sh", "-c", "while :; do :; done"]));
    docker.run_ok(&web)?;
    docker.run_ok(&["run", "-d", "--name", "guest", "--network", "host", IMAGE, "sleep", "1000"])?;
    comes(hinomi, "container_memory_usage_bytes{name=~\"web|guest\"}", |all| all.len() == 2)?;
    comes(hinomi, "rate(container_cpu_usage_seconds_total{name=\"web\"}[10s])", |all| {
        all.len() == 1 && all.iter().all(|one| (0.08..=0.3).contains(&number(one)))
    })?;
    ensure!(families(hinomi, "node_")? >= 60.0 && families(hinomi, "container_")? >= 35.0);
    let all = query(hinomi, "container_spec_memory_limit_bytes{name=\"web\"}", None)?;
    let one = all.first().context("a series")?;
    ensure!((number(one) - 67_108_864.0).abs() < 0.5, "{one}");
    for (label, expected) in [
        ("job", "cadvisor"),
        ("instance", HOST),
        ("host", HOST),
        ("container", "web"),
        ("image", IMAGE),
        ("compose_project", "shop"),
        ("compose_service", "web"),
        ("container_label_com_docker_compose_project", "shop"),
    ] {
        ensure!(one["metric"][label] == expected, "{label}: {one}");
    }
    let network = query(hinomi, "container_network_receive_bytes_total", None)?;
    ensure!(network.iter().all(|one| one["metric"]["name"] == "web") && !network.is_empty(), "{network:?}");
    for job in ["node", "cadvisor", "hinomi"] {
        let up = value(hinomi, &format!("up{{job=\"{job}\",instance=\"{HOST}\"}}"))?;
        let scraped = value(hinomi, &format!("scrape_samples_scraped{{job=\"{job}\"}}"))?;
        ensure!(up > 0.5 && scraped > 30.0, "{job}: up {up}, {scraped} samples");
    }
    let kind = hinomi.get("/api/v1/metadata?metric=container_cpu_usage_seconds_total")?;
    ensure!(kind["data"]["container_cpu_usage_seconds_total"][0]["type"] == "counter", "{kind}");
    Ok(())
}

/// What ends is over at once, not after the time that a query looks back; what begins is in the next round.
fn ended_and_begun(docker: &PrivateDocker, hinomi: &Server) -> Result<()> {
    docker.run_ok(&["rm", "-f", "guest"])?;
    comes(hinomi, "container_memory_usage_bytes{name=\"guest\"}", <[Value]>::is_empty)?;
    let samples = query(hinomi, "container_memory_usage_bytes{name=\"guest\"}[1m]", None)?;
    ensure!(samples.len() == 1, "its past is kept: {samples:?}");
    docker.run_ok(&["run", "-d", "--name", "late", IMAGE, "sleep", "1000"])?;
    let began = Instant::now();
    comes(hinomi, "container_last_seen{name=\"late\"}", |all| all.len() == 1)?;
    ensure!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    docker.run_ok(&["rename", "late", "later"])?;
    comes(hinomi, "container_last_seen{name=~\"late.*\"}", |all| {
        all.len() == 1 && all.iter().all(|one| one["metric"]["name"] == "later")
    })
}

/// Debian's tools find no fault with what `/metrics` says, and Prometheus takes it.
fn own(docker: &PrivateDocker, hinomi: &Server) -> Result<()> {
    let answer = hinomi.request("GET", "/metrics", b"", SOON)?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status == 200 && text.contains("\nhinomi_docker_events_total "), "{text}");
    ensure!(!text.contains("hinomi status -v"), "a counter without words of its own: {text}");
    let (Some(promtool), Some(prometheus)) = (find_tool("promtool"), find_tool("prometheus")) else {
        skip_suite("prometheus", "no prometheus with promtool; run scripts/setup-test");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("metrics");
    std::fs::write(&file, &text)?;
    let checked =
        Command::new(promtool).args(["check", "metrics"]).stdin(std::fs::File::open(&file)?).output()?;
    ensure!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let config = folder.path().join("prometheus.yml");
    std::fs::write(
        &config,
        format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nscrape_configs:\n  - job_name: itself\n    \
             static_configs: [ {{ targets: [ \"{}\" ] }} ]\n",
            hinomi.address()
        ),
    )?;
    let netns = docker.netns();
    let port = free_port(Some(&netns))?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", netns.display())).arg(prometheus);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let _prometheus = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let path = "/api/v1/query?query=scrape_samples_scraped%7Bjob%3D%22itself%22%7D";
    wait_for("samples of Hinomi in Prometheus", SOON, || {
        let answer = request(Some(&netns), address, "GET", path, &[], b"", SOON).ok()?.json().ok()?;
        answer["data"]["result"].as_array()?.first().map(number).filter(|samples| *samples > 50.0)
    })?;
    Ok(())
}

/// Ends what it holds.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Series go on after a kill, and the end is quick while rounds are under way.
fn restarts(docker: &PrivateDocker, hinomi: &mut Server) -> Result<()> {
    let samples = "count_over_time(container_memory_usage_bytes{name=\"web\"}[5m])";
    let before = value(hinomi, samples)?;
    hinomi.kill9()?;
    hinomi.start_again()?;
    comes(hinomi, samples, |all| all.len() == 1 && all.iter().all(|one| number(one) >= before + 3.0))?;
    docker.run_ok(&["rm", "-f", "web"])?;
    comes(hinomi, "container_memory_usage_bytes{name=\"web\"}", <[Value]>::is_empty)?;
    let began = Instant::now();
    hinomi.stop()?;
    ensure!(began.elapsed() < Duration::from_secs(5), "the end took {:?}", began.elapsed());
    Ok(())
}

#[test]
fn without_docker_the_hosts_go_on() -> Result<()> {
    let hinomi = options().config("docker: { enabled: false }").start()?;
    comes(&hinomi, "up{job=\"node\"} == 1", |all| all.len() == 1)?;
    ensure!(query(&hinomi, "{job=\"cadvisor\"}", None)?.is_empty());
    Ok(())
}

#[test]
fn with_an_unreachable_docker_the_hosts_go_on() -> Result<()> {
    let hinomi = options().config("docker: { host: \"unix:///nowhere/docker.sock\" }").start()?;
    comes(&hinomi, "up{job=\"cadvisor\"}", |all| all.iter().any(|one| number(one) < 0.5))?;
    comes(&hinomi, "rate(node_cpu_seconds_total{mode=\"idle\",cpu=\"0\"}[10s])", |all| all.len() == 1)
}

#[test]
fn without_procfs_it_is_off_and_says_so() -> Result<()> {
    let hinomi = options().config("docker: { enabled: false }").arg("--procfs").arg("/nowhere").start()?;
    comes(&hinomi, "up{job=\"node\"}", |all| all.iter().any(|one| number(one) < 0.5))?;
    ensure!(query(&hinomi, "{__name__=~\"node_.+\"}", None)?.is_empty());
    let said = hinomi.cli(&["status"])?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.contains("host metrics") && said.contains("/nowhere/stat: No such file"), "{said}");
    let log = std::fs::read_to_string(hinomi.log())?;
    ensure!(log.matches("host metrics are off").count() == 1, "{log}");
    Ok(())
}

/// A series: its name and labels without those that Prometheus' scrape adds.
type Key = (String, BTreeMap<String, String>);

/// A series that both have: in how many rounds, whether they agreed in one, and what each round saw.
#[derive(Debug, Default)]
struct Compared {
    rounds: usize,
    agreed: bool,
    last: Vec<String>,
}

/// node_exporter's labels on a test host hold no escapes but backslashes, which are written twice.
fn scraped(text: &str) -> BTreeMap<Key, f64> {
    let mut series = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("node_")) {
        let Some((name, number)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels.trim_end_matches('}').trim_end_matches('"').split("\",");
        let labels = labels.filter_map(|pair| pair.split_once("=\"")).filter(|pair| !pair.1.is_empty());
        let labels = labels.map(|(name, value)| (name.to_owned(), value.replace("\\\\", "\\"))).collect();
        series.insert((name.to_owned(), labels), number.parse().unwrap_or(f64::NAN));
    }
    series
}

fn stored(all: &[Value]) -> BTreeMap<Key, f64> {
    let mut series = BTreeMap::new();
    for one in all {
        let labels = one["metric"].as_object().into_iter().flatten();
        let mut labels: BTreeMap<String, String> = labels
            .filter(|pair| !["job", "instance"].contains(&pair.0.as_str()))
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let name = labels.remove("__name__").unwrap_or_default();
        series.insert((name, labels), number(one));
    }
    series
}

/// What is asked by PromQL is what node_exporter says, on the same host at the same time, within 2 %.
#[test]
fn the_hosts_numbers_are_node_exporters() -> Result<()> {
    let Some(program) = find_tool("prometheus-node-exporter") else {
        skip_suite("node_exporter", "no prometheus-node-exporter; run scripts/setup-test");
        return Ok(());
    };
    let address = SocketAddr::from(([127, 0, 0, 1], free_port(None)?));
    let mut command = Command::new(program);
    command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
    let _exporter = Ended(command.spawn()?);
    let scrape = || {
        let answer = request(None, address, "GET", "/metrics", &[], b"", SOON).ok()?;
        (answer.status == 200).then(|| scraped(&String::from_utf8_lossy(&answer.body)))
    };
    wait_for("node_exporter", SOON, scrape)?;
    let hinomi = options().config("docker: { enabled: false }").start()?;
    comes(&hinomi, "up{job=\"node\"} == 1", |all| all.len() == 1)?;
    let mut seen: BTreeMap<Key, Compared> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let before = scrape().context("it answers")?;
        let from = value(&hinomi, "vector(time())")?;
        let stamp = "timestamp(node_load1)";
        comes(&hinomi, stamp, |all| all.iter().any(|one| number(one) > from))?;
        let at = value(&hinomi, stamp)?;
        let ours = stored(&query(&hinomi, "{__name__=~\"node_.+\",__name__!~\"node_scrape.+\"}", Some(at))?);
        let after = scrape().context("it answers")?;
        for (key, ours) in ours {
            let (Some(before), Some(after)) = (before.get(&key), after.get(&key)) else { continue };
            let (low, high) = (before.min(*after), before.max(*after));
            // To ask opens sockets.
            let sockets = key.0.starts_with("node_sockstat_") || key.0 == "node_netstat_Tcp_CurrEstab";
            let own = if sockets { SOCKETS } else { 0.0 };
            let near = ours >= low - low.abs() * SHARE - own && ours <= high + high.abs() * SHARE + own;
            let seen = seen.entry(key).or_default();
            seen.rounds += 1;
            seen.agreed |= near;
            seen.last.push(format!("{ours}, there {before} and {after}"));
        }
    }
    // Devices and mounts of other tests come and go, and one glance at them says nothing.
    seen.retain(|_, seen| seen.rounds > ROUNDS / 2);
    let names: std::collections::BTreeSet<&String> = seen.keys().map(|key| &key.0).collect();
    let wrong: Vec<_> = seen.iter().filter(|(_, seen)| !seen.agreed).collect();
    ensure!(wrong.is_empty(), "{wrong:?}");
    ensure!(names.len() >= 60 && seen.len() >= 200, "{} families, {} series", names.len(), seen.len());
    Ok(())
}
