//! Texts in quotes, and characters as messages show them.

use hinomi_series::quote;

/// The text of a string literal, without quotes and escapes. The lexer has checked it; bytes that make no UTF-8 become
/// the replacement character.
pub(super) fn unquote(literal: &str) -> String {
    String::from_utf8(unquote_bytes(literal))
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// As [`unquote`], bytes as they are.
pub(super) fn unquote_bytes(literal: &str) -> Vec<u8> {
    let mut chars = literal.chars();
    let (Some(mark), Some(_)) = (chars.next(), chars.next_back()) else { return Vec::new() };
    let inner = chars.as_str();
    if mark == '`' || !inner.contains('\\') {
        return inner.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, tail)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = escape(tail, &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Adds what an escape stands for, and returns what follows it.
fn escape<'a>(tail: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let mut chars = tail.chars();
    let Some(c) = chars.next() else { return "" };
    let (digits, radix) = match c {
        'a' => return push(bytes, '\u{7}', chars.as_str()),
        'b' => return push(bytes, '\u{8}', chars.as_str()),
        'f' => return push(bytes, '\u{c}', chars.as_str()),
        'n' => return push(bytes, '\n', chars.as_str()),
        'r' => return push(bytes, '\r', chars.as_str()),
        't' => return push(bytes, '\t', chars.as_str()),
        'v' => return push(bytes, '\u{b}', chars.as_str()),
        'x' => (2, 16),
        'u' => (4, 16),
        'U' => (8, 16),
        '0'..='7' => {
            chars = tail.chars();
            (3, 8)
        }
        c => return push(bytes, c, chars.as_str()),
    };
    let value = chars.by_ref().take(digits).fold(0_u32, |value, c| {
        value.wrapping_mul(radix).wrapping_add(c.to_digit(radix).unwrap_or_default())
    });
    match (c, u8::try_from(value)) {
        ('u' | 'U', _) | (_, Err(_)) => {
            push(bytes, char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER), chars.as_str())
        }
        (_, Ok(byte)) => {
            bytes.push(byte);
            chars.as_str()
        }
    }
}

fn push<'a>(bytes: &mut Vec<u8>, c: char, rest: &'a str) -> &'a str {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    rest
}

/// A character in single quotes, as Go prints it; the end of the text as the replacement character.
pub(super) fn quote_char(c: Option<char>) -> String {
    match c {
        None => "'\u{fffd}'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        Some('"') => "'\"'".to_owned(),
        Some(c) => {
            let quoted = quote(c.encode_utf8(&mut [0; 4]));
            format!("'{}'", quoted.trim_start_matches('"').trim_end_matches('"'))
        }
    }
}

/// A character with its number: `U+0071 'q'`.
pub(super) fn unicode_name(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if c.is_control() { number } else { format!("{number} '{c}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_lose_their_quotes_and_escapes() {
        let table = [
            (r#""a""#, "a"),
            (r#"'a"b'"#, "a\"b"),
            (r"`a\n`", "a\\n"),
            (r#""\a\b\f\n\r\t\v\\\"""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\\""),
            (r#""\x41\101\u00e4\U0001F600""#, "AA\u{e4}\u{1f600}"),
            (r#""\xc3\xa4""#, "\u{e4}"),
            (r#""\xff""#, "\u{fffd}"),
            (r#""""#, ""),
        ];
        for (literal, text) in table {
            assert_eq!(unquote(literal), text, "{literal}");
        }
    }

    #[test]
    fn characters_in_messages() {
        let table = [
            (Some('$'), "'$'"),
            (Some('\''), r"'\''"),
            (Some('"'), "'\"'"),
            (Some('\n'), r"'\n'"),
            (None, "'\u{fffd}'"),
        ];
        for (c, text) in table {
            assert_eq!(quote_char(c), text);
        }
        assert_eq!(unicode_name('q'), "U+0071 'q'");
    }
}
