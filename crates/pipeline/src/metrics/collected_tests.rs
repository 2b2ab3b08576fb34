//! Collected samples in the engine: references, stale markers, clocks, memory.

use hinomi_base::clock::Clock;
use hinomi_model::metrics::{ReadLimit, Select, SeriesSource as _};
use hinomi_series::{Matcher, is_stale};
use hinomi_wire::Head;

use super::*;
use crate::settings::Settings;

/// An engine in a folder of its own.
struct Site {
    _folder: tempfile::TempDir,
    metrics: Metrics,
    counters: Counters,
    budget: Budget,
    now_ms: i64,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = Settings { data_dir: folder.path().to_path_buf(), ..Settings::default() };
        let (clock, budget) = (Clock::system(), Budget::new(64 << 20));
        let now_ms = clock.wall() / 1_000_000 / 10_000 * 10_000;
        let metrics = Metrics::open(&settings, clock, budget.clone()).expect("it opens");
        Self { _folder: folder, metrics, counters: Counters::default(), budget, now_ms }
    }

    fn collected(&self) -> Collected {
        Collected::with(self.metrics.clone(), self.budget.clone(), &self.counters, "here")
    }

    /// Times behind the first round in seconds and values of a series, stale markers as `x`.
    fn points(&self, name: &str, thing: &str) -> String {
        let equal = |name: &str, value: &str| Matcher::equal(name, value);
        let mut matchers = vec![equal(METRIC_NAME, name)];
        if !thing.is_empty() {
            matchers.push(equal("thing", thing));
        }
        let select = Select { tenant: Tenant::default(), matchers, from_ms: 0, to_ms: i64::MAX };
        let read = self.metrics.db().select(&select, &ReadLimit::unlimited()).expect("it reads");
        let mut words = Vec::new();
        for series in &read {
            for (at, t) in series.timestamps.iter().enumerate() {
                let value = series.values.get(at).and_then(|value| value.as_float()).unwrap_or(f64::NAN);
                let value = if is_stale(value) { "x".to_owned() } else { value.to_string() };
                words.push(format!("{}={value}", (t - self.now_ms) / 1000));
            }
        }
        words.join(" ")
    }
}

/// A round `after` seconds behind the first, of things and their values.
fn round(site: &Site, collected: &mut Collected, after: i64, things: &[(&str, f64)]) {
    let mut families = Families::new();
    let head = Head::gauge("m", "M.");
    for (thing, value) in things {
        let labels = [(METRIC_NAME, "m"), ("job", "j"), ("thing", thing)];
        families.push(&head, Labels::from_pairs(labels), *value);
    }
    collected.begin(site.now_ms + after * 1000);
    collected.take("j", &Scrape { families: &families, up: true, took: Duration::from_millis(250) });
    collected.finish();
}

fn count(site: &Site, name: &'static str) -> u64 {
    site.counters.counter(name).get()
}

#[test]
fn series_go_on_end_and_begin_again() {
    let site = Site::new();
    let mut collected = site.collected();
    round(&site, &mut collected, 0, &[("a", 1.0), ("b", 2.0)]);
    round(&site, &mut collected, 10, &[("a", 3.0)]);
    round(&site, &mut collected, 20, &[("a", 4.0)]);
    round(&site, &mut collected, 30, &[("a", 5.0), ("b", 6.0)]);
    assert_eq!(site.points("m", "a"), "0=1 10=3 20=4 30=5");
    assert_eq!(site.points("m", "b"), "0=2 10=x 30=6");
    for (name, points) in [
        ("up", "0=1 10=1 20=1 30=1"),
        ("scrape_duration_seconds", "0=0.25 10=0.25 20=0.25 30=0.25"),
        ("scrape_samples_scraped", "0=2 10=1 20=1 30=2"),
        ("scrape_samples_post_metric_relabeling", "0=2 10=1 20=1 30=2"),
        ("scrape_series_added", "0=2 10=0 20=0 30=1"),
    ] {
        assert_eq!(site.points(name, ""), points, "{name}");
    }
    assert_eq!(count(&site, "metrics_collected_rejected_total"), 0);
}

#[test]
fn another_process_goes_on_with_the_same_series() {
    let site = Site::new();
    round(&site, &mut site.collected(), 0, &[("a", 1.0)]);
    let mut later = site.collected();
    round(&site, &mut later, 10, &[("a", 2.0)]);
    round(&site, &mut later, 20, &[("a", 3.0)]);
    assert_eq!(site.points("m", "a"), "0=1 10=2 20=3");
    assert_eq!(site.metrics.db().stats().head_series, 6);
}

#[test]
fn a_clock_set_back_within_the_window_loses_nothing_but_what_it_meets_again() {
    let site = Site::new();
    let mut collected = site.collected();
    for after in [0, 10, 20] {
        round(&site, &mut collected, after, &[("a", f64::from(u8::try_from(after).expect("small")))]);
    }
    // Set back by 15 s; then it meets the stamp of the third round.
    for (after, value) in [(5, 100.0), (15, 101.0), (20, 102.0), (30, 103.0)] {
        round(&site, &mut collected, after, &[("a", value)]);
    }
    assert_eq!(site.points("m", "a"), "0=0 5=100 10=10 15=101 20=20 30=103");
    assert_eq!(count(&site, "metrics_collected_rejected_total"), 1);
}

#[test]
fn further_back_than_the_window_is_rejected_and_counted() {
    let site = Site::new();
    let mut collected = site.collected();
    round(&site, &mut collected, 0, &[("a", 1.0)]);
    for hours in [-24, -23] {
        round(&site, &mut collected, hours * 3600, &[("a", 2.0)]);
    }
    round(&site, &mut collected, 10, &[("a", 3.0)]);
    assert_eq!(site.points("m", "a"), "0=1 10=3");
    assert_eq!(count(&site, "metrics_collected_rejected_total"), 12);
}

#[test]
fn without_memory_new_series_are_left_out_and_counted() {
    let site = Site::new();
    let tiny = Budget::new(1000);
    let mut collected = Collected::with(site.metrics.clone(), tiny, &site.counters, "here");
    round(&site, &mut collected, 0, &[("a", 1.0), ("b", 1.0)]);
    assert_eq!(count(&site, "metrics_collected_shed_total"), 2);
    assert_eq!((site.points("m", "a").as_str(), site.points("up", "").as_str()), ("", "0=1"));
}
