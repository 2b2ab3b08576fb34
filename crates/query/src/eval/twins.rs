//! Series that would be the same once what says what their metric is was taken away.

use std::collections::HashSet;

use hinomi_series::{Labels, METRIC_NAME, MatchOp};

use super::QueryError;
use super::column::{METADATA, nameless};
use super::plan::RangeSelector;

/// Sees to it that no two series have the same labels once their names are gone.
pub(super) struct Twins {
    /// Whether all have the same name: then only metadata may tell two of them apart.
    one_name: bool,
    /// Series that were let pass without a look, while none had metadata.
    passed: Vec<Labels>,
    seen: HashSet<Labels>,
}

impl Twins {
    pub(super) fn of(selector: &RangeSelector) -> Self {
        let named = |matcher: &hinomi_series::Matcher| {
            &*matcher.name == METRIC_NAME && matcher.op == MatchOp::Equal && !matcher.value.is_empty()
        };
        let one_name = selector.selector.matchers.iter().any(named);
        Self { one_name, passed: Vec::new(), seen: HashSet::new() }
    }

    pub(super) fn see(&mut self, labels: &Labels) -> Result<(), QueryError> {
        let plain = || labels.iter().all(|(name, _)| name == METRIC_NAME || !METADATA.contains(&name));
        if self.one_name && self.seen.is_empty() && plain() {
            self.passed.push(labels.clone());
            return Ok(());
        }
        self.seen.extend(self.passed.drain(..).map(|labels| nameless(&labels)));
        if self.seen.insert(nameless(labels)) { Ok(()) } else { Err(QueryError::same_labels()) }
    }
}
