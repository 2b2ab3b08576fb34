//! Histograms of which totals are looked at only: resets are told from each to the next.

use std::sync::Arc;

use hinomi_series::{Histogram, ResetHint, Value};

/// Samples whose histograms each say whether the counter was reset right before, as far as the one before tells.
pub(super) fn hinted(values: &[Value]) -> Vec<Value> {
    let mut earlier: Option<&Arc<Histogram>> = None;
    let mut hinted = Vec::with_capacity(values.len());
    for value in values {
        let Value::Histogram(histogram) = value else {
            hinted.push(value.clone());
            continue;
        };
        if value.is_stale() {
            hinted.push(value.clone());
            continue;
        }
        hinted.push(match earlier {
            Some(earlier) if histogram.reset_hint == ResetHint::Unknown => {
                let mut told = Histogram::clone(histogram);
                let reset = histogram.detect_reset(earlier);
                told.reset_hint = if reset { ResetHint::Reset } else { ResetHint::NotReset };
                Value::Histogram(Arc::new(told))
            }
            _ => value.clone(),
        });
        earlier = Some(histogram);
    }
    hinted
}
