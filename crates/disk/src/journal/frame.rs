//! Bytes of the journal: segment header and frame. `docs/formats/journal.md` describes every one of them.

use super::PAYLOAD_BYTES_MAX;

/// Version of the format that is written.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 64;
/// [`HEADER_BYTES`] as a file offset.
pub(super) const HEADER_END: u64 = 64;
/// Bytes of a frame before its payload.
pub(super) const HEAD_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"HNMJRNL\n";

/// First bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first_seq: u64,
    /// The application's 16 bytes about the segment *before* this one.
    pub(super) note: [u8; 16],
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    Damaged,
    Version(u32),
}

pub(super) fn encode_header(header: Header) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.first_seq.to_le_bytes());
    bytes[24..40].copy_from_slice(&header.note);
    let crc = header_crc(&bytes);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub(super) fn decode_header(bytes: &[u8; HEADER_BYTES]) -> Result<Header, HeaderFault> {
    let crc = u32::from_le_bytes(fixed(&bytes[12..16]));
    if bytes[..8] != MAGIC || crc != header_crc(bytes) {
        return Err(HeaderFault::Damaged);
    }
    match u32::from_le_bytes(fixed(&bytes[8..12])) {
        FORMAT_VERSION => {
            Ok(Header { first_seq: u64::from_le_bytes(fixed(&bytes[16..24])), note: fixed(&bytes[24..40]) })
        }
        version => Err(HeaderFault::Version(version)),
    }
}

/// Over everything but the checksum itself.
fn header_crc(bytes: &[u8; HEADER_BYTES]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

/// First bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload_bytes: usize,
    pub(super) crc: u32,
    pub(super) seq: u64,
}

pub(super) fn encode_frame(out: &mut Vec<u8>, seq: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("the writer refuses what is over the limit");
    let crc = crc32c::crc32c_append(crc32c::crc32c(&seq.to_le_bytes()), payload);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(payload);
}

/// `None` when the length is over the limit.
pub(super) fn decode_head(bytes: &[u8; HEAD_BYTES]) -> Option<Head> {
    let payload_bytes = usize::try_from(u32::from_le_bytes(fixed(&bytes[..4]))).ok()?;
    (payload_bytes <= PAYLOAD_BYTES_MAX).then(|| Head {
        payload_bytes,
        crc: u32::from_le_bytes(fixed(&bytes[4..8])),
        seq: u64::from_le_bytes(fixed(&bytes[8..])),
    })
}

/// Whether the frame, head included, matches its checksum.
pub(super) fn is_intact(head: Head, frame: &[u8]) -> bool {
    frame.get(8..).is_some_and(|covered| crc32c::crc32c(covered) == head.crc)
}

fn fixed<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the slice has the array's length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_round_trip_and_every_flipped_bit_is_seen() {
        let header = Header { first_seq: 0x0102_0304_0506_0708, note: *b"sixteen bytes ok" };
        let bytes = encode_header(header);
        assert_eq!(decode_header(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_header(&bad), Err(HeaderFault::Damaged), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = encode_header(Header { first_seq: 1, note: [0; 16] });
        bytes[8] = 9;
        let crc = header_crc(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode_header(&bytes), Err(HeaderFault::Version(9)));
    }

    /// The bytes in `docs/formats/journal.md`; they may never change for version 1.
    #[test]
    fn frame_bytes_are_as_documented() {
        let mut frame = Vec::new();
        encode_frame(&mut frame, 1, b"123456789");
        assert_eq!(frame[..4], [9, 0, 0, 0]);
        assert_eq!(frame[8..16], [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&frame[16..], b"123456789");
        // Castagnoli's check value, so that nobody swaps the polynomial.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
        let head = decode_head(frame.first_chunk().unwrap()).unwrap();
        assert!(is_intact(head, &frame));
        frame[20] ^= 1;
        assert!(!is_intact(head, &frame));
    }

    #[test]
    fn zeros_are_no_frame() {
        let head = decode_head(&[0; HEAD_BYTES]).unwrap();
        assert!(!is_intact(head, &[0; HEAD_BYTES]));
    }
}
