//! `rate` and its kin over numbers alone, which nearly every query asks for.

use super::column::{ABSENT, Column, Grid};
use super::points::{Points, Track};
use super::rate::{self, Between, Rate, Reach};
use super::slide::{Cursor, Sliding};

/// Windows of so many steps are kept from one series to the next.
const KEPT_MAX: usize = 1 << 14;

/// Where a window lies in a series' samples, and what follows from their times alone.
#[derive(Clone, Copy, Default)]
struct Place {
    low: usize,
    high: usize,
    /// Of [`Reach`], if there are two samples or more.
    sampled: f64,
    to_start: f64,
    whole: f64,
}

/// The windows of the series before: most series have their samples at the same times as their neighbours, and then a
/// window takes a look at its ends and no division.
#[derive(Default)]
pub(super) struct Steady {
    /// Which steps the windows are of: the place of the first, and how many.
    steps: (usize, usize),
    places: Vec<Place>,
    /// The times that they are made for.
    times: Vec<i64>,
}

impl Steady {
    /// The function's result for each window of one series. Returns how many samples were looked at, and adds to `counts`,
    /// as far as it reaches, how many at each step.
    pub(super) fn rates(
        &mut self,
        kind: Rate,
        points: &Points<'_>,
        sliding: &Sliding<'_>,
        (at, grid): (usize, Grid),
        into: &mut Column,
        counts: &mut [u64],
    ) -> u64 {
        let (times, values) = (&*points.floats.times, &*points.floats.values);
        let resets = if kind.counter() { reset_places(&points.floats) } else { Vec::new() };
        let mut column = into.recycle();
        column.reserve(grid.len);
        let mut looked = 0;
        let mut take = |step: usize, place: &Place| {
            let seen = (place.high - place.low) as u64;
            looked += seen;
            if let Some(count) = counts.get_mut(step) {
                *count += seen;
            }
            let change =
                of_window(kind, (times, values), place, &resets, || window_at(sliding, grid.time(step)));
            column.push(change.unwrap_or(ABSENT));
        };
        if self.steps == (at, grid.len) && self.times == times {
            self.places.iter().enumerate().for_each(|(step, place)| take(step, place));
        } else {
            let keeps = grid.len <= KEPT_MAX;
            self.begin((at, grid.len), if keeps { times } else { &[] });
            let mut cursor = Cursor::default();
            for (step, time) in grid.times().enumerate() {
                let (start, end) = window_at(sliding, time);
                cursor.advance(times, start, end);
                let place = Place::of(kind, times, (cursor.low, cursor.high), (start, end));
                take(step, &place);
                if keeps {
                    self.places.push(place);
                }
            }
        }
        *into = Column::Floats(column);
        looked
    }

    fn begin(&mut self, steps: (usize, usize), times: &[i64]) {
        self.steps = steps;
        self.places.clear();
        self.times.clear();
        self.times.extend_from_slice(times);
    }
}

/// The window of a step: behind its start, and up to its end.
const fn window_at(sliding: &Sliding<'_>, time: i64) -> (i64, i64) {
    let end = sliding.shift.from(time);
    (end.saturating_sub(sliding.range), end)
}

impl Place {
    fn of(kind: Rate, times: &[i64], (low, high): (usize, usize), window: (i64, i64)) -> Self {
        let place = Self { low, high, ..Self::default() };
        match reach(kind, times, &place, window) {
            Some(reach) => {
                Self { sampled: reach.sampled, to_start: reach.to_start, whole: reach.whole, ..place }
            }
            None => place,
        }
    }
}

fn reach(kind: Rate, times: &[i64], place: &Place, (start, end): (i64, i64)) -> Option<Reach> {
    let times = times.get(place.low..place.high)?;
    let (first, last) = (*times.first()?, *times.last()?);
    Reach::of(kind, &Between { first, last, count: times.len(), start, end }, None)
}

/// The change between the ends of a window, stretched.
#[inline]
fn of_window(
    kind: Rate,
    (times, values): (&[i64], &[f64]),
    place: &Place,
    resets: &[usize],
    window: impl FnOnce() -> (i64, i64),
) -> Option<f64> {
    let values = values.get(place.low..place.high).filter(|values| values.len() > 1)?;
    let (first, last) = (*values.first()?, *values.last()?);
    let mut change = last - first;
    if kind.counter() {
        if !resets.is_empty() {
            change += rate::lost(resets, place.low, values);
        }
        if change > 0.0 && first >= 0.0 && !zero_is_far(first, change, place) {
            return Some(change * reach(kind, times, place, window())?.factor(Some(first / change)));
        }
    }
    Some(change * place.whole)
}

/// Whether a counter was zero so long before the range that rounding cannot bring it in: tells without a division. What
/// is close, or too small to be sure, has to be calculated.
#[inline]
fn zero_is_far(first: f64, change: f64, place: &Place) -> bool {
    change > 1e-200 && first * place.sampled > place.to_start * change * 1.000_001
}

/// Places at which a counter began anew: it fell, or its start says so.
pub(super) fn reset_places(track: &Track<'_, f64>) -> Vec<usize> {
    /// So many are looked at together.
    const SOME: usize = 64;
    let mut places: Vec<usize> = Vec::new();
    if track.rises {
        return places;
    }
    if !track.starts.is_empty() {
        for (at, pair) in track.values.windows(2).enumerate() {
            if matches!(pair, [a, b] if b < a) || rate::began_anew(&track.between(at, at + 2)) {
                places.push(at + 1);
            }
        }
        return places;
    }
    let (values, next) = (&*track.values, track.values.get(1..).unwrap_or_default());
    for (at, (values, next)) in values.chunks(SOME).zip(next.chunks(SOME)).enumerate() {
        let fell = values.iter().zip(next).map(|(a, b)| b < a);
        if fell.clone().fold(false, |any, fell| any | fell) {
            places.extend(fell.enumerate().filter(|(_, fell)| *fell).map(|(place, _)| at * SOME + place + 1));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the quick look says that zero is far, the division says so too.
    #[test]
    fn the_quick_look_at_zero_never_errs() {
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let (mut far, mut near) = (0, 0);
        for round in 0..200_000 {
            let (sampled, to_start) = (1.0 + random() * 600.0, random() * 30.0);
            let change = match round % 4 {
                0 => random() * 1e308,
                1 => random() * 1e-300,
                _ => random() * 100.0,
            };
            // Around the limit, and anywhere.
            let limit = to_start * change / sampled;
            let first =
                if round % 2 == 0 { limit * (1.0 + (random() - 0.5) * 1e-5) } else { random() * change };
            let place = Place { sampled, to_start, ..Place::default() };
            if zero_is_far(first, change, &place) {
                far += 1;
                assert!(sampled * (first / change) >= to_start, "{first} {change} {sampled} {to_start}");
            } else {
                near += 1;
            }
        }
        assert!(far > 50_000 && near > 50_000, "{far} {near}");
    }
}
