//! Small pieces of the formats: variable-length numbers and a reader that never runs over.

/// Bytes that do not follow their format; why, in words.
pub(crate) type Fault = &'static str;

/// Length as a 64-bit number.
pub(crate) fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Number as a length; too great a number is a length that nothing has.
pub(crate) fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Low byte.
pub(crate) fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Appends a number in groups of seven bits, the lowest first (LEB128).
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

/// Appends a signed number: zigzag, then as [`put_varint`].
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_varint(out, zigzag(number));
}

/// Appends a length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, as_u64(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Small numbers of either sign become small numbers.
pub(crate) fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ (number & 1).cast_signed().wrapping_neg()
}

const SHORT: Fault = "ends too early";

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(SHORT)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Fault> {
        let (head, tail) = self.0.split_first().ok_or(SHORT)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Fault> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number is longer than 64 bits")
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Fault> {
        Ok(unzigzag(self.varint()?))
    }

    /// A number that must be a length of at most `limit`.
    pub(crate) fn len(&mut self, limit: usize) -> Result<usize, Fault> {
        let len = as_usize(self.varint()?);
        if len > limit { Err("a length is over its limit") } else { Ok(len) }
    }

    /// A length and that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.len(self.0.len())?;
        self.take(len)
    }

    /// A length and that many bytes of UTF-8.
    pub(crate) fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8")
    }

    /// A 32-bit number written as varint.
    pub(crate) fn varint32(&mut self) -> Result<u32, Fault> {
        u32::try_from(self.varint()?).map_err(|_| "a number is longer than 32 bits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut out = Vec::new();
        let numbers = [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN, 1 << 40];
        for number in numbers {
            put_signed(&mut out, number);
            put_varint(&mut out, number.cast_unsigned());
        }
        let mut reader = Reader(&out);
        for number in numbers {
            assert_eq!(reader.signed(), Ok(number));
            assert_eq!(reader.varint(), Ok(number.cast_unsigned()));
        }
        assert!(reader.is_empty() && reader.byte().is_err());
        assert!(Reader(&[0x80; 12]).varint().is_err());
        assert!(Reader(&[5, b'a']).bytes().is_err());
    }
}
