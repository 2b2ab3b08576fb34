//! The protobuf wire format: fields one after another.

use super::Error;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
    /// Wire type 5, which no field here has.
    Short,
}

const ENDS: Error = Error::Proto("unexpected end of the message");
const OVERFLOW: Error = Error::Proto("integer overflow");
const KIND: Error = Error::Proto("wrong wire type of a field");

/// Fields that are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// A number of up to ten bytes, seven bits each.
    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Error> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline]
    fn long_varint(&mut self) -> Result<u64, Error> {
        let mut value = 0_u64;
        for (at, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(*byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                if at == 9 && *byte > 1 {
                    return Err(OVERFLOW);
                }
                self.0 = self.0.get(at + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.0.len() < 10 { ENDS } else { OVERFLOW })
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(ENDS)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let len = usize::try_from(self.varint()?).map_err(|_| ENDS)?;
        self.take(len)
    }

    /// Eight bytes, little endian.
    #[inline]
    pub(super) fn fixed(&mut self) -> Result<u64, Error> {
        let (taken, rest) = self.0.split_first_chunk::<8>().ok_or(ENDS)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    /// The next field's number and value; `None` at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Error> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field = tag >> 3;
        if field == 0 || tag > u64::from(u32::MAX) {
            return Err(Error::Proto("illegal number of a field"));
        }
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed(self.fixed()?),
            2 => Value::Bytes(self.bytes()?),
            5 => {
                self.take(4)?;
                Value::Short
            }
            _ => return Err(Error::Proto("groups and unknown wire types are not taken")),
        };
        Ok(Some((field, value)))
    }
}

impl<'a> Value<'a> {
    #[inline]
    pub(super) fn varint(self) -> Result<u64, Error> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(KIND),
        }
    }

    #[inline]
    pub(super) fn int64(self) -> Result<i64, Error> {
        Ok(self.varint()?.cast_signed())
    }

    #[inline]
    pub(super) fn double(self) -> Result<f64, Error> {
        match self {
            Self::Fixed(bits) => Ok(f64::from_bits(bits)),
            _ => Err(KIND),
        }
    }

    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], Error> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            _ => Err(KIND),
        }
    }
}

/// The low 32 bits, as protobuf reads an int32 from a longer number.
pub(super) fn low32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A number of type sint64.
pub(super) fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A number of type sint32.
pub(super) fn zigzag32(value: u64) -> i32 {
    let value = low32(value);
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
