//! The exposition formats: Prometheus text 0.0.4 and OpenMetrics 1.0.
//!
//! Sources: Prometheus' "Exposition formats", and the OpenMetrics 1.0 specification.
//!
//! # Invariants
//!
//! - A series has the same name and labels in both formats. Where OpenMetrics would demand another name (a counter
//!   without `_total`, an info without `_info`) its type is written as `unknown`.
//! - Names that the formats do not allow are written with `_` for each character that is not allowed.

use std::fmt::Write as _;

use hinomi_series::Labels;

use crate::families::{Families, Family, Kind};

/// A format, as a scraper asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header prefers of the two; [`Self::Text`] if it names neither.
    #[must_use]
    pub fn from_accept(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for item in accept.split(',').take(32) {
            let mut parts = item.split(';').map(str::trim);
            let format = match parts.next() {
                Some("application/openmetrics-text") => Self::OpenMetrics,
                Some("text/plain" | "text/*" | "*/*") => Self::Text,
                _ => continue,
            };
            let mut weight = 1.0;
            let mut known = true;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match (name, format) {
                    ("q", _) => weight = value.parse().ok().filter(|q: &f64| q.is_finite()).unwrap_or(0.0),
                    ("version", Self::OpenMetrics) => known = value == "1.0.0" || value == "0.0.1",
                    ("version", Self::Text) => known = value == "0.0.4" || value == "1.0.0",
                    _ => {}
                }
            }
            if known && weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    /// The header's value for what is written.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Appends the families to `out`, without the labels named in `omit` (a scraper sets `job` and `instance` itself).
    pub fn write(self, families: &Families, omit: &[&str], out: &mut String) {
        for family in families.iter() {
            self.head(family, out);
            for sample in &family.samples {
                self.sample(&sample.labels, omit, out);
                number(sample.value, out);
                out.push('\n');
            }
        }
        if self == Self::OpenMetrics {
            out.push_str("# EOF\n");
        }
    }

    fn head(self, family: &Family, out: &mut String) {
        let (name, kind) = match self {
            Self::Text => (&*family.name, text_kind(family.kind)),
            Self::OpenMetrics => openmetrics_head(family),
        };
        if !family.help.is_empty() {
            out.push_str("# HELP ");
            metric_name(name, out);
            out.push(' ');
            escape(&family.help, self == Self::OpenMetrics, out);
            out.push('\n');
        }
        out.push_str("# TYPE ");
        metric_name(name, out);
        let _infallible = writeln!(out, " {kind}");
        let may_have_unit = !matches!(kind, "info" | "stateset");
        if let Some(unit) =
            family.unit.filter(|unit| self == Self::OpenMetrics && may_have_unit && ends(name, unit))
        {
            out.push_str("# UNIT ");
            metric_name(name, out);
            let _infallible = writeln!(out, " {unit}");
        }
    }

    fn sample(self, labels: &Labels, omit: &[&str], out: &mut String) {
        metric_name(labels.name(), out);
        let mut first = true;
        for (name, value) in labels {
            if name == hinomi_series::METRIC_NAME || omit.contains(&name) {
                continue;
            }
            out.push(if first { '{' } else { ',' });
            first = false;
            label_name(name, out);
            out.push_str("=\"");
            escape(value, true, out);
            out.push('"');
        }
        out.push_str(if first { " " } else { "} " });
    }
}

fn ends(name: &str, unit: &str) -> bool {
    name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

fn text_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Info => "gauge",
        Kind::Histogram => "histogram",
        Kind::Summary => "summary",
        Kind::Unknown => "untyped",
    }
}

/// Name and type of a family: those of counters and infos stand without the ending that their samples have.
fn openmetrics_head(family: &Family) -> (&str, &'static str) {
    let name = &*family.name;
    match family.kind {
        Kind::Counter => name.strip_suffix("_total").map_or((name, "unknown"), |name| (name, "counter")),
        Kind::Info => name.strip_suffix("_info").map_or((name, "unknown"), |name| (name, "info")),
        Kind::Gauge => (name, "gauge"),
        Kind::Histogram => (name, "histogram"),
        Kind::Summary => (name, "summary"),
        Kind::Unknown => (name, "unknown"),
    }
}

fn metric_name(name: &str, out: &mut String) {
    allowed(name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':', out);
}

fn label_name(name: &str, out: &mut String) {
    allowed(name, |c| c.is_ascii_alphanumeric() || c == '_', out);
}

fn allowed(name: &str, is_allowed: impl Fn(char) -> bool, out: &mut String) {
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        out.push('_');
    }
    out.extend(name.chars().map(|c| if is_allowed(c) { c } else { '_' }));
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
}

