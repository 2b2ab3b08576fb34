//! Queries made of the metrics and labels that are there.

use crate::data::Random;

/// How much of the language a server shares with Hinomi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Prometheus 2: no ranges, whose first sample it counts differently, and no native histograms.
    Old,
    /// Prometheus 3.
    Current,
}

/// A query with what it is asked for.
#[derive(Debug)]
pub(crate) struct Query {
    /// The expression.
    pub(crate) text: String,
    /// First and last time and step, in seconds; an instant query without step.
    times: (f64, f64, Option<u32>),
}

impl Query {
    /// The path that asks it.
    pub(crate) fn path(&self) -> String {
        let text: String = self.text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (start, end, step) = self.times;
        match step {
            Some(step) => format!("/api/v1/query_range?query={text}&start={start}&end={end}&step={step}"),
            None => format!("/api/v1/query?query={text}&time={end}"),
        }
    }
}

/// Metrics of numbers; the second half counts up.
const METRICS: [&str; 8] = [
    "up",
    "memory_bytes",
    "temperature_celsius",
    "build_info",
    "requests_total",
    "latency_seconds_count",
    "latency_seconds_sum",
    "latency_seconds_bucket",
];
const COUNTERS: usize = 4;
const LABELS: [&str; 6] = ["job", "instance", "code", "zone", "version", "le"];
const MATCHERS: [&str; 12] = [
    r#"job="api""#,
    r#"job!="db""#,
    r#"job=~"api|web""#,
    r#"instance=~".*-1:9100""#,
    r#"instance!~"db-.*""#,
    r#"code="200""#,
    r#"code!="""#,
    r#"code=~"[45].*""#,
    r#"zone="north""#,
    r#"version=~"1\\..+""#,
    r#"le="+Inf""#,
    r#"absent_label="""#,
];
/// Functions of a vector alone.
const SIMPLE: [&str; 22] = [
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "round",
    "sort",
    "sort_desc",
    "absent",
    "timestamp",
    "day_of_week",
    "hour",
    "minute",
    "deg",
    "rad",
    "atan",
    "tanh",
    "asinh",
];
/// Functions of a range alone.
const RANGED: [&str; 22] = [
    "rate",
    "increase",
    "irate",
    "delta",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "last_over_time",
    "present_over_time",
    "absent_over_time",
    "mad_over_time",
    "first_over_time",
    "ts_of_max_over_time",
    "ts_of_last_over_time",
];
const AGGREGATIONS: [&str; 6] = ["sum", "avg", "min", "max", "count", "group"];
const ARITHMETIC: [&str; 7] = ["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: [&str; 6] = ["==", "!=", ">", "<", ">=", "<="];

/// Makes queries.
#[derive(Debug)]
pub(crate) struct Generator {
    random: Random,
    dialect: Dialect,
    end_ms: i64,
}

impl Generator {
    /// One whose queries depend on the seed alone.
    pub(crate) const fn new(seed: u64, dialect: Dialect, end_ms: i64) -> Self {
        Self { random: Random(seed), dialect, end_ms }
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.random.below(times) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        self.random.pick(of)
    }

    fn current(&self) -> bool {
        self.dialect == Dialect::Current
    }

    #[allow(clippy::cast_precision_loss, reason = "times of this century in milliseconds")]
    fn second(&mut self, back_max: u64) -> f64 {
        let back = i64::try_from(self.random.below(back_max)).unwrap_or(0);
        (self.end_ms - back) as f64 / 1_000.0
    }

    /// The next query.
    pub(crate) fn query(&mut self) -> Query {
        let depth = self.random.below(4);
        let text = if self.one_in(25) { self.scalar() } else { self.vector(depth) };
        let end = self.second(3_000_000);
        if self.one_in(2) {
            return Query { text, times: (end, end, None) };
        }
        let start = end - self.random.pick(&[60.0, 600.0, 1_800.0]);
        let step = self.random.pick(&[7, 15, 60, 400]);
        Query { text, times: (start, end, Some(step)) }
    }

    fn metric(&mut self, counter: bool) -> &'static str {
        self.random.pick(if counter { &METRICS[COUNTERS..] } else { &METRICS })
    }

    fn selector(&mut self, name: &str) -> String {
        let count = self.random.below(3);
        let matchers: Vec<&str> = (0..count).map(|_| self.pick(&MATCHERS)).collect();
        if matchers.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", matchers.join(",")) }
    }

    fn modified(&mut self, selector: String) -> String {
        let offset = if self.one_in(6) {
            format!(" offset {}", self.pick(&["30s", "2m", "7m", "-1m", "1h"]))
        } else {
            String::new()
        };
        let at = match self.random.below(12) {
            0 => format!(" @ {:.3}", self.second(3_000_000)),
            1 => " @ end()".to_owned(),
            2 => " @ start()".to_owned(),
            _ => String::new(),
        };
        format!("{selector}{at}{offset}")
    }

    fn instant(&mut self) -> String {
        let counter = self.one_in(2);
        let name = self.metric(counter);
        let selector = self.selector(name);
        self.modified(selector)
    }

    fn range(&mut self, counter: bool) -> String {
        let name = self.metric(counter);
        let selector = self.selector(name);
        let range = self.pick(&["20s", "1m", "2m30s", "5m", "13m", "1h"]);
        self.modified(format!("{selector}[{range}]"))
    }

    fn ranged(&mut self) -> String {
        let name = self.pick(&RANGED);
        let counter = matches!(name, "rate" | "increase" | "irate" | "resets");
        if self.one_in(6) {
            let inner = self.vector(1);
            let subquery = self.pick(&["5m:1m", "10m:45s", "3m:", "20m:7m"]);
            let subquery = self.modified(format!("({inner})[{subquery}]"));
            return format!("{name}({subquery})");
        }
        let range = self.range(counter);
        match self.random.below(12) {
            0 => format!("quantile_over_time({}, {range})", self.pick(&["0.5", "0.9", "0", "1"])),
            1 => format!("predict_linear({range}, 600)"),
            2 => format!("double_exponential_smoothing({range}, 0.3, 0.6)"),
            _ => format!("{name}({range})"),
        }
    }

    fn grouping(&mut self) -> String {
        let word = self.pick(&["by", "without"]);
        let count = self.random.below(3);
        let labels: Vec<&str> = (0..count).map(|_| self.pick(&LABELS)).collect();
        if labels.is_empty() && self.one_in(2) {
            String::new()
        } else {
            format!("{word} ({})", labels.join(", "))
        }
    }

    fn aggregation(&mut self, depth: u64) -> String {
        let grouping = self.grouping();
        let inner = self.vector(depth);
        match self.random.below(10) {
            // Which of equal numbers is first depends on the order of series, so numbers that differ.
            0 => {
                let name = self.pick(&["topk", "bottomk"]);
                format!("{name} {grouping} ({}, memory_bytes)", self.pick(&["1", "3", "0"]))
            }
            // Prometheus 2 made a NaN of an infinity beside the rank.
            1 if !self.current() => format!("quantile {grouping} (0.9, memory_bytes)"),
            1 => format!("quantile {grouping} ({}, {inner})", self.pick(&["0.5", "0.99", "0.1"])),
            // Texts of numbers show their last digit, so numbers that were not calculated.
            2 => format!("count_values {grouping} (\"value\", {})", self.instant()),
            // The deviation of large numbers that are nearly the same depends on the order of series, and Prometheus 2
            // took that of an infinity for zero.
            3 if self.current() => {
                format!("{} {grouping} ({})", self.pick(&["stddev", "stdvar"]), self.instant())
            }
            _ => format!("{} {grouping} ({inner})", self.pick(&AGGREGATIONS)),
        }
    }

    fn scalar(&mut self) -> String {
        match self.random.below(5) {
            0 => "time() % 1000".to_owned(),
            1 => format!("scalar({})", self.vector(1)),
            2 => "1 < bool 2".to_owned(),
            3 => "scalar(sum(memory_bytes)) / 7".to_owned(),
            _ => "-3 ^ 2 % 5".to_owned(),
        }
    }

    fn number(&mut self) -> &'static str {
        self.random.pick(&["2", "0.5", "-1", "100", "0", "1e6", "NaN", "Inf"])
    }

    fn binary(&mut self, depth: u64) -> String {
        let comparing = self.one_in(3);
        let op = match (comparing, self.dialect) {
            (true, _) => self.pick(&COMPARISONS),
            // Prometheus 2 kept the metric's name for the last of them.
            (false, Dialect::Old) => self.pick(&ARITHMETIC[..6]),
            (false, Dialect::Current) => self.pick(&ARITHMETIC),
        };
        let bool = if comparing && self.one_in(2) { " bool" } else { "" };
        match self.random.below(8) {
            0 => format!("({}) {op}{bool} {}", self.vector(depth), self.number()),
            1 => format!("{} {op}{bool} ({})", self.number(), self.vector(depth)),
            2 => format!("requests_total {op}{bool} on (job, instance) group_left (version) build_info"),
            3 => format!("memory_bytes {op}{bool} ignoring (zone) temperature_celsius"),
            4 => format!("sum by (job) (requests_total) {op}{bool} on (job) group_right () memory_bytes"),
            5 => format!("rate_of {op}{bool} ({})", self.vector(depth)).replace("rate_of", "up"),
            6 => {
                let set = self.pick(&["and", "or", "unless"]);
                let on = self.pick(&["", " on (job)", " ignoring (code, le)", " on (instance)"]);
                format!("({}) {set}{on} ({})", self.vector(depth), self.vector(depth))
            }
            _ => {
                let name = self.metric(false);
                let inner = self.selector(name);
                format!("{inner} {op}{bool} {name}")
            }
        }
    }

    fn histogram(&mut self) -> String {
        let q = self.pick(&["0.5", "0.9", "0.99", "0", "1", "1.2"]);
        let range = self.pick(&["1m", "5m"]);
        if !self.current() {
            return format!("histogram_quantile({q}, sum by (job, le) (latency_seconds_bucket))");
        }
        match self.random.below(9) {
            0 => format!("histogram_quantile({q}, sum by (le) (rate(latency_seconds_bucket[{range}])))"),
            1 => format!("histogram_quantile({q}, rate(latency_seconds_bucket[{range}]))"),
            2 => format!(
                "histogram_fraction(0.1, 0.7, sum by (job, le) (increase(latency_seconds_bucket[{range}])))"
            ),
            3 => format!("histogram_quantile({q}, sum by (job) (rate(size_bytes[{range}])))"),
            4 => format!(
                "histogram_{}(increase(size_bytes[{range}]))",
                self.pick(&["count", "sum", "avg", "stddev"])
            ),
            5 => format!("histogram_fraction(1, 4, sum(rate(size_bytes[{range}])))"),
            6 => format!("{} by (job) (size_bytes)", self.pick(&["sum", "avg", "count"])),
            7 => format!("{}_over_time(size_bytes[{range}])", self.pick(&["sum", "avg", "last", "count"])),
            _ => format!(
                "{}(size_bytes[{range}])",
                self.pick(&["rate", "increase", "irate", "resets", "changes"])
            ),
        }
    }

    fn function(&mut self, depth: u64) -> String {
        let inner = self.vector(depth);
        match self.random.below(9) {
            0 => format!("clamp({inner}, -5, 50)"),
            1 => format!("clamp_min({inner}, 3)"),
            2 => format!("clamp_max({inner}, 1e5)"),
            3 => format!("round({inner}, 0.5)"),
            4 => format!(r#"label_replace({inner}, "short", "$1", "instance", "(.*):.*")"#),
            5 => format!(r#"label_join({inner}, "both", "-", "job", "zone")"#),
            6 => "vector(time())".to_owned(),
            7 => format!("-({inner})"),
            _ => format!("{}({inner})", self.pick(&SIMPLE)),
        }
    }

    /// An expression that yields an instant vector.
    fn vector(&mut self, depth: u64) -> String {
        if depth == 0 {
            return if self.current() && self.one_in(2) { self.ranged() } else { self.instant() };
        }
        match self.random.below(10) {
            0..=2 => self.aggregation(depth - 1),
            3..=4 => self.binary(depth - 1),
            5..=6 => self.function(depth - 1),
            7 => self.histogram(),
            8 if self.current() => self.ranged(),
            _ => self.instant(),
        }
    }
}
