//! Floats of one series in memory: steps of steps of time and differences of bits, in whole bytes.

use std::sync::Arc;

use crate::bytes::{Fault, Reader, as_u64, put_signed};
use crate::codec::{put_xor, take_xor};

/// A piece is closed at this many samples: short enough that reading the newest minutes decodes little.
const SEALED_SAMPLES: u32 = 120;

/// A closed piece; its bytes are shared with readers.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) min: i64,
    pub(crate) max: i64,
    count: u32,
    bytes: Arc<[u8]>,
}

/// The piece that still grows.
#[derive(Clone, Debug, Default)]
struct Open {
    bytes: Vec<u8>,
    count: u32,
    min: i64,
    last_t: i64,
    last_step: i64,
    last_bits: u64,
}

/// Samples in ascending order of time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    sealed: Vec<Sealed>,
    open: Open,
}

impl Stream {
    /// Adds a sample behind all others. Returns by how many bytes it grew.
    pub(crate) fn push(&mut self, t: i64, value: f64) -> u64 {
        let open = &mut self.open;
        let before = open.bytes.len();
        if open.count == 0 {
            open.min = t;
            put_signed(&mut open.bytes, t);
        } else {
            let step = t.wrapping_sub(open.last_t);
            put_signed(&mut open.bytes, step.wrapping_sub(open.last_step));
            open.last_step = step;
        }
        put_xor(&mut open.bytes, open.last_bits, value.to_bits());
        (open.last_t, open.last_bits) = (t, value.to_bits());
        open.count = open.count.saturating_add(1);
        let grown = open.bytes.len().saturating_sub(before);
        if open.count >= SEALED_SAMPLES {
            // The next piece is most likely about as long; with half of that it has to grow once.
            let bytes = Vec::with_capacity(open.bytes.len() / 2);
            self.sealed.push(self.open.seal());
            self.open = Open { bytes, ..Open::default() };
        }
        as_u64(grown)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.open.count == 0
    }

    pub(crate) fn bytes(&self) -> u64 {
        let sealed =
            self.sealed.iter().fold(0, |sum: u64, piece| sum.saturating_add(as_u64(piece.bytes.len())));
        sealed.saturating_add(as_u64(self.open.bytes.len()))
    }

    /// First and last time.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let open = (self.open.count > 0).then_some((self.open.min, self.open.last_t));
        let first = self.sealed.first().map(|piece| piece.min).or(open.map(|open| open.0))?;
        let last = open.map(|open| open.1).or(self.sealed.last().map(|piece| piece.max))?;
        Some((first, last))
    }

    /// Pieces that may hold samples from `from` to `to`.
    pub(crate) fn pieces(&self, from: i64, to: i64) -> Vec<Sealed> {
        let begin = self.sealed.partition_point(|piece| piece.max < from);
        let sealed = self.sealed.get(begin..).unwrap_or_default();
        let mut pieces: Vec<Sealed> = sealed.iter().take_while(|piece| piece.min <= to).cloned().collect();
        if self.open.count > 0 && self.open.min <= to && self.open.last_t >= from {
            pieces.push(self.open.seal());
        }
        pieces
    }

    /// Takes out the samples before `t`.
    pub(crate) fn split_before(&mut self, t: i64) -> Self {
        let Some((first, last)) = self.span() else { return Self::default() };
        if last < t {
            return std::mem::take(self);
        }
        let mut before = Self::default();
        if first >= t {
            return before;
        }
        let whole = self.sealed.partition_point(|piece| piece.max < t);
        let rest = self.sealed.split_off(whole);
        before.sealed = std::mem::replace(&mut self.sealed, rest);
        let split = match self.sealed.first() {
            Some(piece) if piece.min < t => self.sealed.remove(0),
            None if self.open.count > 0 => std::mem::take(&mut self.open).seal(),
            _ => return before,
        };
        let mut after = Self::default();
        for (time, value) in split.decode() {
            let side = if time < t { &mut before } else { &mut after };
            side.push(time, value);
        }
        if self.sealed.is_empty() && self.open.count == 0 {
            *self = after;
        } else {
            after.close();
            after.sealed.append(&mut self.sealed);
            self.sealed = after.sealed;
        }
        before
    }

    fn close(&mut self) {
        if self.open.count > 0 {
            self.sealed.push(self.open.seal());
            self.open = Open::default();
        }
    }

    /// Keeps the samples that `keep` wants. Returns whether any went.
    pub(crate) fn retain(&mut self, keep: impl Fn(i64) -> bool) -> bool {
        let mut kept = Self::default();
        let mut gone = false;
        for piece in self.pieces(i64::MIN, i64::MAX) {
            for (t, value) in piece.decode() {
                if keep(t) {
                    kept.push(t, value);
                } else {
                    gone = true;
                }
            }
        }
        if gone {
            *self = kept;
        }
        gone
    }

    /// Whether there is a sample at that time, and its value.
    pub(crate) fn at(&self, t: i64) -> Option<f64> {
        let pieces = self.pieces(t, t);
        pieces.iter().flat_map(Sealed::decode).find(|(time, _)| *time == t).map(|(_, value)| value)
    }
}

