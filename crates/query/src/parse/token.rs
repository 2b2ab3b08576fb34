//! The tokens of PromQL.

use crate::ast::{AggregateOp, BinaryOp, Span};

/// Words that have a meaning in some places and are names in others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    Anchored,
    Bool,
    By,
    Fill,
    FillLeft,
    FillRight,
    GroupLeft,
    GroupRight,
    Ignoring,
    Offset,
    On,
    Smoothed,
    Without,
}

/// Words that stand for a time or a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeWord {
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Eof,
    /// The text goes wrong here; what is wrong stands beside.
    Error,
    Identifier,
    /// A name with a colon.
    MetricIdentifier,
    Number,
    Duration,
    String,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Equal,
    EqualRegex,
    NotEqualRegex,
    At,
    Op(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
    Time(TimeWord),
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// Every word that is more than a name, with what it is.
const WORDS: [(&str, Kind); 39] = [
    ("and", Kind::Op(BinaryOp::And)),
    ("or", Kind::Op(BinaryOp::Or)),
    ("unless", Kind::Op(BinaryOp::Unless)),
    ("atan2", Kind::Op(BinaryOp::Atan2)),
    ("avg", Kind::Aggregate(AggregateOp::Avg)),
    ("bottomk", Kind::Aggregate(AggregateOp::Bottomk)),
    ("count", Kind::Aggregate(AggregateOp::Count)),
    ("count_values", Kind::Aggregate(AggregateOp::CountValues)),
    ("group", Kind::Aggregate(AggregateOp::Group)),
    ("limit_ratio", Kind::Aggregate(AggregateOp::LimitRatio)),
    ("limitk", Kind::Aggregate(AggregateOp::Limitk)),
    ("max", Kind::Aggregate(AggregateOp::Max)),
    ("min", Kind::Aggregate(AggregateOp::Min)),
    ("quantile", Kind::Aggregate(AggregateOp::Quantile)),
    ("stddev", Kind::Aggregate(AggregateOp::Stddev)),
    ("stdvar", Kind::Aggregate(AggregateOp::Stdvar)),
    ("sum", Kind::Aggregate(AggregateOp::Sum)),
    ("topk", Kind::Aggregate(AggregateOp::Topk)),
    ("anchored", Kind::Keyword(Keyword::Anchored)),
    ("bool", Kind::Keyword(Keyword::Bool)),
    ("by", Kind::Keyword(Keyword::By)),
    ("fill", Kind::Keyword(Keyword::Fill)),
    ("fill_left", Kind::Keyword(Keyword::FillLeft)),
    ("fill_right", Kind::Keyword(Keyword::FillRight)),
    ("group_left", Kind::Keyword(Keyword::GroupLeft)),
    ("group_right", Kind::Keyword(Keyword::GroupRight)),
    ("ignoring", Kind::Keyword(Keyword::Ignoring)),
    ("offset", Kind::Keyword(Keyword::Offset)),
    ("on", Kind::Keyword(Keyword::On)),
    ("smoothed", Kind::Keyword(Keyword::Smoothed)),
    ("without", Kind::Keyword(Keyword::Without)),
    ("start", Kind::Time(TimeWord::Start)),
    ("end", Kind::Time(TimeWord::End)),
    ("step", Kind::Time(TimeWord::Step)),
    ("range", Kind::Time(TimeWord::Range)),
    ("max_of", Kind::Time(TimeWord::MaxOf)),
    ("min_of", Kind::Time(TimeWord::MinOf)),
    ("inf", Kind::Number),
    ("nan", Kind::Number),
];

/// What a word is if it is more than a name; upper and lower case are the same.
pub(super) fn word(text: &str) -> Option<Kind> {
    WORDS.iter().find(|known| known.0.eq_ignore_ascii_case(text)).map(|known| known.1)
}

/// The words that the language gives a meaning to, for completion.
pub fn keywords() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|known| known.0)
}

impl Kind {
    /// Whether a token of this kind may stand as the name of a metric.
    pub(super) const fn names_metric(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) | Self::Time(_) => true,
            Self::Op(op) => op.is_set(),
            Self::Keyword(word) => !matches!(
                word,
                Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
            ),
            _ => false,
        }
    }

    /// Whether a token of this kind may stand as a label in `by (…)` and the like.
    pub(super) const fn names_label(self) -> bool {
        match self {
            Self::Identifier | Self::MetricIdentifier | Self::Aggregate(_) | Self::Time(_) => true,
            Self::Op(op) => op.is_set() || matches!(op, BinaryOp::Atan2),
            Self::Keyword(word) => !matches!(word, Keyword::Without),
            _ => false,
        }
    }

    /// Whether an expression may begin with it.
    pub(super) const fn begins_expression(self) -> bool {
        match self {
            Self::Number | Self::Duration | Self::String | Self::LeftParen | Self::LeftBrace => true,
            Self::Op(BinaryOp::Add | BinaryOp::Sub) => true,
            other => other.names_metric(),
        }
    }
}
