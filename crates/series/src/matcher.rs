//! Matchers: which values of a label are wanted.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ErrorKind};
use regex_syntax::hir::translate::TranslatorBuilder;
use regex_syntax::hir::{Hir, HirKind};

use crate::{is_legacy_label_name, pattern, quote};

/// Bytes that a compiled expression may take.
const REGEX_MAX_BYTES: usize = 1 << 20;
/// Bytes that the text of an expression may have.
const PATTERN_MAX_BYTES: usize = 64 << 10;
/// How deep an expression may be nested.
const NEST_MAX: u32 = 200;
/// An alternation with more values than this runs as an expression.
const VALUES_MAX: usize = 4_096;
/// How often something may be asked to be repeated; as RE2.
const REPEAT_MAX: u32 = 1_000;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }

    /// Whether it wants what does not match.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        matches!(self, Self::NotEqual | Self::NotRegex)
    }
}

impl fmt::Display for MatchOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a matcher cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// The expression is longer than [`PATTERN_MAX_BYTES`].
    #[error("regular expression of {0} bytes is too long: at most {PATTERN_MAX_BYTES}")]
    TooLong(usize),
    /// The expression would take too much memory.
    #[error("regular expression is too large: make it simpler")]
    TooLarge,
    /// The expression is wrong; says how.
    #[error("error parsing regexp: {0}")]
    Syntax(String),
}

/// One condition on a label. A label that a series does not have counts as the empty text. Cheap to clone.
#[derive(Clone)]
pub struct Matcher {
    /// Name of the label.
    pub name: Arc<str>,
    /// How it compares.
    pub op: MatchOp,
    /// With what: a text, or an expression that has to match from the first character to the last.
    pub value: Arc<str>,
    test: Arc<Test>,
}

/// What the value is compared with, in the cheapest form.
#[derive(Debug)]
enum Test {
    /// This text.
    Literal,
    /// Any of these texts; sorted, and as a set where there are many.
    Values { sorted: Box<[String]>, set: Option<HashSet<String>> },
    /// Whatever stands there: `.*`.
    Anything,
    /// Whatever is not empty: `.+`.
    Something,
    /// A text and then `.*` or `.+`.
    Prefix { text: Box<str>, more: bool },
    /// `.*` or `.+` and then a text.
    Suffix { text: Box<str>, more: bool },
    /// `.*`, a text, `.*`.
    Contains(Box<str>),
    /// The expression itself, behind a text that every match begins with.
    Expression { prefix: Box<str>, regex: Box<Regex> },
}

impl Matcher {
    /// A matcher.
    ///
    /// # Errors
    ///
    /// [`MatcherError`] if the expression is wrong or too large.
    pub fn new(
        op: MatchOp,
        name: impl Into<Arc<str>>,
        value: impl Into<Arc<str>>,
    ) -> Result<Self, MatcherError> {
        let value = value.into();
        let test = match op {
            MatchOp::Equal | MatchOp::NotEqual => Test::Literal,
            MatchOp::Regex | MatchOp::NotRegex => Test::of_expression(&value)?,
        };
        Ok(Self { name: name.into(), op, value, test: Arc::new(test) })
    }

    /// A matcher for one value.
    #[must_use]
    pub fn equal(name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), test: Arc::new(Test::Literal) }
    }

    /// Whether a label's value is wanted; the empty text stands for no such label.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let found = match &*self.test {
            Test::Literal => value == &*self.value,
            other => other.finds(value),
        };
        found != self.op.is_negative()
    }

    /// Whether series without this label are wanted.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The texts that are compared with, sorted, if they are few and known: of `=`, `!=` and of expressions such as
    /// `a|b|c`. With a negative operator they are what is not wanted.
    #[must_use]
    pub fn values(&self) -> Option<Vec<&str>> {
        match &*self.test {
            Test::Literal => Some(vec![&self.value]),
            Test::Values { sorted, .. } => Some(sorted.iter().map(String::as_str).collect()),
            _ => None,
        }
    }

    /// A text that everything begins with that the expression matches; empty if none is known.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match &*self.test {
            Test::Literal => &self.value,
            Test::Prefix { text, .. } | Test::Expression { prefix: text, .. } => text,
            _ => "",
        }
    }

    /// The same condition turned round.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let op = match self.op {
            MatchOp::Equal => MatchOp::NotEqual,
            MatchOp::NotEqual => MatchOp::Equal,
            MatchOp::Regex => MatchOp::NotRegex,
            MatchOp::NotRegex => MatchOp::Regex,
        };
        Self { op, ..self.clone() }
    }
}