impl Open {
    fn seal(&self) -> Sealed {
        Sealed { min: self.min, max: self.last_t, count: self.count, bytes: self.bytes.as_slice().into() }
    }
}

impl Sealed {
    /// Its samples. The bytes were made in this process, so that a fault cannot be; it would end the samples.
    pub(crate) fn decode(&self) -> impl Iterator<Item = (i64, f64)> + use<> {
        Samples { bytes: Arc::clone(&self.bytes), at: 0, left: self.count, t: 0, step: 0, bits: 0 }
    }

    /// Appends its samples within a range.
    pub(crate) fn decode_into(&self, from: i64, to: i64, times: &mut Vec<i64>, values: &mut Vec<f64>) {
        let mut reader = Reader(&self.bytes);
        let (mut t, mut step, mut bits) = (0_i64, 0_i64, 0_u64);
        times.reserve(SEALED_SAMPLES as usize);
        values.reserve(SEALED_SAMPLES as usize);
        for n in 0..self.count {
            // Most samples come as evenly as the ones before.
            let even = match reader.0.split_first() {
                Some((0, rest)) if n > 0 => Some(rest),
                _ => None,
            };
            let done = match even {
                Some(rest) => {
                    reader.0 = rest;
                    t = t.wrapping_add(step);
                    take_xor(&mut reader, bits).map(|taken| bits = taken)
                }
                None => advance(&mut reader, n == 0, &mut t, &mut step, &mut bits),
            };
            if done.is_err() || t > to {
                return;
            }
            if t >= from {
                times.push(t);
                values.push(f64::from_bits(bits));
            }
        }
    }
}

fn advance(
    reader: &mut Reader<'_>,
    first: bool,
    t: &mut i64,
    step: &mut i64,
    bits: &mut u64,
) -> Result<(), Fault> {
    let number = reader.signed()?;
    if first {
        *t = number;
    } else {
        *step = step.wrapping_add(number);
        *t = t.wrapping_add(*step);
    }
    *bits = take_xor(reader, *bits)?;
    Ok(())
}

struct Samples {
    bytes: Arc<[u8]>,
    at: usize,
    left: u32,
    t: i64,
    step: i64,
    bits: u64,
}

impl Iterator for Samples {
    type Item = (i64, f64);

    fn next(&mut self) -> Option<(i64, f64)> {
        self.left = self.left.checked_sub(1)?;
        let mut reader = Reader(self.bytes.get(self.at..)?);
        advance(&mut reader, self.at == 0, &mut self.t, &mut self.step, &mut self.bits).ok()?;
        self.at = self.bytes.len().saturating_sub(reader.0.len());
        Some((self.t, f64::from_bits(self.bits)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(stream: &Stream) -> Vec<(i64, u64)> {
        let pieces = stream.pieces(i64::MIN, i64::MAX);
        pieces.iter().flat_map(Sealed::decode).map(|(t, value)| (t, value.to_bits())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn splits_anywhere(steps in proptest::collection::vec((1_i64..30, any::<u64>()), 1..400), cut in -10_i64..8000) {
            let mut stream = Stream::default();
            let mut want = Vec::new();
            let mut t = 0;
            for (step, bits) in steps {
                t += step;
                stream.push(t, f64::from_bits(bits));
                want.push((t, bits));
            }
            prop_assert_eq!(&all(&stream), &want);
            let before = stream.split_before(cut);
            let (low, high): (Vec<_>, Vec<_>) = want.into_iter().partition(|(t, _)| *t < cut);
            prop_assert_eq!(&all(&before), &low);
            prop_assert_eq!(&all(&stream), &high);
            let ends = |points: &[(i64, u64)]| points.first().zip(points.last()).map(|(a, b)| (a.0, b.0));
            prop_assert_eq!(before.span(), ends(&low));
            prop_assert_eq!(stream.span(), ends(&high));
            stream.push(100_000, 1.0);
            prop_assert_eq!(all(&stream).len(), high.len() + 1);
            let (mut times, mut values) = (Vec::new(), Vec::new());
            for piece in stream.pieces(cut + 50, cut + 90) {
                piece.decode_into(cut + 50, cut + 90, &mut times, &mut values);
            }
            let want: Vec<i64> = high.iter().map(|p| p.0).filter(|t| (cut + 50..=cut + 90).contains(t)).collect();
            prop_assert_eq!(times, want);
        }
    }
}
