//! The time that a segment covers, as the journal's 16-byte note about it.

use hinomi_model::Nanos;

use crate::record;

/// Earliest and latest stamp of the records in a segment; `min > max` when there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) min: Nanos,
    pub(crate) max: Nanos,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { min: Nanos(i64::MAX), max: Nanos(i64::MIN) };

    pub(crate) fn include(&mut self, payload: &[u8]) {
        if let Some((head, _)) = record::split(payload) {
            self.min = self.min.min(head.at);
            self.max = self.max.max(head.at);
        }
    }

    pub(crate) fn overlaps(self, from: Nanos, to: Nanos) -> bool {
        self.min < to && self.max >= from
    }

    pub(crate) fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.min.0.to_le_bytes());
        bytes[8..].copy_from_slice(&self.max.0.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: [u8; 16]) -> Self {
        let (min, max) = bytes.split_at(8);
        let stamp = |half: &[u8]| Nanos(i64::from_le_bytes(half.try_into().expect("half of sixteen")));
        Self { min: stamp(min), max: stamp(max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_overlap() {
        for span in [Span::EMPTY, Span { min: Nanos(-5), max: Nanos(7) }] {
            assert_eq!(Span::decode(span.encode()), span);
        }
        let span = Span { min: Nanos(10), max: Nanos(20) };
        let cases = [(0, 10, false), (0, 11, true), (20, 30, true), (21, 30, false), (12, 13, true)];
        for (from, to, want) in cases {
            assert_eq!(span.overlaps(Nanos(from), Nanos(to)), want, "{from}..{to}");
        }
        assert!(!Span::EMPTY.overlaps(Nanos(i64::MIN), Nanos(i64::MAX)));
    }
}