impl Test {
    fn of_expression(text: &str) -> Result<Self, MatcherError> {
        if text.len() > PATTERN_MAX_BYTES {
            return Err(MatcherError::TooLong(text.len()));
        }
        let translated = pattern::translate(text);
        let hir = parse(text, &translated)?;
        if let Some(simple) = Self::simple(&hir) {
            return Ok(simple);
        }
        let regex = RegexBuilder::new(&format!("^(?s:{translated})$"))
            .size_limit(REGEX_MAX_BYTES)
            .dfa_size_limit(REGEX_MAX_BYTES)
            .nest_limit(NEST_MAX + 2)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => MatcherError::TooLarge,
                other => MatcherError::Syntax(last_line(&other)),
            })?;
        Ok(Self::Expression { prefix: prefix(&hir).into(), regex: Box::new(regex) })
    }

    /// The cheap form of an expression that has one.
    fn simple(hir: &Hir) -> Option<Self> {
        if let Some(mut values) = values(hir) {
            values.sort_unstable();
            values.dedup();
            let set = (values.len() > 8).then(|| values.iter().cloned().collect());
            return Some(Self::Values { sorted: values.into(), set });
        }
        match dots(hir) {
            Some(true) => return Some(Self::Something),
            Some(false) => return Some(Self::Anything),
            None => {}
        }
        let HirKind::Concat(parts) = hir.kind() else { return None };
        match parts.as_slice() {
            [text, end] if dots(end).is_some() => {
                Some(Self::Prefix { text: literal(text)?.into(), more: dots(end)? })
            }
            [begin, text] => Some(Self::Suffix { text: literal(text)?.into(), more: dots(begin)? }),
            [begin, text, end] if dots(begin) == Some(false) && dots(end) == Some(false) => {
                Some(Self::Contains(literal(text)?.into()))
            }
            _ => None,
        }
    }

    fn finds(&self, value: &str) -> bool {
        match self {
            Self::Literal => false,
            Self::Values { set: Some(set), .. } => set.contains(value),
            Self::Values { sorted, set: None } => sorted.iter().any(|known| known == value),
            Self::Anything => true,
            Self::Something => !value.is_empty(),
            Self::Prefix { text, more } => {
                value.strip_prefix(&**text).is_some_and(|rest| !more || !rest.is_empty())
            }
            Self::Suffix { text, more } => {
                value.strip_suffix(&**text).is_some_and(|rest| !more || !rest.is_empty())
            }
            Self::Contains(text) => value.contains(&**text),
            Self::Expression { prefix, regex } => value.starts_with(&**prefix) && regex.is_match(value),
        }
    }
}

/// Parses an expression, and holds it to what RE2 allows.
fn parse(text: &str, translated: &str) -> Result<Hir, MatcherError> {
    let tree = ast::parse::ParserBuilder::new()
        .nest_limit(NEST_MAX)
        .build()
        .parse(translated)
        .map_err(|error| MatcherError::Syntax(describe(text, &error)))?;
    ast::visit(&tree, Repeats(translated)).map_err(MatcherError::Syntax)?;
    TranslatorBuilder::new()
        .dot_matches_new_line(true)
        .build()
        .translate(translated, &tree)
        .map_err(|error| MatcherError::Syntax(last_line(&error)))
}

/// Finds repetitions that RE2 refuses: of repetitions, and too many.
struct Repeats<'a>(&'a str);

impl ast::Visitor for Repeats<'_> {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), String> {
        let Ast::Repetition(repetition) = tree else { return Ok(()) };
        let cut = |from: usize| self.0.get(from..repetition.op.span.end.offset).unwrap_or_default();
        if let Ast::Repetition(inner) = &*repetition.ast {
            let both = cut(inner.op.span.start.offset);
            return Err(format!("invalid nested repetition operator: `{both}`"));
        }
        let most = match &repetition.op.kind {
            ast::RepetitionKind::Range(
                ast::RepetitionRange::Exactly(most)
                | ast::RepetitionRange::AtLeast(most)
                | ast::RepetitionRange::Bounded(_, most),
            ) => *most,
            _ => 0,
        };
        if most > REPEAT_MAX {
            return Err(format!("invalid repeat count: `{}`", cut(repetition.op.span.start.offset)));
        }
        Ok(())
    }
}

