//! Label sets that are made once and used again each round.

use hinomi_series::{Labels, METRIC_NAME};
use hinomi_wire::{Families, Head};

/// Most label sets kept in order; beyond them each round makes its own.
const SLOTS_MAX: usize = 65_536;

/// Remembers, in the order of a round, which label sets were asked for. A round that asks for the same gets the same.
#[derive(Debug)]
pub(super) struct Memo {
    base: Labels,
    slots: Vec<Slot>,
    at: usize,
}

#[derive(Debug)]
struct Slot {
    labels: Labels,
    /// Own labels beside the base and the name.
    own: usize,
}

impl Memo {
    /// With the labels that all of its sets have.
    pub(super) fn new(base: Labels) -> Self {
        Self { base, slots: Vec::new(), at: 0 }
    }

    /// Begins a round.
    pub(super) fn begin(&mut self) {
        // What the last round did not reach is not needed any more.
        self.slots.truncate(self.at);
        self.at = 0;
    }

    /// The base labels with a name and with `pairs`; pairs with an empty value are left out.
    fn labels(&mut self, name: &str, pairs: &[(&str, &str)]) -> Labels {
        let at = self.at;
        self.at += 1;
        if let Some(slot) = self.slots.get(at).filter(|slot| slot.is(name, pairs)) {
            return slot.labels.clone();
        }
        let all = self.base.iter().chain(pairs.iter().copied()).chain([(METRIC_NAME, name)]);
        let labels = Labels::from_pairs(all);
        let own = pairs.iter().filter(|pair| !pair.1.is_empty()).count();
        let slot = Slot { labels: labels.clone(), own };
        match self.slots.get_mut(at) {
            Some(old) => *old = slot,
            None if at < SLOTS_MAX => self.slots.push(slot),
            None => self.at = at,
        }
        labels
    }
}

impl Slot {
    fn is(&self, name: &str, pairs: &[(&str, &str)]) -> bool {
        let mut own = 0;
        for (key, value) in pairs {
            if value.is_empty() {
                continue;
            }
            if self.labels.get(key) != Some(value) {
                return false;
            }
            own += 1;
        }
        own == self.own && self.labels.name() == name
    }
}

/// Where collectors put samples.
pub(super) struct Out<'a> {
    /// What is filled.
    pub(super) families: &'a mut Families,
    /// Label sets of the round before.
    pub(super) memo: &'a mut Memo,
}

impl Out<'_> {
    /// A sample with its own labels beside the base ones.
    pub(super) fn put(&mut self, head: &Head<'_>, pairs: &[(&str, &str)], value: f64) {
        let labels = self.memo.labels(head.name, pairs);
        self.families.push(head, labels, value);
    }

    /// A sample, if there is a value.
    pub(super) fn put_some(&mut self, head: &Head<'_>, pairs: &[(&str, &str)], value: Option<f64>) {
        if let Some(value) = value {
            self.put(head, pairs, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Set = (&'static str, &'static [(&'static str, &'static str)]);

    fn asked(memo: &mut Memo, sets: &[Set]) -> Vec<Labels> {
        memo.begin();
        sets.iter().map(|(name, pairs)| memo.labels(name, pairs)).collect()
    }

    #[test]
    fn every_round_gets_what_it_asks_for() {
        let mut memo = Memo::new(Labels::from_pairs([("host", "h")]));
        let rounds: [&[Set]; 5] = [
            &[("a", &[("cpu", "0")]), ("a", &[("cpu", "1")]), ("b", &[])],
            &[("a", &[("cpu", "0")]), ("b", &[])],
            &[("b", &[("cpu", "")]), ("a", &[("cpu", "0"), ("mode", "idle")])],
            &[("b", &[]), ("a", &[("cpu", "0")])],
            &[("b", &[("x", "y")]), ("a", &[("cpu", "0")])],
        ];
        for sets in rounds {
            let got = asked(&mut memo, sets);
            let expected: Vec<Labels> = sets
                .iter()
                .map(|(name, pairs)| {
                    let all = pairs.iter().copied().chain([("host", "h"), (METRIC_NAME, *name)]);
                    Labels::from_pairs(all)
                })
                .collect();
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn what_is_not_asked_for_is_forgotten() {
        let mut memo = Memo::new(Labels::empty());
        let many: Vec<String> = (0..100).map(|at| at.to_string()).collect();
        memo.begin();
        for value in &many {
            memo.labels("a", &[("x", value)]);
        }
        memo.begin();
        memo.labels("a", &[("x", "0")]);
        memo.begin();
        assert_eq!(memo.slots.len(), 1);
    }
}
