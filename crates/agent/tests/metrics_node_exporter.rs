//! `node_*` beside those of Debian's node_exporter, at the same moment on the same host.

#![allow(clippy::panic, reason = "helpers of a test fail it")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hinomi_agent::metrics::{Families, Host, Kind, Options, Roots};
use hinomi_base::clock::Clock;
use hinomi_testkit::net::{free_port, request};
use hinomi_testkit::process::{find_tool, wait_for};

const TOOL: &str = "prometheus-node-exporter";
/// What Debian's package or its version does otherwise than node_exporter's own defaults, and devices of containers.
const FLAGS: [&str; 9] = [
    "--collector.processes",
    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$",
    r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.netdev.device-exclude=^veth",
    "--collector.netclass.ignored-devices=^veth",
    "--collector.netclass.ignore-invalid-speed",
    "--collector.arp.device-exclude=^veth",
    "--collector.netstat.fields=^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
];
/// Speaks of the collectors themselves; which there are differs.
const ABOUT_COLLECTORS: &str = "node_scrape_collector_";
/// Came to node_exporter later than Debian's version.
const NEWER: [&str; 1] = ["node_pressure_irq_stalled_seconds_total"];
/// Labels that newer versions of node_exporter have.
const NEWER_LABELS: [&str; 3] = ["adminstate", "device_error", "rotational"];
/// Of what begins so, node_exporter must have nothing that is not here too.
const COMPLETE: [&str; 7] = [
    "node_load",
    "node_memory_",
    "node_netstat_",
    "node_nf_conntrack_",
    "node_pressure_",
    "node_sockstat_",
    "node_vmstat_",
];
/// Each series has to match in one of so many rounds: some numbers never stand still.
const ROUNDS: usize = 40;
/// A series that was seen less often came or went with something else on this machine.
const SEEN_MIN: usize = 4;
const SHARE: f64 = 0.02;

/// Name and labels as text; empty labels are none.
type Key = String;

/// Ends what it started.
struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Exporter {
    fn start() -> Option<Self> {
        let Some(program) = find_tool(TOOL) else {
            hinomi_testkit::skip_suite("node_exporter", &format!("no {TOOL}; run scripts/setup-test"));
            return None;
        };
        let port = free_port(None).expect("a free port");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(program);
        command.arg(format!("--web.listen-address={address}")).args(FLAGS);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let exporter = Self { child, address };
        wait_for(TOOL, Duration::from_secs(30), || exporter.scrape()).expect("it answers");
        Some(exporter)
    }

    fn scrape(&self) -> Option<Scrape> {
        let limit = Duration::from_secs(20);
        let answer = request(None, self.address, "GET", "/metrics", &[], b"", limit).ok()?;
        (answer.status == 200).then(|| Scrape::read(&String::from_utf8_lossy(&answer.body)))
    }
}

#[derive(Default)]
struct Scrape {
    /// Type of each family.
    kinds: BTreeMap<String, String>,
    series: BTreeMap<Key, f64>,
}

impl Scrape {
    fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                scrape.kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#')
                && let Some((series, value)) = line.rsplit_once(' ')
            {
                scrape.series.insert(key_of_text(series), value.parse().expect("a number"));
            }
        }
        scrape
    }

    fn ours(families: &Families) -> Self {
        let mut scrape = Self::default();
        for family in families.iter() {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Unknown => "untyped",
                other => panic!("{} is {other:?}", family.name),
            };
            scrape.kinds.insert(family.name.to_string(), kind.to_owned());
            for sample in &family.samples {
                let pairs = sample.labels.iter().filter(|pair| pair.0 != "__name__");
                let old = scrape.series.insert(key(sample.labels.name(), pairs), sample.value);
                assert_eq!(old, None, "{} comes twice", sample.labels);
            }
        }
        scrape
    }

    /// Names of labels that a family's series have.
    fn label_names(&self, family: &str) -> BTreeSet<String> {
        let of_family = self.series.keys().filter(|key| key.split('{').next() == Some(family));
        of_family.flat_map(|key| key.split('\u{1}').skip(1).step_by(2).map(str::to_owned)).collect()
    }
}

/// `name{\u{1}label\u{1}value…`, sorted.
fn key<'a>(name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Key {
    let mut pairs: Vec<_> =
        pairs.filter(|pair| !pair.1.is_empty() && !NEWER_LABELS.contains(&pair.0)).collect();
    pairs.sort_unstable();
    let labels: String = pairs.into_iter().map(|(name, value)| format!("\u{1}{name}\u{1}{value}")).collect();
    format!("{name}{{{labels}")
}

/// node_exporter's labels on a test host hold no escapes but backslashes, which are compared as written.
fn key_of_text(series: &str) -> Key {
    let Some((name, labels)) = series.split_once('{') else { return key(series, std::iter::empty()) };
    let labels = labels.trim_end_matches('}').trim_end_matches('"');
    let pairs = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
    key(name, pairs)
}

