//! Metric families: what collectors fill and writers read, once a round.
//!
//! # Invariants
//!
//! - A sample's labels hold its name as `__name__`, as they are stored; a family only says what kind of thing it is.
//! - Nothing grows without bound: families and samples have limits, and what is beyond them is counted.

use std::collections::HashMap;

use hinomi_series::Labels;

/// Most families of a round.
const FAMILIES_MAX: usize = 4096;
/// Most samples of a family in a round.
const SAMPLES_MAX: usize = 65_536;
/// Endings of names that are units, as OpenMetrics wants them.
const UNITS: [&str; 7] = ["seconds", "bytes", "ratio", "celsius", "hertz", "bits", "volts"];

/// What a family's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only ever rises, but for restarts.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Samples named `_bucket` (with `le`), `_sum`, `_count`.
    Histogram,
    /// Samples with `quantile`, and `_sum`, `_count`.
    Summary,
    /// Always 1; the labels are what is said.
    Info,
    /// Nobody said.
    Unknown,
}

/// Name, kind and help of a family.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Name, with `_total` where it has it.
    pub name: &'a str,
    /// What its numbers mean.
    pub kind: Kind,
    /// A sentence for people.
    pub help: &'a str,
}

impl<'a> Head<'a> {
    /// Of a counter.
    #[must_use]
    pub const fn counter(name: &'a str, help: &'a str) -> Self {
        Self { name, kind: Kind::Counter, help }
    }

    /// Of a gauge.
    #[must_use]
    pub const fn gauge(name: &'a str, help: &'a str) -> Self {
        Self { name, kind: Kind::Gauge, help }
    }

    /// Of something that nobody named the kind of.
    #[must_use]
    pub const fn unknown(name: &'a str, help: &'a str) -> Self {
        Self { name, kind: Kind::Unknown, help }
    }
}

/// A number.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Labels with `__name__`.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// Samples of one kind under one name.
#[derive(Clone, Debug)]
pub struct Family {
    /// Name, with `_total` where it has it.
    pub name: Box<str>,
    /// What its numbers mean.
    pub kind: Kind,
    /// A sentence for people.
    pub help: Box<str>,
    /// Base unit, from the name's end; `None` if it has none.
    pub unit: Option<&'static str>,
    /// This round's samples.
    pub samples: Vec<Sample>,
}

/// The families of a round, in order of their first appearance. Made once and filled again each round.
#[derive(Clone, Debug, Default)]
pub struct Families {
    list: Vec<Family>,
    by_name: HashMap<Box<str>, usize>,
    shed: u64,
}

impl Families {
    /// Without families.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a new round: no samples; the families' heads and buffers stay.
    pub fn clear(&mut self) {
        for family in &mut self.list {
            family.samples.clear();
        }
    }

    /// Adds a sample. `labels` hold its name: the family's own, or with an ending where the kind has such.
    ///
    /// The first head that comes under a name stays. Beyond 4,096 families or 65,536 samples in one the sample is left
    /// out and counted in [`Self::shed`].
    pub fn push(&mut self, head: &Head<'_>, labels: Labels, value: f64) {
        match self.family(head) {
            Some(family) if family.samples.len() < SAMPLES_MAX => {
                family.samples.push(Sample { labels, value });
            }
            _ => self.shed = self.shed.saturating_add(1),
        }
    }

    fn family(&mut self, head: &Head<'_>) -> Option<&mut Family> {
        if let Some(at) = self.by_name.get(head.name) {
            return self.list.get_mut(*at);
        }
        if self.list.len() >= FAMILIES_MAX {
            return None;
        }
        self.by_name.insert(head.name.into(), self.list.len());
        self.list.push(Family {
            name: head.name.into(),
            kind: head.kind,
            help: head.help.into(),
            unit: unit(head.name),
            samples: Vec::new(),
        });
        self.list.last_mut()
    }

    /// Families that have samples this round.
    pub fn iter(&self) -> impl Iterator<Item = &Family> {
        self.list.iter().filter(|family| !family.samples.is_empty())
    }

    /// The family of that name, if it has samples this round.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Family> {
        self.list.get(*self.by_name.get(name)?).filter(|family| !family.samples.is_empty())
    }

    /// Number of samples this round.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.list.iter().map(|family| family.samples.len()).sum()
    }

    /// Samples that were left out since the start because of the limits.
    #[must_use]
    pub fn shed(&self) -> u64 {
        self.shed
    }
}

/// The unit at the end of a name, before `_total`.
fn unit(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix("_total").unwrap_or(name);
    let (_, last) = name.rsplit_once('_')?;
    UNITS.into_iter().find(|unit| *unit == last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_stand_at_the_end_of_names() {
        let cases = [
            ("node_cpu_seconds_total", Some("seconds")),
            ("node_memory_Active_bytes", Some("bytes")),
            ("node_entropy_pool_size_bits", Some("bits")),
            ("node_load1", None),
            ("bytes", None),
            ("node_bytes_used", None),
        ];
        for (name, expected) in cases {
            assert_eq!(unit(name), expected, "{name}");
        }
    }

    #[test]
    fn a_round_begins_empty_and_keeps_its_order() {
        let mut families = Families::new();
        let labels = Labels::from_pairs([("__name__", "b")]);
        families.push(&Head::gauge("b", "B."), labels.clone(), 1.0);
        families.push(&Head::counter("a_total", "A."), labels.clone(), 2.0);
        families.push(&Head::counter("b", "another"), labels, 3.0);
        let names: Vec<_> = families.iter().map(|family| (&*family.name, family.samples.len())).collect();
        assert_eq!(names, [("b", 2), ("a_total", 1)]);
        assert_eq!(families.get("b").map(|family| family.kind), Some(Kind::Gauge));
        families.clear();
        assert_eq!((families.iter().count(), families.samples()), (0, 0));
        assert!(families.get("b").is_none());
    }

    #[test]
    fn limits_shed_and_count() {
        let mut families = Families::new();
        for at in 0..FAMILIES_MAX + 3 {
            families.push(&Head::gauge(&format!("f{at}"), ""), Labels::empty(), 0.0);
        }
        assert_eq!((families.samples(), families.shed()), (FAMILIES_MAX, 3));
    }
}
