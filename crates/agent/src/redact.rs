//! Takes secrets out of texts that containers wrote: log lines, commands, error texts, probe outputs.
//!
//! # In one breath
//!
//! One [`RegexSet`] says which rules match at all, which for most texts is none and costs one pass; only those rules
//! run. A rule keeps what leads to the secret (key, flag, scheme) and writes `[redacted]` in its place.
//!
//! # Invariants
//!
//! - `redact(redact(x)) == redact(x)`, and no text makes it panic.
//! - It rather takes too much than too little: a password in evidence is worse than a missing word.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

/// What stands in the place of a secret.
pub const MARK: &str = "[redacted]";

/// Rules, in the order in which they run. Group `k` is kept before the mark, group `z` behind it.
const RULES: [&str; 9] = [
    // PEM private keys, also cut off ones.
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    // Headers with credentials; quoted inside JSON or not.
    r#"(?i)(?P<k>\b(?:proxy-)?authorization\\?["']?\s*[:=]\s*\\?["']?(?:(?:basic|bearer|digest|token|negotiate|apikey|aws4-hmac-sha256)\s+)?)(?:\[redacted\]|[^\s"'\\]+)"#,
    r#"(?i)(?P<k>\b(?:set-)?cookie\\?["']?:\s*\\?["']?)[^\r\n"'\\]+"#,
    r"(?i)(?P<k>\bbearer\s+)[a-z0-9._~+/=-]{8,}",
    // Credentials in URLs: up to the last @ of the authority.
    r#"(?i)(?P<k>\b[a-z][a-z0-9+.-]*://)[^\s/:@"'<>]*:[^\s/"'<>]+(?P<z>@)"#,
    // key=value, key: value, "key":"value", \"key\":\"value\".
    r#"(?ix)
    (?P<k> (?:pass(?:word|wd|phrase|code)? | pwd | secret | token | credentials? | api[_-]?key | apikey
        | (?:access|account|auth|private|encryption|signing|session|master|secret|shared[_-]?access)[_-]?key(?:[_-]?base)?
        | (?:secret|token)[_-]?(?:id|value|string) | client[_-]?secret | signature | x-amz-security-token )
      \\?["']? \s* (?: => | := | = | : ) \s* )
    (?P<v> \[redacted\] | \\"(?:[^"\\])*(?:\\")? | "(?:[^"\\]|\\.)*"? | '(?:[^'\\]|\\.)*'? | [^\s,;&"'{}()<>|]+ )"#,
    // --password value; curl -u user:password.
    r#"(?ix)
    (?P<k> (?:^|\s) --?[a-z0-9_-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|secret-?key) \s+ )
    (?P<v> \[redacted\] | "[^"]*"? | '[^']*'? | [^\s"'-][^\s"']* )"#,
    r#"(?x) (?P<k> (?:^|\s) (?:-u|--user|--proxy-user) [\s=]+ ["']? [^\s:"']+ : ) (?P<v> \[redacted\] | [^\s"']+ )"#,
    // Well-known shapes.
    r"(?x)
      \b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{16}\b
    | \bAIza[0-9A-Za-z_-]{30,} | \bya29\.[0-9A-Za-z_-]{10,}
    | \bgh[pousr]_[0-9A-Za-z]{20,} | \bgithub_pat_[0-9A-Za-z_]{20,} | \bglpat-[0-9A-Za-z_-]{20,}
    | \bxox[abeoprs]-[0-9A-Za-z-]{8,} | \bxapp-[0-9A-Za-z-]{8,} | hooks\.slack\.com/services/[0-9A-Za-z/]+
    | \b[rs]k_(?:live|test)_[0-9A-Za-z]{10,} | \bsk-[0-9A-Za-z_-]{20,} | \bnpm_[0-9A-Za-z]{30,}
    | \beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*",
];

struct Rules {
    set: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Rules> = LazyLock::new(|| Rules {
    set: RegexSet::new(RULES).expect("the rules are constants that a test compiles"),
    each: RULES
        .iter()
        .map(|rule| Regex::new(rule).expect("the rules are constants that a test compiles"))
        .collect(),
});

/// The text without secrets; borrowed when there are none.
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let rules = &*COMPILED;
    let mut out = Cow::Borrowed(text);
    // What one rule writes may complete another's match: go on until nothing changes. Each round only takes away
    // unmarked text, a few rounds are plenty.
    for _ in 0..6 {
        let mut changed = false;
        for index in rules.set.matches(&out) {
            let Some(rule) = rules.each.get(index) else { continue };
            let next = rule.replace_all(&out, |found: &Captures<'_>| replacement(found)).into_owned();
            changed |= next != *out;
            if next != *out {
                out = Cow::Owned(next);
            }
        }
        if !changed {
            break;
        }
    }
    out
}

fn replacement(found: &Captures<'_>) -> String {
    let group = |name: &str| found.name(name).map_or("", |m| m.as_str());
    let (keep, value) = (group("k"), group("v"));
    if is_harmless(keep, value) {
        return found.get(0).map_or_else(String::new, |all| all.as_str().to_owned());
    }
    // Quotes stay, so that JSON stays JSON.
    let (open, close) = match value.as_bytes() {
        [b'"', .., b'"'] => ("\"", "\""),
        [b'\'', .., b'\''] => ("'", "'"),
        [b'\\', b'"', .., b'\\', b'"'] => ("\\\"", "\\\""),
        [b'"', ..] => ("\"", ""),
        [b'\'', ..] => ("'", ""),
        [b'\\', b'"', ..] => ("\\\"", ""),
        _ => ("", ""),
    };
    format!("{keep}{open}{MARK}{close}{}", group("z"))
}

/// A working directory (`PWD=/app`), an absent value and `-u uid:gid` are no secrets.
fn is_harmless(keep: &str, value: &str) -> bool {
    let key = keep.trim_start().to_ascii_lowercase();
    let absent = ["\"\"", "''", "null", "none", "true", "false"].contains(&value);
    let directory = key.starts_with("pwd") && value.starts_with('/');
    let ids = key.starts_with("-u") && !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    absent || directory || ids
}

/// Redacts a log line by line: knows that it is inside of a key that spans lines.
#[derive(Debug, Default)]
pub struct LineRedactor {
    in_key: bool,
}

impl LineRedactor {
    /// The next line without secrets.
    pub fn line<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if self.in_key {
            self.in_key = !(text.contains("-----END ") && text.contains("PRIVATE KEY"));
            return Cow::Borrowed(MARK);
        }
        if let Some((_, key)) = text.split_once("-----BEGIN ")
            && key.contains("PRIVATE KEY")
        {
            self.in_key = !key.contains("-----END ");
        }
        // The head of a key may have been cut off: full lines of base64 are its body.
        if (60..=76).contains(&text.len()) && is_base64(text) {
            return Cow::Borrowed(MARK);
        }
        redact(text)
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        && !text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
