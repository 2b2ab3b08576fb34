//! When something that grows is full: a line through samples that outliers and noise don't bend.
//!
//! The first and shortest line is the median of the slopes between all pairs of points (Theil 1950, Sen 1968); whether
//! it rises at all is asked by Kendall's rank correlation (1938), which counts how many pairs do. The others are lines of
//! least squares. One line through two hours would still rise long after a warm-up, and one through ten minutes follows
//! every wave: so all must rise, and the flatter of the two shortest counts.

use std::time::Duration;

use hinomi_model::Nanos;

/// Points that a stretch of samples is thinned out to: means of equal parts.
const POINTS_MAX: usize = 40;
/// Fewer points say nothing.
const POINTS_LEAST: usize = 6;
/// Less time says nothing either.
const SPAN_LEAST: Duration = Duration::from_secs(30);
/// A line reaches no further ahead than so many times the time that it was drawn through.
const REACH: u32 = 12;
/// Rank correlation from which the newest samples rise: more than three standard deviations of 40 points of noise.
const RISES: f64 = 0.4;

/// A line into the future.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// Growth in a second, above zero.
    pub per_second: f64,
    /// Time until the limit is reached.
    pub full_in: Duration,
    /// The same by the flattest of the lines: all say that it is full by then.
    pub latest_in: Duration,
}

/// The trend of samples (time and value, ascending) towards `limit`. Each of `spans`, from short to long, gives a line
/// through the newest samples of that length; `None` unless all of them rise, and reach the limit within twelve times the
/// time that samples are there for.
#[must_use]
pub fn trend(samples: &[(Nanos, f64)], limit: f64, spans: &[Duration]) -> Option<Trend> {
    let newest = samples.last()?.0;
    let mut rates = Vec::with_capacity(spans.len());
    let mut level = f64::NAN;
    let mut drawn_through = Duration::ZERO;
    for span in spans {
        let begin = newest.minus(*span);
        let from = samples.partition_point(|(at, _)| *at < begin);
        let stretch = samples.get(from..)?;
        drawn_through = newest.since(stretch.first()?.0);
        let points = thinned(stretch, POINTS_MAX);
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < POINTS_LEAST || last.0 - first.0 < SPAN_LEAST.as_secs_f64() * 0.8 {
            return None;
        }
        if rates.is_empty() {
            if rank_correlation(&points) < RISES {
                return None;
            }
            level = last.1;
            rates.push(median_slope(&points)?);
        } else {
            rates.push(least_squares(&points)?);
        }
    }
    let least = |rates: &[f64]| {
        let least = rates.iter().copied().min_by(f64::total_cmp)?;
        Some(least).filter(|rate| rate.is_finite() && *rate > 0.0)
    };
    let (flattest, per_second) = (least(&rates)?, least(rates.get(..2).unwrap_or(&rates))?);
    let left = (limit - level).max(0.0);
    let full_in = Duration::try_from_secs_f64(left / per_second).ok()?;
    let latest_in = Duration::try_from_secs_f64(left / flattest).ok()?;
    let is_in_reach = latest_in <= drawn_through.saturating_mul(REACH);
    is_in_reach.then_some(Trend { per_second, full_in, latest_in })
}

/// At most so many points, in seconds since the first sample: means of equal parts of the time; parts without samples are
/// left out.
fn thinned(samples: &[(Nanos, f64)], most: usize) -> Vec<(f64, f64)> {
    let Some(first) = samples.first() else { return Vec::new() };
    let last = samples.last().map_or(first.0, |(at, _)| *at);
    let part = (last.since(first.0).as_secs_f64() / most as f64).max(f64::MIN_POSITIVE);
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(most);
    // Begin of the part and what was added up in it.
    let (mut until, mut sum) = (part, (0.0, 0.0, 0.0));
    for (at, value) in samples.iter().filter(|(_, value)| value.is_finite()) {
        let seconds = at.since(first.0).as_secs_f64();
        if seconds >= until && sum.2 > 0.0 && points.len() + 1 < most {
            points.push((sum.0 / sum.2, sum.1 / sum.2));
            sum = (0.0, 0.0, 0.0);
            until = ((seconds / part).floor() + 1.0) * part;
        }
        sum = (sum.0 + seconds, sum.1 + value, sum.2 + 1.0);
    }
    if sum.2 > 0.0 {
        points.push((sum.0 / sum.2, sum.1 / sum.2));
    }
    points
}

/// At most so many samples, with their times: for showing.
#[must_use]
pub(crate) fn shown(samples: &[(Nanos, f64)], most: usize) -> Vec<(Nanos, f64)> {
    let Some((first, _)) = samples.first() else { return Vec::new() };
    let nanos = |seconds: f64| first.plus(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    thinned(samples, most).into_iter().map(|(seconds, value)| (nanos(seconds), value)).collect()
}

fn pairs(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let rest = |index: usize| points.iter().skip(index.saturating_add(1));
    let all = points.iter().enumerate();
    all.flat_map(move |(index, a)| rest(index).map(move |b| (b.0 - a.0, b.1 - a.1)))
}

fn median_slope(points: &[(f64, f64)]) -> Option<f64> {
    let mut slopes: Vec<f64> =
        pairs(points).filter(|(run, _)| *run > 0.0).map(|(run, rise)| rise / run).collect();
    let middle = slopes.len() / 2;
    if slopes.is_empty() {
        return None;
    }
    Some(*slopes.select_nth_unstable_by(middle, f64::total_cmp).1)
}

fn least_squares(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (middle, level) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - middle).powi(2)).sum();
    let common: f64 = points.iter().map(|point| (point.0 - middle) * (point.1 - level)).sum();
    (spread > 0.0).then(|| common / spread)
}

