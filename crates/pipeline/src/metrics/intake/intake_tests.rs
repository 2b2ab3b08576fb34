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
        fn float(&mut self, _: i64, _: i64, _: f64) -> bool {
            true
        }
        fn histogram(&mut self, _: i64, _: i64, _: remote_write::Checked) -> bool {
            true
        }
        fn exemplar(&mut self, _: hinomi_model::metrics::Exemplar) -> bool {
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
    Request::open(version, raw, secret).and_then(|request| request.read(&mut keys)).expect("it is read");
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
    lock(&cache).age();
    assert!(site.known("t", Version::V1, "a").is_some(), "from the older one");
    lock(&cache).age();
    assert!(site.known("t", Version::V1, "a").is_some());
    assert_eq!(site.known("t", Version::V1, "b"), None, "nobody asked for it");
    lock(&cache).age();
    lock(&cache).age();
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