/// The shortest text that reads back as the same number.
fn number(value: f64, out: &mut String) {
    let size = value.abs();
    let _infallible = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if size >= 1e17 || (size < 1e-5 && size > 0.0) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::families::Head;

    fn labels(name: &str, pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied().chain([("__name__", name)]))
    }

    fn example() -> Families {
        let mut families = Families::new();
        let mut put = |kind, name: &str, help: &str, pairs: &[(&str, &str)], value: f64| {
            families.push(&Head { name, kind, help }, labels(name, pairs), value);
        };
        put(Kind::Counter, "cpu_seconds_total", "Time \"used\".\nA \\.", &[("cpu", "0"), ("job", "x")], 1.5);
        put(Kind::Counter, "cpu_seconds_total", "", &[("cpu", "1"), ("job", "x")], 1e20);
        put(Kind::Counter, "memory_failcnt", "Hits.", &[("name", "a\"b\\c\nd")], 3.0);
        put(Kind::Gauge, "size_bytes", "", &[], f64::INFINITY);
        put(Kind::Info, "build_info", "Build.", &[("version", "1")], 1.0);
        put(Kind::Info, "about_seconds", "No info by name.", &[], 1.0);
        put(Kind::Unknown, "Tcp_InErrs", "Errors.", &[("é", "ü")], f64::NAN);
        for (name, le) in [("took_seconds_bucket", "0.1"), ("took_seconds_bucket", "+Inf")] {
            let head = Head { name: "took_seconds", kind: Kind::Histogram, help: "Took." };
            families.push(&head, labels(name, &[("le", le)]), 1.0);
        }
        families
    }

    fn written(format: Format) -> String {
        let mut out = String::new();
        format.write(&example(), &["job"], &mut out);
        out
    }

    #[test]
    fn text() {
        let expected = r#"# HELP cpu_seconds_total Time "used".\nA \\.
# TYPE cpu_seconds_total counter
cpu_seconds_total{cpu="0"} 1.5
cpu_seconds_total{cpu="1"} 1e20
# HELP memory_failcnt Hits.
# TYPE memory_failcnt counter
memory_failcnt{name="a\"b\\c\nd"} 3
# TYPE size_bytes gauge
size_bytes +Inf
# HELP build_info Build.
# TYPE build_info gauge
build_info{version="1"} 1
# HELP about_seconds No info by name.
# TYPE about_seconds gauge
about_seconds 1
# HELP Tcp_InErrs Errors.
# TYPE Tcp_InErrs untyped
Tcp_InErrs{_="ü"} NaN
# HELP took_seconds Took.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 1
took_seconds_bucket{le="+Inf"} 1
"#;
        assert_eq!(written(Format::Text), expected);
    }

    #[test]
    fn openmetrics() {
        let expected = r#"# HELP cpu_seconds Time \"used\".\nA \\.
# TYPE cpu_seconds counter
# UNIT cpu_seconds seconds
cpu_seconds_total{cpu="0"} 1.5
cpu_seconds_total{cpu="1"} 1e20
# HELP memory_failcnt Hits.
# TYPE memory_failcnt unknown
memory_failcnt{name="a\"b\\c\nd"} 3
# TYPE size_bytes gauge
# UNIT size_bytes bytes
size_bytes +Inf
# HELP build Build.
# TYPE build info
build_info{version="1"} 1
# HELP about_seconds No info by name.
# TYPE about_seconds unknown
# UNIT about_seconds seconds
about_seconds 1
# HELP Tcp_InErrs Errors.
# TYPE Tcp_InErrs unknown
Tcp_InErrs{_="ü"} NaN
# HELP took_seconds Took.
# TYPE took_seconds histogram
# UNIT took_seconds seconds
took_seconds_bucket{le="0.1"} 1
took_seconds_bucket{le="+Inf"} 1
# EOF
"#;
        assert_eq!(written(Format::OpenMetrics), expected);
    }

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,\
            text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        let cases = [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html", Format::Text),
            (prometheus_3, Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0", Format::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Format::Text),
            ("application/openmetrics-text;q=0.1, text/plain;q=0.9", Format::Text),
            ("application/openmetrics-text;q=NaN", Format::Text),
        ];
        for (accept, expected) in cases {
            assert_eq!(Format::from_accept(accept), expected, "{accept}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (1e-9, "1e-9"),
            (1_795_506_998.0, "1795506998"),
            (1e18, "1e18"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, expected) in cases {
            let mut out = String::new();
            number(value, &mut out);
            assert_eq!(out, expected);
        }
    }

    /// Reads a sample line as the specification says; `None` if it is not one.
    fn read(line: &str) -> Option<(Vec<(String, String)>, f64)> {
        let mut rest = line.strip_prefix("m")?;
        let mut pairs = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                let (name, after) = rest.split_once("=\"")?;
                let mut value = String::new();
                let mut chars = after.char_indices();
                let end = loop {
                    match chars.next()? {
                        (at, '"') => break at,
                        (_, '\\') => value.push(match chars.next()?.1 {
                            'n' => '\n',
                            c @ ('\\' | '"') => c,
                            _ => return None,
                        }),
                        (_, c) => value.push(c),
                    }
                };
                pairs.push((name.to_owned(), value));
                rest = after.get(end + 1..)?;
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break,
                }
            }
            rest = rest.strip_prefix('}')?;
        }
        Some((pairs, rest.strip_prefix(' ')?.parse().ok()?))
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            pairs in prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", "\\PC{0,12}|[\"\\\\\n,{}]{1,6}", 0..5),
            value in prop::num::f64::NORMAL | prop::num::f64::ZERO,
        ) {
            let mut families = Families::new();
            let all = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = Labels::from_pairs(all.chain([("__name__", "m")]));
            families.push(&Head::gauge("m", ""), labels, value);
            let mut out = String::new();
            Format::Text.write(&families, &[], &mut out);
            let line = out.lines().nth(1).expect("a head and a sample");
            let expected: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            prop_assert_eq!(read(line), Some((expected, value)), "{}", line);
        }

        #[test]
        fn names_are_always_allowed(name in "\\PC{0,10}") {
            let mut out = String::new();
            metric_name(&name, &mut out);
            prop_assert!(hinomi_series::is_legacy_metric_name(&out), "{} -> {}", name, out);
        }
    }
}
