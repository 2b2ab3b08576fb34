//! Headers of tar (POSIX.1-1988, "ustar"): plain files only. Sizes from 8 GiB on are binary, as GNU tar writes them.

use super::names::NAME_BYTES_MAX;

/// Everything is in blocks of so many bytes.
pub(super) const BLOCK: usize = 512;
/// Zeros behind the last file, bytes.
pub(super) const END_BYTES: usize = 2 * BLOCK;
/// Where the checksum is.
const SUM: std::ops::Range<usize> = 148..156;
/// First byte of a size that is binary.
const BINARY: u8 = 0x80;
/// Greatest size in octal digits.
const OCTAL_MAX: u64 = 0o77_777_777_777;

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A file of that name and size, bytes.
    File(String, u64),
    /// The first of the two blocks behind the last file.
    End,
}

/// Zeros behind a file of so many bytes.
pub(super) fn padding(bytes: u64) -> usize {
    let block = u64::try_from(BLOCK).unwrap_or(1);
    usize::try_from(bytes.next_multiple_of(block).saturating_sub(bytes)).unwrap_or(0)
}

/// The header of a file; `seconds` since 1970 is when it changed.
pub(super) fn header(name: &str, bytes: u64, seconds: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        block.iter_mut().skip(at).zip(text).for_each(|(to, from)| *to = *from);
    };
    put(0, name.as_bytes().get(..NAME_BYTES_MAX).unwrap_or(name.as_bytes()));
    put(100, b"0000640\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if bytes <= OCTAL_MAX {
        put(124, format!("{bytes:011o}\0").as_bytes());
    } else {
        put(124, &[BINARY]);
        put(128, &bytes.to_be_bytes());
    }
    put(136, format!("{:011o}\0", seconds.min(OCTAL_MAX)).as_bytes());
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum = checksum(&block);
    let text = format!("{sum:06o}\0 ");
    block.iter_mut().skip(SUM.start).zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
    block
}

/// The sum of all bytes, those of the sum itself taken for blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let of = |(at, byte): (usize, &u8)| u64::from(if SUM.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(of).sum()
}

/// Reads a header.
///
/// # Errors
///
/// What is wrong with it, or what it is instead of a plain file.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Entry, String> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Entry::End);
    }
    let field = |from: usize, len: usize| block.get(from..from.saturating_add(len)).unwrap_or_default();
    if octal(field(SUM.start, 8)) != Some(checksum(block)) {
        return Err("the checksum of a header does not match".to_owned());
    }
    let kind = match field(156, 1) {
        b"0" => None,
        b"1" => Some("a hard link"),
        b"2" => Some("a symbolic link"),
        b"3" | b"4" => Some("a device"),
        b"5" => Some("a folder"),
        b"6" => Some("a pipe"),
        b"S" => Some("a file with holes"),
        _ => Some("an entry of an unknown kind"),
    };
    let name = text(field(0, NAME_BYTES_MAX)).ok_or("a name that is no text")?;
    if let Some(kind) = kind {
        return Err(format!("it holds {kind}, {}", hinomi_series::quote(&name)));
    }
    if field(257, 8) != b"ustar\x0000" {
        return Err("a header is not of the kind `ustar`".to_owned());
    }
    if field(157, 100).iter().chain(field(345, 155)).any(|byte| *byte != 0) {
        return Err(format!("{} has a link or a prefix", hinomi_series::quote(&name)));
    }
    let bytes = size(field(124, 12)).ok_or("the size of a file can't be read")?;
    Ok(Entry::File(name, bytes))
}

/// The text before the first zero.
fn text(field: &[u8]) -> Option<String> {
    let text = field.split(|byte| *byte == 0).next()?;
    String::from_utf8(text.to_vec()).ok()
}

/// Octal digits, then zeros or blanks.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_end_matches(['\0', ' ']);
    let digits = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if digits { u64::from_str_radix(text, 8).ok() } else { None }
}

fn size(field: &[u8]) -> Option<u64> {
    match field {
        [BINARY, 0, 0, 0, rest @ ..] => Some(u64::from_be_bytes(rest.try_into().ok()?)),
        _ => octal(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back() {
        for bytes in [0, 1, 511, 512, OCTAL_MAX, OCTAL_MAX + 1, u64::MAX] {
            let block = header("metrics/catalogue", bytes, 1_700_000_000);
            assert_eq!(parse(&block), Ok(Entry::File("metrics/catalogue".to_owned(), bytes)));
        }
        assert_eq!(parse(&[0; BLOCK]), Ok(Entry::End));
        assert_eq!([padding(0), padding(1), padding(512), padding(513)], [0, 511, 0, 511]);
    }

    /// A header with other bytes at some place, and the right sum.
    fn with(at: usize, bytes: &[u8]) -> [u8; BLOCK] {
        let mut block = header("metrics/x", 5, 0);
        block[at..at + bytes.len()].copy_from_slice(bytes);
        let sum = format!("{:06o}\0 ", checksum(&block));
        block[SUM].copy_from_slice(sum.as_bytes());
        block
    }

    #[test]
    fn what_is_no_plain_file_is_refused() {
        let table: [(usize, &[u8], &str); 14] = [
            (156, b"1", "a hard link"),
            (156, b"2", "a symbolic link"),
            (156, b"3", "a device"),
            (156, b"4", "a device"),
            (156, b"5", "a folder"),
            (156, b"6", "a pipe"),
            (156, b"L", "unknown kind"),
            (156, b"x", "unknown kind"),
            (157, b"/etc/passwd", "a link or a prefix"),
            (345, b"/etc", "a link or a prefix"),
            (257, b"gnutar  ", "`ustar`"),
            (124, b"-0000000001\0", "the size"),
            (124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "the size"),
            (0, b"\xff", "no text"),
        ];
        for (at, bytes, want) in table {
            let why = parse(&with(at, bytes)).unwrap_err();
            assert!(why.contains(want), "{want}: {why}");
        }
        let mut block = header("metrics/x", 5, 0);
        block[0] ^= 1;
        assert!(parse(&block).unwrap_err().contains("checksum"));
    }
}
