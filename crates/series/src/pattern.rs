//! Regular expressions in the syntax that Prometheus takes (RE2), run by the crate `regex`.
//!
//! The two differ in little things: here `\d`, `\w`, `\s` and `\b` mean ASCII, `\Q…\E` quotes, `\<` is a plain `<`, and
//! a brace that begins no repetition is a plain brace. The text is rewritten accordingly.

use std::iter::Peekable;
use std::str::Chars;

/// A pattern of RE2, rewritten for `regex`.
pub(crate) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, &mut out),
            '[' => class(&mut rest, &mut out),
            // A group of flags may have none.
            '(' if rest.clone().take(2).eq(['?', ')']) => {
                out.push_str("(?:)");
                rest.nth(1);
            }
            '{' if !begins_repetition(&rest) => out.push_str("\\{"),
            c => out.push(c),
        }
    }
    out
}

/// Whether `{` is followed by `n}`, `n,}` or `n,m}`.
fn begins_repetition(rest: &Peekable<Chars<'_>>) -> bool {
    let mut rest = rest.clone();
    let mut digits = 0;
    let mut commas = 0;
    loop {
        match rest.next() {
            Some(c) if c.is_ascii_digit() => digits += 1,
            Some(',') if digits > 0 && commas == 0 => commas += 1,
            Some('}') => return digits > 0,
            _ => return false,
        }
    }
}

/// What follows a backslash outside a class.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match rest.next() {
        Some('d') => out.push_str("[0-9]"),
        Some('D') => out.push_str("[^0-9]"),
        Some('w') => out.push_str("[0-9A-Za-z_]"),
        Some('W') => out.push_str("[^0-9A-Za-z_]"),
        Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
        Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
        Some('b') => out.push_str("(?-u:\\b)"),
        Some('B') => out.push_str("(?-u:\\B)"),
        Some('Q') => quoted(rest, out),
        other => plain_escape(other, rest, out),
    }
}

/// Text between `\Q` and `\E`.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.peek() == Some(&'E') {
            rest.next();
            return;
        }
        out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }
}

/// Escapes that mean the same inside a class and outside.
fn plain_escape(first: Option<char>, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match first {
        Some(c @ ('<' | '>')) => out.push(c),
        Some(c @ '0'..='7') => octal(c, rest, out),
        Some(c) => {
            out.push('\\');
            out.push(c);
        }
        // A backslash at the end is an error in both.
        None => out.push('\\'),
    }
}

/// `\123` is a character by its octal number; `\1` alone would refer back, which neither knows.
fn octal(first: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut number = first.to_digit(8).unwrap_or_default();
    let mut digits = 1;
    while digits < 3 {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
        number = number * 8 + digit;
        digits += 1;
        rest.next();
    }
    if first != '0' && digits == 1 {
        out.push('\\');
        out.push(first);
        return;
    }
    out.push_str(&format!("\\x{{{number:x}}}"));
}

/// A class: from behind its bracket to the closing one.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    // A bracket that comes first is a member.
    if rest.next_if_eq(&']').is_some() {
        out.push_str("\\]");
    }
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(']');
                return;
            }
            '\\' => class_escape(rest, out),
            '[' if rest.peek() == Some(&':') => named_class(rest, out),
            // `regex` gives these a meaning when doubled, and a bracket opens a nested class.
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

/// `[:alpha:]` is copied; a bracket before a colon that names no class is a plain bracket.
fn named_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    let text: String = rest.clone().take(12).collect();
    let Some(end) = text.find(":]").filter(|end| *end > 0) else {
        out.push_str("\\[");
        return;
    };
    let Some(name) = text.get(..end + 2) else { return };
    let word = name.trim_matches([':', '^', ']']);
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        out.push_str("\\[");
        return;
    }
    out.push('[');
    for _ in name.chars() {
        out.extend(rest.next());
    }
}

/// What follows a backslash within a class.
fn class_escape(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match rest.next() {
        Some('d') => out.push_str("0-9"),
        Some('D') => out.push_str("\\x00-/:-\\x{10FFFF}"),
        Some('w') => out.push_str("0-9A-Za-z_"),
        Some('W') => out.push_str("\\x00-/:-@\\[-^`\\{-\\x{10FFFF}"),
        Some('s') => out.push_str("\\t\\n\\f\\r "),
        Some('S') => out.push_str("\\x00-\\x08\\x0B\\x0E-\\x1F!-\\x{10FFFF}"),
        other => plain_escape(other, rest, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_re2_are_rewritten() {
        let table = [
            (r"\d+\.\w*", r"[0-9]+\.[0-9A-Za-z_]*"),
            (r"a{2}b{2,}c{2,3}", r"a{2}b{2,}c{2,3}"),
            (r"a{x}{,3}{", r"a\{x}\{,3}\{"),
            (r"\Qa.b\E.c", r"a\.b.c"),
            (r"[\d&&[x]", r"[0-9\&\&\[x]"),
            (r"[]a]", r"[\]a]"),
            (r"[^]a]", r"[^\]a]"),
            (r"[[:alpha:]_]", r"[[:alpha:]_]"),
            (r"[[:^digit:]]", r"[[:^digit:]]"),
            (r"[[:x]", r"[\[:x]"),
            (r"\<a\>", "<a>"),
            (r"\101\x42", r"\x{41}\x42"),
            (r"a(?)b", r"a(?:)b"),
            (r"\bx", r"(?-u:\b)x"),
            ("a\\", "a\\"),
        ];
        for (from, to) in table {
            assert_eq!(translate(from), to, "{from}");
        }
    }
}
