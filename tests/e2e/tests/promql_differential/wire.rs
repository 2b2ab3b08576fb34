//! Remote write 1.0 by hand, so that nothing of Hinomi's encodes what Hinomi is judged by.

/// Headers of a write.
pub(crate) const HEADERS: [(&str, &str); 3] = [
    ("Content-Type", "application/x-protobuf"),
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// A message that grows.
#[derive(Debug, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    /// A whole number.
    pub(crate) fn unsigned(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    /// A time.
    pub(crate) fn time(&mut self, field: u64, millis: i64) {
        self.unsigned(field, millis.cast_unsigned());
    }

    /// A whole number that may be below zero.
    pub(crate) fn signed(&mut self, field: u64, number: i64) {
        self.unsigned(field, ((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    /// A float.
    pub(crate) fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_bits().to_le_bytes());
    }

    /// Bytes or a text.
    pub(crate) fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A message within.
    pub(crate) fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// Whole numbers that may be below zero, packed.
    pub(crate) fn packed_signed(&mut self, field: u64, numbers: &[i64]) {
        let mut inner = Self::default();
        for number in numbers {
            inner.varint(((number << 1) ^ (number >> 63)).cast_unsigned());
        }
        self.bytes(field, &inner.0);
    }

    /// The message as Snappy: in literals only, which is as valid as any.
    pub(crate) fn snappy(&self) -> Vec<u8> {
        let mut out = Self::default();
        out.varint(self.0.len() as u64);
        for part in self.0.chunks(1 << 16) {
            let len = (part.len() - 1).to_le_bytes();
            out.0.extend([61 << 2, len[0], len[1]]);
            out.0.extend_from_slice(part);
        }
        out.0
    }
}