fn now_ms() -> i64 {
    Clock::system().wall() / 1_000_000
}

/// Between the two, or off by no more than a share.
fn is_near(ours: f64, before: f64, after: f64) -> bool {
    let (low, high) = (before.min(after), before.max(after));
    ours >= low - low.abs() * SHARE && ours <= high + high.abs() * SHARE
}

/// What was seen of a series in all rounds.
#[derive(Default)]
struct Seen {
    ours: usize,
    theirs: usize,
    matched: bool,
    last: String,
}

#[test]
fn names_kinds_labels_and_values_are_node_exporters() {
    let Some(exporter) = Exporter::start() else { return };
    let mut host = Host::new(Roots::default(), Options::default());
    let mut families = Families::new();
    let mut seen: BTreeMap<Key, Seen> = BTreeMap::new();
    let mut last = (Scrape::default(), Scrape::default());
    for _ in 0..ROUNDS {
        let before = exporter.scrape().expect("it answers");
        families.clear();
        // Whoever is scraped sees the scraper's connection: one that does not end counts here.
        let held = TcpStream::connect(exporter.address).expect("it listens");
        host.collect(now_ms(), &mut families);
        drop(held);
        let after = exporter.scrape().expect("it answers");
        let ours = Scrape::ours(&families);
        compare(&ours, &before, &after, &mut seen);
        last = (ours, after);
    }
    let (ours, theirs) = last;
    let mut problems = families_agree(&ours, &theirs);
    for (key, seen) in &seen {
        let shown = key.replace('\u{1}', " ");
        if seen.ours >= SEEN_MIN && !seen.matched {
            problems.push(format!("{shown}: {}", seen.last));
        }
        if seen.ours == 0 && seen.theirs >= SEEN_MIN {
            problems.push(format!("{shown}: only there"));
        }
    }
    report(&ours, &theirs, &host);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn compare(ours: &Scrape, before: &Scrape, after: &Scrape, seen: &mut BTreeMap<Key, Seen>) {
    let compared = |key: &&Key| key.starts_with("node_") && !key.starts_with(ABOUT_COLLECTORS);
    for key in ours.series.keys().filter(compared) {
        let seen = seen.entry(key.clone()).or_default();
        seen.ours += 1;
        let values = (ours.series.get(key), before.series.get(key), after.series.get(key));
        seen.last = format!("{values:?}");
        if let (Some(ours), Some(before), Some(after)) = values {
            seen.matched |= is_near(*ours, *before, *after);
        }
    }
    let name = |key: &Key| key.split('{').next().unwrap_or_default().to_owned();
    for key in after.series.keys().filter(compared).filter(|key| ours.kinds.contains_key(&name(key))) {
        seen.entry(key.clone()).or_default().theirs += 1;
    }
}

fn families_agree(ours: &Scrape, theirs: &Scrape) -> Vec<String> {
    let mut problems = Vec::new();
    let nodes: Vec<_> = ours.kinds.iter().filter(|(name, _)| name.starts_with("node_")).collect();
    if nodes.len() < 60 {
        problems.push(format!("{} families", nodes.len()));
    }
    for (name, kind) in nodes.into_iter().filter(|(name, _)| !NEWER.contains(&name.as_str())) {
        match theirs.kinds.get(name) {
            None => problems.push(format!("{name} is none of node_exporter's")),
            Some(other) if other != kind => {
                problems.push(format!("{name} is a {kind} and should be a {other}"));
            }
            Some(_) if ours.label_names(name) != theirs.label_names(name) => problems.push(format!(
                "{name} has labels {:?} and should have {:?}",
                ours.label_names(name),
                theirs.label_names(name)
            )),
            Some(_) => {}
        }
    }
    let complete = |name: &&String| COMPLETE.iter().any(|begin| name.starts_with(begin));
    for name in theirs.kinds.keys().filter(complete).filter(|name| !ours.kinds.contains_key(*name)) {
        problems.push(format!("{name} is missing"));
    }
    problems
}

/// For whoever reads the test's output: what node_exporter has and we don't.
fn report(ours: &Scrape, theirs: &Scrape, host: &Host) {
    let only: Vec<_> = theirs
        .kinds
        .keys()
        .filter(|name| name.starts_with("node_") && !ours.kinds.contains_key(*name))
        .collect();
    let both = theirs.kinds.keys().filter(|name| ours.kinds.contains_key(*name)).count();
    let off: Vec<_> = host.off().into_iter().map(|off| format!("{}: {}", off.feature, off.reason)).collect();
    let text = format!("node_exporter: {both} families in common; only there: {only:?}; off here: {off:?}\n");
    let _unseen = std::io::stderr().write_all(text.as_bytes());
}
