//! Floats that are short decimal numbers as integers with a common exponent, without losing a bit.

use std::sync::Arc;

/// Powers of ten that a double holds exactly and that are of use.
const POWERS: [f64; 13] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12];
/// Integers below this are doubles.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Floats as `base + factor * steps / 10^exponent`.
#[derive(Debug, PartialEq)]
pub(super) struct Decimal {
    pub(super) exponent: u8,
    pub(super) base: i64,
    pub(super) factor: u64,
    pub(super) steps: Vec<i64>,
    /// Positions and bits of values that are no such numbers; their step is that of the value before.
    pub(super) patches: Vec<(usize, u64)>,
}

/// The integer that gives exactly `value` when divided by the power, if there is one.
#[expect(clippy::cast_possible_truncation, reason = "checked to be an integer below 2^53")]
fn scaled(value: f64, power: f64) -> Option<i64> {
    let scaled = (value * power).round();
    // NaN fails the comparison.
    let fits = scaled.abs() < EXACT && (scaled / power).to_bits() == value.to_bits();
    fits.then_some(scaled as i64)
}

/// The value of an integer.
#[expect(
    clippy::cast_precision_loss,
    reason = "the writer only stores integers below 2^53; others are damage"
)]
fn unscaled(number: i64, power: f64) -> f64 {
    number as f64 / power
}

fn power_of(exponent: u8) -> Option<f64> {
    POWERS.get(usize::from(exponent)).copied()
}

/// The smallest exponent at which nearly all values are integers.
fn exponent_of(values: &[f64], patches_max: usize) -> Option<u8> {
    let mut exponent = 0_u8;
    let mut misses = 0_usize;
    for value in values {
        let found =
            (exponent..13).find(|e| power_of(*e).is_some_and(|power| scaled(*value, power).is_some()));
        match found {
            Some(needed) => exponent = needed,
            None => misses = misses.saturating_add(1),
        }
        if misses > patches_max {
            return None;
        }
    }
    Some(exponent)
}

/// Values as decimal numbers, unless more than one in sixteen is none.
pub(super) fn to_decimal(values: &[f64]) -> Option<Decimal> {
    let patches_max = (values.len() / 16).max(1);
    let exponent = exponent_of(values, patches_max)?;
    let power = power_of(exponent)?;
    let mut patches = Vec::new();
    let mut steps = Vec::with_capacity(values.len());
    let first = values.iter().find_map(|value| scaled(*value, power))?;
    let mut last = first;
    let mut factor = 0_u64;
    for (at, value) in values.iter().enumerate() {
        match scaled(*value, power) {
            Some(number) => last = number,
            None => patches.push((at, value.to_bits())),
        }
        // Both are below 2^53 in size.
        let step = last.wrapping_sub(first);
        factor = if factor == 1 { 1 } else { gcd(factor, step.unsigned_abs()) };
        steps.push(step);
    }
    if patches.len() > patches_max {
        return None;
    }
    let factor = factor.max(1);
    let divisor = i64::try_from(factor).ok()?;
    if divisor > 1 {
        steps.iter_mut().for_each(|step| *step = step.wrapping_div(divisor));
    }
    Some(Decimal { exponent, base: first, factor, steps, patches })
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a.checked_rem(b).unwrap_or(0));
    }
    a
}

/// Undoes [`to_decimal`] but for the patches. `None`: there is no such exponent.
pub(super) fn from_decimal(exponent: u8, base: i64, factor: u64, steps: &[i64]) -> Option<Arc<[f64]>> {
    let power = power_of(exponent)?;
    let factor = factor.cast_signed();
    Some(steps.iter().map(|step| unscaled(base.wrapping_add(step.wrapping_mul(factor)), power)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_exponent_and_the_common_factor() {
        let pages = to_decimal(&[8192.0, 4096.0, 12288.0]).unwrap();
        assert_eq!((pages.exponent, pages.base, pages.factor), (0, 8192, 4096));
        assert_eq!(pages.steps, [0, -1, 1]);
        let load = to_decimal(&[0.25, 1.5, 0.07]).unwrap();
        assert_eq!((load.exponent, load.base, load.steps), (2, 25, vec![0, 125, -18]));
        assert_eq!(to_decimal(&[std::f64::consts::PI, std::f64::consts::E, 2.0_f64.sqrt()]), None);
    }

    #[test]
    fn one_stale_marker_is_a_patch() {
        let stale = f64::from_bits(0x7ff0_0000_0000_0002);
        let decimal = to_decimal(&[1.0, 2.0, stale]).unwrap();
        assert_eq!(decimal.patches, [(2, stale.to_bits())]);
        assert_eq!(to_decimal(&[-0.0, stale, f64::INFINITY]), None);
    }
}
