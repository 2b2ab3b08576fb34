//! Requests into an engine of their own: references, generations, refusals.

use hinomi_base::clock::Clock;
use hinomi_model::metrics::{ReadLimit, Select, SeriesSource as _};
use hinomi_series::Matcher;
use hinomi_wire::remote_write::{Sample, TimeSeries, pack, write_v1, write_v2};

use super::*;
use crate::settings::Settings;

/// An engine in a folder of its own.
struct Site {
    _folder: tempfile::TempDir,
    metrics: Metrics,
    now_ms: i64,
}

type Sent<'a> = (&'a str, &'a [(i64, f64)]);

impl Site {
    fn new(budget: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { data_dir: folder.path().to_path_buf(), ..Settings::default() };
        let clock = Clock::system();
        let now_ms = clock.wall() / 1_000_000;
        let metrics = Metrics::open(&settings, clock, Budget::new(budget)).expect("it opens");
        Self { _folder: folder, metrics, now_ms }
    }

    /// Sends series, named by their metric only, with samples at seconds from now.
    fn send(&self, tenant: &str, version: Version, series: &[Sent<'_>]) -> Result<Written, Unwritten> {
        let owned: Vec<(Labels, Vec<Sample>)> = series
            .iter()
            .map(|(name, samples)| {
                let labels = Labels::from_pairs([("__name__", *name)]);
                let sample = |(s, value): &(i64, f64)| Sample {
                    t_ms: self.now_ms + 1000 * s,
                    start_ms: 0,
                    value: *value,
                };
                (labels, samples.iter().map(sample).collect())
            })
            .collect();
        let series: Vec<_> = owned.iter().map(|(labels, samples)| TimeSeries { labels, samples }).collect();
        let raw = match version {
            Version::V1 => write_v1(&series),
            Version::V2 => write_v2(&series),
        };
        self.metrics.write_now(&Tenant(tenant.to_owned()), version, &pack(&raw).expect("it is small"))
    }

    /// Names of all series with their numbers of samples.
    fn stored(&self, tenant: &str) -> Vec<(String, usize)> {
        let matchers =
            vec![Matcher::new(hinomi_series::MatchOp::Regex, "__name__", ".+").expect("it compiles")];
        let tenant = Tenant(tenant.to_owned());
        let select = Select { tenant, matchers, from_ms: 0, to_ms: i64::MAX };
        let read = self.metrics.db().select(&select, &ReadLimit::unlimited()).expect("it reads");
        read.iter().map(|series| (series.labels.name().to_owned(), series.values.len())).collect()
    }

    fn known(&self, tenant: &str, version: Version, name: &str) -> Option<Known> {
        let labels = Labels::from_pairs([("__name__", name)]);
        let series = [TimeSeries { labels: &labels, samples: &[] }];
        let raw = match version {
            Version::V1 => write_v1(&series),
            Version::V2 => write_v2(&series),
        };
        let key = key(&raw, version, &self.metrics.0.writes.secret);
        let cache = self.metrics.0.writes.cache(&Tenant(tenant.to_owned()));
        lock(&cache).find(key)
    }
}

/// The key of the one series of a request.
fn key(raw: &[u8], version: Version, secret: &Secret) -> remote_write::Key {
    struct Keys(Vec<remote_write::Key>);
    impl<'r> remote_write::Sink<'r> for Keys {
        fn admits(&mut self, _: usize) -> bool {
            true
        }
        fn float(&mut self, _: i64, _: i64, _: f64) -> bool {
            true
        }
        fn histogram(&mut self, _: i64, _: i64, _: remote_write::Checked) -> bool {
            true
        }
        fn exemplar(&mut self, _: Option<hinomi_model::metrics::Exemplar>) -> bool {
            true
        }
        fn series(
            &mut self,
            labels: remote_write::LabelSet<'r>,
            _: Option<remote_write::SeriesMetadata<'r>>,
        ) -> bool {
            self.0.extend(labels.key());
            true
        }
        fn family(&mut self, _: &str, _: hinomi_model::metrics::Metadata) -> bool {
            true
        }
    }
    let mut keys = Keys(Vec::new());
    let request = Request::open(version, raw, secret, |_| true);
    request.and_then(|request| request.read(&mut keys)).expect("it is read");
    keys.0[0]
}

fn floats(written: &Result<Written, Unwritten>) -> (u64, Option<&str>) {
    let written = written.as_ref().expect("it is written");
    (written.floats, written.refused.as_ref().map(|refused| refused.reason.as_str()))
}

#[test]
fn what_was_seen_is_known_by_its_reference() {
    let site = Site::new(64 << 20);
    for version in [Version::V1, Version::V2] {
        let tenant = format!("{version:?}");
        let first = site.send(&tenant, version, &[("a", &[(-9, 1.0)]), ("b", &[(-9, 2.0)])]);
        assert_eq!(floats(&first), (2, None));
        let known = ["a", "b"].map(|name| site.known(&tenant, version, name));
        assert!(known.iter().all(Option::is_some), "{known:?}");
        // In another order, and with one more.
        let second =
            site.send(&tenant, version, &[("b", &[(-8, 2.0)]), ("c", &[(-8, 3.0)]), ("a", &[(-8, 1.0)])]);
        assert_eq!(floats(&second), (3, None));
        assert_eq!(
            ["a", "b"].map(|name| site.known(&tenant, version, name)),
            known,
            "nothing new about them"
        );
        let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(site.stored(&tenant), [(a, 2), (b, 2), (c, 1)]);
    }
}

#[test]
fn what_the_engine_forgot_is_named_again() {
    let site = Site::new(64 << 20);
    assert_eq!(floats(&site.send("other", Version::V1, &[("x", &[(-9, 1.0)])])), (1, None));
    let foreign = site.known("other", Version::V1, "x").expect("it is known");
    assert_eq!(
        floats(&site.send("own", Version::V1, &[("a", &[(-9, 1.0)]), ("b", &[(-9, 1.0)])])),
        (2, None)
    );
    // A reference that leads to nothing of this tenant.
    let labels = Labels::from_pairs([("__name__", "b")]);
    let raw = write_v1(&[TimeSeries { labels: &labels, samples: &[] }]);
    let key = key(&raw, Version::V1, &site.metrics.0.writes.secret);
    lock(&site.metrics.0.writes.cache(&Tenant("own".to_owned()))).insert(key, foreign);
    let sent: [Sent<'_>; 3] = [("a", &[(-8, 1.0)]), ("b", &[(-8, 1.0), (-7, 2.0)]), ("c", &[(-8, 1.0)])];
    assert_eq!(floats(&site.send("own", Version::V1, &sent)), (4, None), "each counted once");
    let [a, b, c] = ["a", "b", "c"].map(str::to_owned);
    assert_eq!(site.stored("own"), [(a, 2), (b, 3), (c, 1)]);
    assert_eq!(site.stored("other"), [("x".to_owned(), 1)]);
    assert_ne!(site.known("own", Version::V1, "b"), Some(foreign));
}

#[test]
fn a_generation_passes_on_what_is_asked_for() {
    let site = Site::new(64 << 20);
    let series: [Sent<'_>; 2] = [("a", &[(-9, 1.0)]), ("b", &[(-9, 1.0)])];
    assert_eq!(floats(&site.send("t", Version::V1, &series)), (2, None));
    let cache = site.metrics.0.writes.cache(&Tenant("t".to_owned()));
    lock(&cache).age(Instant::now());
    assert!(site.known("t", Version::V1, "a").is_some(), "from the older one");
    lock(&cache).age(Instant::now());
    assert!(site.known("t", Version::V1, "a").is_some());
    assert_eq!(site.known("t", Version::V1, "b"), None, "nobody asked for it");
    lock(&cache).age(Instant::now());
    lock(&cache).age(Instant::now());
    assert_eq!(site.known("t", Version::V1, "a"), None);
}

#[test]
fn what_may_be_stored_is_and_the_first_refusal_is_told() {
    let site = Site::new(64 << 20);
    assert_eq!(floats(&site.send("t", Version::V1, &[("a", &[(-9, 1.0)])])), (1, None));
    let sent: [Sent<'_>; 3] = [("a", &[(-9, 2.0)]), ("b", &[(-9, 1.0)]), ("c", &[(3600, 1.0)])];
    assert_eq!(floats(&site.send("t", Version::V1, &sent)), (1, Some("duplicate sample for timestamp")));
    let text = "duplicate sample for timestamp for series {__name__=\"a\"}";
    assert_eq!(floats(&site.send("t", Version::V2, &sent)), (1, Some(text)), "b is there already");
    let future: [Sent<'_>; 1] = [("c", &[(3600, 1.0)])];
    let text = "out of bounds: timestamp is too far in the future";
    assert_eq!(floats(&site.send("t", Version::V1, &future)), (0, Some(text)));
    let old: [Sent<'_>; 1] = [("a", &[(-36_000, 1.0)])];
    assert_eq!(floats(&site.send("t", Version::V1, &old)), (0, Some("too old sample")));
    let nameless: [Sent<'_>; 2] = [("", &[(-8, 1.0)]), ("d", &[(-8, 1.0)])];
    let text = "invalid metric name or labels, got {}";
    assert_eq!(floats(&site.send("t", Version::V1, &nameless)), (1, Some(text)));
    let none: [Sent<'_>; 2] = [("a", &[]), ("d", &[(-7, 1.0)])];
    assert_eq!(floats(&site.send("t", Version::V1, &none)), (1, None));
    let text = "TimeSeries must contain at least one sample or histogram for series {__name__=\"a\"}";
    assert_eq!(floats(&site.send("t", Version::V2, &none)), (1, Some(text)));
}

#[test]
fn a_budget_without_room_refuses_and_changes_nothing() {
    let site = Site::new(1 << 20);
    let samples: Vec<(i64, f64)> = (0..100_000).map(|at| (at - 100_000, 1.0)).collect();
    let refused = site.send("t", Version::V1, &[("a", &samples)]);
    assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::Limited));
    assert_eq!(site.stored("t"), []);
}

#[test]
fn limits_are_named() {
    let limits = Limits { series: 7, bytes: 1024 };
    let reached = |reason| limits.reached(&Appended { rejected: vec![(reason, 1)], ..Appended::default() });
    let series = reached(Reason::TooManySeries).expect("a limit");
    assert_eq!(series, "limit of series in memory reached, which is 7");
    let memory = reached(Reason::NoMemory).expect("a limit");
    assert_eq!(
        memory,
        "the memory budget has no room for another series: all of it is 1024 bytes (memory_max)"
    );
    assert_eq!(reached(Reason::Duplicate), None);
}

/// Most memory that this process ever had, bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is read");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it is there");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}

fn part(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    let len = u64::try_from(bytes.len()).expect("it fits");
    out.extend([0, 7, 14, 21].map(|shift| u8::try_from((len >> shift) & 0x7f).expect("seven bits") | 0x80));
    out.push(0);
    out.extend_from_slice(bytes);
}

/// A 2.0 request: symbols, and many of the same series.
fn repeated(symbols: &[&str], series: &[u8], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    symbols.iter().for_each(|text| part(&mut out, 0x22, text.as_bytes()));
    (0..count).for_each(|_| part(&mut out, 0x2a, series));
    pack(&out).expect("it is small")
}

#[test]
fn references_to_a_long_symbol_take_no_more_memory_than_there_is() {
    let site = Site::new(32 << 20);
    let (longest, long) = ("x".repeat(1 << 20), "x".repeat(60_000));
    // Labels, an exemplar and help that refer to them; a sample at time 1.
    let sample = [0x12, 2, 0x10, 1];
    let labels = [&[0x0a, 4, 1, 2, 3, 4][..], &sample].concat();
    let others =
        [&[0x0a, 4, 1, 2, 3, 2][..], &sample, &[0x22, 4, 0x0a, 2, 3, 4], &[0x2a, 4, 8, 1, 0x18, 4]].concat();
    let before = peak();
    for (symbol, series, count, kind) in [
        (&longest, &labels, 500, None),
        (&long, &labels, 5000, Some(ErrorKind::Limited)),
        (&longest, &others, 500, None),
        (&long, &others, 5000, Some(ErrorKind::Limited)),
    ] {
        let request = repeated(&["", "__name__", "up", "a", symbol], series, count);
        let written = site.metrics.write_now(&Tenant::default(), Version::V2, &request);
        assert_eq!(written.err().map(|error| error.kind()), kind, "{} {count}", symbol.len());
    }
    let more = peak().saturating_sub(before);
    assert!(more < 160 << 20, "{more} bytes more");
}

#[test]
fn what_is_unknown_to_the_engine_hides_no_refusal() {
    let site = Site::new(64 << 20);
    assert_eq!(floats(&site.send("other", Version::V1, &[("x", &[(-9, 1.0)])])), (1, None));
    let foreign = site.known("other", Version::V1, "x").expect("it is known");
    assert_eq!(
        floats(&site.send("own", Version::V1, &[("a", &[(-9, 1.0)]), ("b", &[(-9, 1.0)])])),
        (2, None)
    );
    let labels = Labels::from_pairs([("__name__", "a")]);
    let raw = write_v1(&[TimeSeries { labels: &labels, samples: &[] }]);
    let key = key(&raw, Version::V1, &site.metrics.0.writes.secret);
    lock(&site.metrics.0.writes.cache(&Tenant("own".to_owned()))).insert(key, foreign);
    let sent: [Sent<'_>; 2] = [("a", &[(-8, 1.0)]), ("b", &[(-9, 2.0)])];
    assert_eq!(floats(&site.send("own", Version::V1, &sent)), (1, Some("duplicate sample for timestamp")));
}

#[test]
fn a_request_leaves_an_eighth_of_the_memory() {
    let site = Site::new(32 << 20);
    let meter = site.metrics.meter();
    assert!(meter.reach(27 << 20) && !meter.reach(29 << 20));
    drop(meter);
    let workspace = site.metrics.0.writes.borrow();
    assert!(!workspace.meter.reach(29 << 20));
}

#[test]
fn a_tenant_that_fell_silent_is_forgotten_and_nobody_else() {
    let site = Site::new(64 << 20);
    let (writes, minute) = (&site.metrics.0.writes, Duration::from_mins(1));
    for tenant in ["silent", "loud"] {
        assert_eq!(floats(&site.send(tenant, Version::V1, &[("a", &[(-9, 1.0)])])), (1, None));
    }
    let start = Instant::now();
    // Only the other one is asked for.
    for at in 1..40 {
        writes.age(start + minute * at);
        if site.known("loud", Version::V1, "a").is_none() {
            panic!("forgotten after {at} minutes");
        }
    }
    let known: Vec<String> = lock(&writes.caches).by_tenant.keys().cloned().collect();
    assert_eq!(known, ["loud"]);
    // More tenants than there may be: the first ones go.
    for at in 0..TENANTS_MAX {
        let _cache = writes.cache(&Tenant(format!("t{at}")));
        let _loud = writes.cache(&Tenant("loud".to_owned()));
    }
    assert_eq!(lock(&writes.caches).by_tenant.len(), TENANTS_MAX);
    assert!(site.known("loud", Version::V1, "a").is_some());
}

#[test]
fn nobody_else_writes_the_series_of_this_host_s_collectors() {
    let site = Site::new(64 << 20);
    let sends = |tenant: &str, (job, label, value): (&str, &str, &str), at: i64| {
        let labels = Labels::from_pairs([("__name__", "m"), ("job", job), (label, value), ("x", "y")]);
        let samples = [Sample { t_ms: site.now_ms - 9000 + at, start_ms: 0, value: 1.0 }];
        let other = Labels::from_pairs([("__name__", "other"), ("job", "mine")]);
        let series = [&labels, &other].map(|labels| TimeSeries { labels, samples: &samples });
        let packed = pack(&write_v1(&series)).expect("it is small");
        let written = site.metrics.write_now(&Tenant(tenant.to_owned()), Version::V1, &packed);
        let written = written.expect("it is written");
        (written.floats, written.refused.map(|refused| (refused.later, refused.reason)))
    };
    let own = [("node", "instance", "box"), ("cadvisor", "host", "box"), ("hinomi", "instance", "box")];
    for series in own {
        assert_eq!(sends("default", series, 1), (2, None), "nobody collects: {series:?}");
    }
    site.metrics.reserve("box");
    for (at, series) in (2..).zip(own) {
        let (floats, refused) = sends("default", series, at);
        let (later, reason) = refused.expect("it is refused, known or not");
        assert_eq!((floats, later), (1, false), "the others are stored");
        let (job, label, _) = series;
        let begin =
            format!("series of this host's own collectors (job={job}, {label}=box) are written by Hinomi");
        assert!(reason.starts_with(&begin), "{reason}");
        assert_eq!(sends("team", series, at), (2, None), "of another tenant");
    }
    for (at, series) in
        (9..).zip([("node", "instance", "bo"), ("nodes", "instance", "box"), ("cadvisor", "instance", "box")])
    {
        assert_eq!(sends("default", series, at), (2, None), "{series:?}");
    }
}
