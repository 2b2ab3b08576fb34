//! Fuzzes matchers (regular expressions in RE2's syntax) and durations.
#![no_main]

use hinomi_series::{MatchOp, Matcher, duration};

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (pattern, value) = input;
    if let Ok(ms) = duration::parse_ms(pattern) {
        assert_eq!(duration::parse_ms(&duration::format_ms(ms)), Ok(ms));
    }
    if let Ok(matcher) = Matcher::new(MatchOp::Regex, "label", pattern) {
        let matches = matcher.matches(value);
        assert!(!matches || value.starts_with(matcher.prefix()));
        if let Some(values) = matcher.values() {
            assert_eq!(values.contains(&value), matches);
        }
    }
});
