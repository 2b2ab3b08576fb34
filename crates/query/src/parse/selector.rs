//! Selectors of series: `name{label="value", …}`.

use hinomi_series::{METRIC_NAME, MatchOp, Matcher};

use super::parser::{Context, Parser};
use super::quoting::unquote;
use super::token::{Kind, Token};
use crate::ast::{BinaryOp, Edges, Shift, Span, VectorSelector};

const fn matching(expected: &'static str) -> Context {
    Context { of: "label matching", expected }
}

impl Parser<'_> {
    /// A selector whose name, if it has one, has been taken.
    pub(super) fn selector(&mut self, name: Option<Token>) -> VectorSelector {
        let mut span = name.map_or(self.token.span, |name| name.span);
        let mut matchers = Vec::new();
        if self.token.kind == Kind::LeftBrace {
            let braces;
            (matchers, braces) = self.braces();
            span = span.to(braces);
        }
        let name = name.map(|name| self.lexeme(name.span).to_owned()).unwrap_or_default();
        if !name.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, name.as_str()));
        }
        VectorSelector { name, matchers, shift: Shift::default(), edges: Edges::default(), span }
    }

    /// Matchers in braces.
    fn braces(&mut self) -> (Vec<Matcher>, Span) {
        let open = self.take().span;
        let mut matchers = Vec::new();
        let mut first = true;
        while self.token.kind != Kind::RightBrace && self.token.kind != Kind::Eof {
            matchers.extend(self.matcher());
            first = false;
            if !matches!(self.token.kind, Kind::Comma | Kind::RightBrace) {
                self.unexpected_in(matching("\",\" or \"}\""));
                self.skip_to(&[Kind::Comma, Kind::RightBrace]);
            }
            if self.take_if(Kind::Comma).is_none() {
                break;
            }
        }
        if first && self.token.kind == Kind::Eof {
            self.unexpected_in(matching("identifier or \"}\""));
        }
        let close = self.token.span;
        self.take_if(Kind::RightBrace);
        (matchers, open.to(close))
    }

    /// One matcher, or the name of a metric in quotes; `None` after saying what is wrong.
    fn matcher(&mut self) -> Option<Matcher> {
        let label = self.token;
        let quoted = match label.kind {
            Kind::Identifier => false,
            Kind::String => true,
            _ => {
                self.unexpected_in(matching("identifier or \"}\""));
                self.skip_to(&[Kind::Comma, Kind::RightBrace]);
                return None;
            }
        };
        self.advance();
        let lexeme = self.lexeme(label.span);
        let name = if quoted { unquote(lexeme) } else { lexeme.to_owned() };
        let Some(op) = match_op(self.token.kind) else {
            if quoted {
                return Some(Matcher::equal(METRIC_NAME, name));
            }
            self.unexpected_in(matching("label matching operator"));
            self.skip_to(&[Kind::Comma, Kind::RightBrace]);
            return None;
        };
        self.advance();
        let value = self.token;
        if value.kind != Kind::String {
            self.unexpected_in(matching("string"));
            self.skip_to(&[Kind::Comma, Kind::RightBrace]);
            return None;
        }
        self.advance();
        match Matcher::new(op, name, unquote(self.lexeme(value.span))) {
            Ok(matcher) => Some(matcher),
            Err(error) => {
                self.error(label.span.to(value.span), error.to_string());
                None
            }
        }
    }
}

const fn match_op(kind: Kind) -> Option<MatchOp> {
    match kind {
        Kind::Equal => Some(MatchOp::Equal),
        Kind::Op(BinaryOp::Ne) => Some(MatchOp::NotEqual),
        Kind::EqualRegex => Some(MatchOp::Regex),
        Kind::NotEqualRegex => Some(MatchOp::NotRegex),
        _ => None,
    }
}