/// From -1 (all pairs fall) to 1 (all rise); pairs that stay equal count as neither.
fn rank_correlation(points: &[(f64, f64)]) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0_f64);
    for (_, rise) in pairs(points) {
        count += 1.0;
        if rise > 0.0 {
            sum += 1.0;
        } else if rise < 0.0 {
            sum -= 1.0;
        }
    }
    sum / count.max(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test")]
    #![allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a test"
    )]

    use proptest::prelude::*;

    use super::*;

    const SPANS: [Duration; 3] = [Duration::from_mins(10), Duration::from_mins(30), Duration::from_hours(2)];

    type Samples = Vec<(Nanos, f64)>;
    type Minutes = std::ops::RangeInclusive<f64>;

    /// Samples every 10 s for so many minutes, of a function of the time in minutes.
    fn every_10_s(minutes: i64, value: impl Fn(f64) -> f64) -> Vec<(Nanos, f64)> {
        let at = |n: i64| (Nanos::from_secs(1_000_000 + n * 10), value(n as f64 / 6.0));
        (0..minutes * 6).map(at).collect()
    }

    /// Noise from -1 to 1 that is the same each time.
    fn noise(minute: f64) -> f64 {
        let hash = ((minute * 6.0).round() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    }

    /// Minutes until 100.
    fn minutes(samples: &[(Nanos, f64)]) -> Option<f64> {
        Some((trend(samples, 100.0, &SPANS)?.full_in.as_secs_f64() / 60.0).round())
    }

    #[test]
    fn what_is_a_trend() {
        let table: [(&str, Samples, Option<Minutes>); 14] = [
            ("a straight line", every_10_s(120, |t| 20.0 + t / 2.0), Some(39.0..=42.0)),
            ("a straight line of two minutes", every_10_s(2, |t| 90.0 + t), Some(7.0..=9.0)),
            ("which does not reach that far", every_10_s(2, |t| 90.0 + t / 4.0), None),
            ("a line in noise", every_10_s(120, |t| 20.0 + t / 2.0 + 3.0 * noise(t)), Some(30.0..=55.0)),
            (
                "an outlier",
                every_10_s(120, |t| if t.round() == 110.0 { 99.0 } else { 20.0 + t / 2.0 }),
                Some(38.0..=43.0),
            ),
            ("flat", every_10_s(120, |_| 90.0), None),
            ("flat in noise", every_10_s(120, |t| 90.0 + 2.0 * noise(t)), None),
            ("falling", every_10_s(120, |t| 95.0 - t / 10.0), None),
            ("a warm-up that ended 15 min ago", every_10_s(20, |t| 17.0 * t.min(5.0)), None),
            ("a warm-up in noise", every_10_s(30, |t| 17.0 * t.min(5.0) + noise(t)), None),
            ("a wave that rises just now", every_10_s(120, |t| 85.0 + 8.0 * (t / 10.0).sin()), None),
            (
                "a leak that began 20 min ago",
                every_10_s(120, |t| 50.0 + (t - 100.0).max(0.0)),
                Some(25.0..=45.0),
            ),
            (
                "a leak that began an hour ago",
                every_10_s(120, |t| 50.0 + (t - 60.0).max(0.0) / 2.0),
                Some(20.0..=100.0),
            ),
            ("too few", every_10_s(120, |t| 80.0 + t).split_off(715), None),
        ];
        for (what, samples, want) in table {
            let got = minutes(&samples);
            let fits = match (&want, got) {
                (None, None) => true,
                (Some(want), Some(got)) => want.contains(&got),
                _ => false,
            };
            assert!(fits, "{what}: {got:?}, not {want:?}");
        }
    }

    #[test]
    fn a_gap_and_what_is_no_number_change_nothing() {
        let mut samples = every_10_s(120, |t| 20.0 + t / 2.0);
        samples.drain(300..500);
        samples[10].1 = f64::NAN;
        samples[20].1 = f64::INFINITY;
        assert!((38.0..=43.0).contains(&minutes(&samples).unwrap()));
        assert_eq!(trend(&[], 100.0, &SPANS), None);
    }

    #[test]
    fn what_is_shown_is_little_and_in_order() {
        let samples = every_10_s(120, |t| t);
        let shown = shown(&samples, 32);
        assert_eq!(shown.len(), 32);
        assert!(shown.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1));
        assert_eq!(super::shown(&samples[..3], 32).len(), 3);
    }

    proptest! {
        /// A line is found again, whatever its slope and wherever it begins.
        #[test]
        fn lines(begin in 0.0_f64..50.0, rise in 0.07_f64..0.3) {
            let samples = every_10_s(120, |t| begin + rise * t);
            let got = trend(&samples, 100.0, &SPANS).unwrap();
            prop_assert!((got.per_second * 60.0 / rise - 1.0).abs() < 0.02);
        }

        /// No samples make it panic or give what is no number.
        #[test]
        fn anything(values in proptest::collection::vec(proptest::num::f64::ANY, 0..300), limit in proptest::num::f64::ANY) {
            let samples: Vec<_> = values.iter().enumerate().map(|(n, v)| (Nanos::from_secs(n as i64), *v)).collect();
            if let Some(got) = trend(&samples, limit, &SPANS) {
                prop_assert!(got.per_second > 0.0 && got.per_second.is_finite());
            }
        }
    }
}