/// What is wrong with an expression, in RE2's words where it has some.
fn describe(text: &str, error: &ast::Error) -> String {
    let place = error.span();
    let cut = |from: usize, to: usize| error.pattern().get(from..to).unwrap_or_default();
    let found = cut(place.start.offset, place.end.offset);
    let (what, shown) = match error.kind() {
        ErrorKind::GroupUnclosed => ("missing closing )", text),
        ErrorKind::GroupUnopened => ("unexpected )", text),
        ErrorKind::ClassUnclosed => ("missing closing ]", cut(place.start.offset, error.pattern().len())),
        ErrorKind::RepetitionMissing => {
            ("missing argument to repetition operator", cut(place.start.offset, place.start.offset + 1))
        }
        ErrorKind::RepetitionCountInvalid => ("invalid repeat count", found),
        ErrorKind::ClassRangeInvalid => ("invalid character class range", found),
        ErrorKind::EscapeUnexpectedEof => ("trailing backslash at end of expression", ""),
        ErrorKind::EscapeUnrecognized | ErrorKind::UnsupportedBackreference => {
            ("invalid escape sequence", found)
        }
        ErrorKind::FlagUnrecognized
        | ErrorKind::FlagUnexpectedEof
        | ErrorKind::FlagDanglingNegation
        | ErrorKind::FlagDuplicate { .. }
        | ErrorKind::FlagRepeatedNegation { .. } => {
            let group = error.pattern().get(..place.start.offset).and_then(|before| before.rfind("(?"));
            ("invalid or unsupported Perl syntax", cut(group.unwrap_or_default(), place.end.offset))
        }
        ErrorKind::GroupNameInvalid | ErrorKind::GroupNameUnexpectedEof => ("invalid named capture", found),
        other => return format!("{other}: `{}`", shortened(text)),
    };
    format!("{what}: `{}`", shortened(shown))
}

fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

/// The line of a many-line message that says what is wrong.
fn last_line(error: &dyn fmt::Display) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// `Some(true)` for `.+`, `Some(false)` for `.*`, greedy or not.
fn dots(hir: &Hir) -> Option<bool> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let any = *repetition.sub == Hir::dot(regex_syntax::hir::Dot::AnyChar);
    match (any, repetition.min, repetition.max) {
        (true, 0, None) => Some(false),
        (true, 1, None) => Some(true),
        _ => None,
    }
}

fn literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(text) => String::from_utf8(text.0.to_vec()).ok(),
        HirKind::Capture(capture) => literal(&capture.sub),
        _ => None,
    }
}

/// A text that every match begins with.
fn prefix(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Literal(_) => literal(hir).unwrap_or_default(),
        HirKind::Capture(capture) => prefix(&capture.sub),
        HirKind::Concat(parts) => parts.first().map(prefix).unwrap_or_default(),
        _ => String::new(),
    }
}

/// All the texts that an expression matches, if they are few.
fn values(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![String::new()]),
        HirKind::Literal(_) => Some(vec![literal(hir)?]),
        HirKind::Capture(capture) => values(&capture.sub),
        HirKind::Class(class) => class_values(class),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(vec![String::new()], |heads, part| join(&heads, &values(part)?))
        }
        HirKind::Alternation(parts) => parts.iter().try_fold(Vec::new(), |mut all, part| {
            all.extend(values(part)?);
            (all.len() <= VALUES_MAX).then_some(all)
        }),
        HirKind::Repetition(optional) if optional.min == 0 && optional.max == Some(1) => {
            let mut all = values(&optional.sub)?;
            all.push(String::new());
            Some(all)
        }
        HirKind::Repetition(_) | HirKind::Look(_) => None,
    }
}

fn class_values(class: &regex_syntax::hir::Class) -> Option<Vec<String>> {
    let regex_syntax::hir::Class::Unicode(class) = class else { return None };
    let mut all = Vec::new();
    for range in class.ranges() {
        if u32::from(range.end()) - u32::from(range.start()) > 64 || all.len() > 64 {
            return None;
        }
        all.extend((range.start()..=range.end()).map(String::from));
    }
    Some(all)
}

