//! From matchers to sets of series numbers, over any index.

use std::collections::BTreeSet;

use hinomi_series::{MatchOp, Matcher};
use roaring::RoaringBitmap;

/// What matchers need of an index.
pub(crate) trait Index {
    /// All series.
    fn all(&self) -> RoaringBitmap;

    /// Adds the series to `into` whose label `name` has the value.
    fn add(&self, name: &str, value: &str, into: &mut RoaringBitmap);

    /// Adds the series to `into` that have the label with a value that `accept` wants.
    fn add_where(&self, name: &str, accept: &dyn Fn(&str) -> bool, into: &mut RoaringBitmap);

    /// Adds the names of all labels.
    fn add_names(&self, into: &mut BTreeSet<String>);

    /// Adds all values of a label.
    fn add_values(&self, name: &str, into: &mut BTreeSet<String>);
}

/// Series that every matcher accepts. A label that is not there counts as the empty text.
pub(crate) fn select(index: &impl Index, matchers: &[Matcher]) -> RoaringBitmap {
    let (subtracting, adding): (Vec<&Matcher>, Vec<&Matcher>) =
        matchers.iter().partition(|matcher| matcher.matches_empty());
    let mut found: Option<RoaringBitmap> = None;
    for matcher in adding {
        let hits = hits(index, matcher);
        let all = match found {
            Some(mut all) => {
                all &= hits;
                all
            }
            None => hits,
        };
        if all.is_empty() {
            return all;
        }
        found = Some(all);
    }
    let mut found = found.unwrap_or_else(|| index.all());
    for matcher in subtracting {
        let mut misses = RoaringBitmap::new();
        match matcher.inverse() {
            // `a!="b"`: what has the value.
            inverse if inverse.op == MatchOp::Equal => index.add(&inverse.name, &inverse.value, &mut misses),
            inverse => index.add_where(&inverse.name, &|value| inverse.matches(value), &mut misses),
        }
        found -= misses;
    }
    found
}

fn hits(index: &impl Index, matcher: &Matcher) -> RoaringBitmap {
    let mut hits = RoaringBitmap::new();
    match matcher.values().filter(|_| !matcher.op.is_negative()) {
        Some(values) => values.into_iter().for_each(|value| index.add(&matcher.name, value, &mut hits)),
        None => index.add_where(&matcher.name, &|value| matcher.matches(value), &mut hits),
    }
    hits
}