fn join(heads: &[String], tails: &[String]) -> Option<Vec<String>> {
    if heads.len().saturating_mul(tails.len()) > VALUES_MAX {
        return None;
    }
    Some(heads.iter().flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}"))).collect())
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    /// As Prometheus prints it: `job=~"a.*"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            f.write_str(&quote(&self.name))?;
        }
        write!(f, "{}{}", self.op, quote(&self.value))
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(op: MatchOp, value: &str) -> Matcher {
        Matcher::new(op, "a", value).unwrap()
    }

    #[test]
    fn matchers_match() {
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let table: [(MatchOp, &str, &[&str], &[&str]); 26] = [
            (Equal, "x", &["x"], &["", "xx", "y"]),
            (Equal, "", &[""], &["x"]),
            (NotEqual, "x", &["", "y"], &["x"]),
            (Regex, "x", &["x"], &["xx", ""]),
            (Regex, "", &[""], &["x"]),
            (Regex, "x|y|zz", &["x", "y", "zz"], &["", "xy", "z"]),
            (Regex, "x|", &["x", ""], &["y"]),
            (Regex, "(foo|bar)(1|2)", &["foo1", "bar2"], &["foo", "foo12"]),
            (Regex, "foo[12]?", &["foo", "foo1"], &["foo3"]),
            (Regex, "foo|foobar|foobaz", &["foo", "foobar", "foobaz"], &["fooba"]),
            (Regex, "(?i)foo", &["foo", "FOO", "fOo"], &["foop"]),
            (Regex, ".*", &["", "x", "a\nb"], &[]),
            (Regex, ".+", &["x", "a\nb"], &[""]),
            (Regex, "foo.*", &["foo", "foobar"], &["xfoo", ""]),
            (Regex, "foo.+", &["foobar"], &["foo"]),
            (Regex, ".*foo", &["foo", "barfoo"], &["foox"]),
            (Regex, ".+foo", &["barfoo"], &["foo"]),
            (Regex, ".*foo.*", &["foo", "xfoox"], &["fo"]),
            (Regex, "foo.*bar", &["foobar", "fooxbar"], &["foo", "bar"]),
            (Regex, "fo+", &["fo", "foo"], &["f", "xfo"]),
            (Regex, "a.c", &["abc", "a\nc", "a\u{e4}c"], &["ac"]),
            (Regex, "[0-9]{3}", &["123"], &["12", "1234"]),
            (Regex, r"\d+", &["12"], &["\u{664}", ""]),
            (Regex, "^foo$", &["foo"], &["xfoo"]),
            (NotRegex, "x|y", &["", "z"], &["x", "y"]),
            (NotRegex, ".+", &[""], &["x"]),
        ];
        for (op, value, wanted, unwanted) in table {
            let (matcher, inverse) = (matcher(op, value), matcher(op, value).inverse());
            for text in wanted {
                assert!(matcher.matches(text) && !inverse.matches(text), "{matcher} {text:?}");
            }
            for text in unwanted {
                assert!(!matcher.matches(text) && inverse.matches(text), "{matcher} {text:?}");
            }
        }
    }

    #[test]
    fn what_a_store_can_look_up_is_known() {
        let table: [(&str, Option<&[&str]>, &str); 8] = [
            ("b|a|c", Some(&["a", "b", "c"]), ""),
            ("foo[12]", Some(&["foo1", "foo2"]), ""),
            ("foo.*", None, "foo"),
            ("foo[0-9]+", None, "foo"),
            (".*", None, ""),
            ("(foo)bar.+x", None, "foo"),
            ("[0-9]+", None, ""),
            ("", Some(&[""]), ""),
        ];
        for (value, values, prefix) in table {
            let matcher = matcher(MatchOp::Regex, value);
            assert_eq!(matcher.values().as_deref(), values, "{value}");
            assert_eq!(matcher.prefix(), prefix, "{value}");
        }
        assert_eq!(matcher(MatchOp::Equal, "x").values(), Some(vec!["x"]));
    }

    #[test]
    fn wrong_expressions_are_explained() {
        let table = [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("[a-z", "missing closing ]: `[a-z`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("[b-a]", "invalid character class range: `b-a`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            (r"\", "trailing backslash at end of expression: ``"),
        ];
        for (value, text) in table {
            let error = Matcher::new(MatchOp::Regex, "a", value).unwrap_err();
            assert_eq!(error.to_string(), format!("error parsing regexp: {text}"), "{value}");
        }
        let long = "a".repeat(PATTERN_MAX_BYTES + 1);
        assert!(matches!(Matcher::new(MatchOp::Regex, "a", long), Err(MatcherError::TooLong(_))));
        let large = r"(\pL{500}){500}";
        assert_eq!(Matcher::new(MatchOp::Regex, "a", large), Err(MatcherError::TooLarge));
    }

    #[test]
    fn matchers_are_printed_as_prometheus_does() {
        assert_eq!(matcher(MatchOp::NotRegex, "x\"y").to_string(), r#"a!~"x\"y""#);
        assert_eq!(Matcher::equal("a.b", "c").to_string(), r#""a.b"="c""#);
    }

    proptest::proptest! {
        /// The cheap forms mean the same as the expression itself.
        #[test]
        fn cheap_forms_agree(value in "[ab.*+?|()\\[\\]]{0,8}", texts in proptest::collection::vec("[ab\n]{0,5}", 8)) {
            let Ok(cheap) = Matcher::new(MatchOp::Regex, "a", value.as_str()) else { return Ok(()) };
            let regex = Regex::new(&format!("^(?s:{})$", pattern::translate(&value))).unwrap();
            for text in texts {
                proptest::prop_assert_eq!(cheap.matches(&text), regex.is_match(&text), "{} {:?}", value, text);
            }
        }

        #[test]
        fn wild_expressions_never_panic(value in "\\PC{0,40}") {
            if let Ok(matcher) = Matcher::new(MatchOp::Regex, "a", value.as_str()) {
                let _unseen = (matcher.matches(&value), matcher.values().map(|values| values.len()), matcher.prefix().len());
            }
        }
    }
}
