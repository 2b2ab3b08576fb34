//! What stands between operators: literals, selectors, calls, aggregations, parentheses.

use super::parser::{Built, Context, Parser};
use super::quoting::unquote_bytes;
use super::token::{Keyword, Kind, Token};
use crate::ast::{Aggregate, AggregateOp, Call, Expr, Number, Paren, Span, Text};
use crate::function::function;

impl Parser<'_> {
    /// An operand without sign and modifiers.
    pub(super) fn bare_operand(&mut self) -> Built {
        let token = self.token;
        match token.kind {
            Kind::Number | Kind::Duration => {
                self.advance();
                Built::leaf(Expr::Number(self.number(token)))
            }
            Kind::String => {
                self.advance();
                Built::leaf(Expr::String(self.text(token)))
            }
            Kind::LeftParen => self.paren(),
            Kind::LeftBrace => Built::leaf(Expr::Vector(self.selector(None))),
            kind if kind.names_metric() => self.word(),
            _ => self.missing(),
        }
    }

    fn text(&self, token: Token) -> Text {
        let span = token.span;
        match String::from_utf8(unquote_bytes(self.lexeme(span))) {
            Ok(value) => Text { value, bytes: None, span },
            Err(error) => {
                let value = String::from_utf8_lossy(error.as_bytes()).into_owned();
                Text { value, bytes: Some(error.into_bytes()), span }
            }
        }
    }

    /// Stands for an operand that is not there. Leaves what may belong to a construct around it.
    fn missing(&mut self) -> Built {
        self.unexpected();
        let span = self.token.span;
        let leave = [Kind::Comma, Kind::RightParen, Kind::RightBracket, Kind::RightBrace, Kind::Eof];
        if !leave.contains(&self.token.kind) {
            self.advance();
        }
        Built::leaf(Expr::Error(span))
    }

    fn paren(&mut self) -> Built {
        let open = self.take().span;
        let inner = self.expression(0);
        self.close_paren();
        let paren = Paren { expr: inner.expr, span: Span::new(open.start, self.last_closing.max(open.end)) };
        self.over(inner.height, Expr::Paren(Box::new(paren)))
    }

    /// The closing parenthesis, or a message and whatever stands before it.
    fn close_paren(&mut self) {
        if self.token.kind != Kind::RightParen {
            self.unexpected();
            self.skip_to(&[Kind::RightParen]);
        }
        // The span of what was closed ends here, whatever is looked at next.
        let end = self.token.span.end;
        self.take_if(Kind::RightParen);
        self.last_closing = end;
    }

    /// A word: a call, an aggregation, or the name of a metric.
    fn word(&mut self) -> Built {
        let name = self.take();
        match (name.kind, self.token.kind) {
            (Kind::Identifier | Kind::Time(_), Kind::LeftParen) => self.call(name),
            (
                Kind::Aggregate(op),
                Kind::LeftParen | Kind::Keyword(Keyword::By) | Kind::Keyword(Keyword::Without),
            ) => self.aggregate(op, name),
            _ => Built::leaf(Expr::Vector(self.selector(Some(name)))),
        }
    }

    fn call(&mut self, name: Token) -> Built {
        let word = self.lexeme(name.span);
        let (args, height) = self.arguments();
        let span = Span::new(name.span.start, self.last_closing);
        let Some(function) = function(word) else {
            let text = format!("unknown function with name {}", hinomi_series::quote(word));
            self.error(name.span, text);
            return Built { expr: Expr::Error(span), height };
        };
        if function.experimental && !self.options.experimental {
            let text = format!("function {} is not enabled", hinomi_series::quote(word));
            self.error(name.span, text);
        }
        self.over(height, Expr::Call(Call { function, args, span }))
    }

    /// Arguments in parentheses, and how many levels the highest of them has.
    fn arguments(&mut self) -> (Vec<Expr>, u32) {
        let (mut args, mut height) = (Vec::new(), 0);
        self.advance();
        if self.token.kind != Kind::RightParen {
            loop {
                let arg = self.expression(0);
                height = height.max(arg.height);
                args.push(arg.expr);
                if !matches!(self.token.kind, Kind::Comma | Kind::RightParen) {
                    self.unexpected();
                    self.skip_to(&[Kind::Comma, Kind::RightParen]);
                }
                let Some(comma) = self.take_if(Kind::Comma) else { break };
                if !self.token.kind.begins_expression() {
                    self.trailing_comma(comma);
                    break;
                }
            }
        }
        self.close_paren();
        (args, height)
    }

    fn trailing_comma(&mut self, comma: Token) {
        self.flush();
        if self.token.kind != Kind::Eof {
            self.error(comma.span, "trailing commas not allowed in function call args");
            if self.token.kind != Kind::RightParen {
                self.skip_to(&[Kind::RightParen]);
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp, name: Token) -> Built {
        let context = Context { of: "aggregation", expected: "" };
        self.within(context, |parser| parser.aggregate_rest(op, name))
    }

    fn aggregate_rest(&mut self, op: AggregateOp, name: Token) -> Built {
        let mut modifier = self.aggregate_modifier();
        if self.token.kind != Kind::LeftParen {
            self.unexpected();
            return Built::leaf(Expr::Error(name.span));
        }
        let (mut args, height) = self.arguments();
        if modifier.is_none() {
            let closing = self.last_closing;
            modifier = self.aggregate_modifier();
            if modifier.is_none() {
                self.last_closing = closing;
            }
            self.flush();
        }
        let (without, grouping) = modifier.unwrap_or_default();
        let span = Span::new(name.span.start, self.last_closing);
        if op.experimental() && !self.options.experimental && !args.is_empty() {
            let text = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            self.error(span, text);
        }
        let expected = if op.has_param() { 2 } else { 1 };
        if args.len() != expected {
            let text = match args.len() {
                0 => "no arguments for aggregate expression provided".to_owned(),
                got => format!(
                    "wrong number of arguments for aggregate expression provided, expected {expected}, got {got}"
                ),
            };
            self.error(span, text);
            args.truncate(expected);
        }
        let expr = args.pop().unwrap_or(Expr::Error(span));
        let aggregate = Aggregate { op, expr, param: args.pop(), grouping, without, span };
        self.over(height, Expr::Aggregate(Box::new(aggregate)))
    }

    /// `by (…)` or `without (…)`; whether it is the latter, and the labels.
    fn aggregate_modifier(&mut self) -> Option<(bool, Vec<String>)> {
        let without = match self.token.kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return None,
        };
        self.advance();
        Some((without, self.labels()))
    }

    /// A number or a duration as a number of seconds.
    pub(super) fn number(&mut self, token: Token) -> Number {
        let lexeme = self.lexeme(token.span);
        let duration = token.kind == Kind::Duration;
        let value = if duration {
            self.duration_seconds(lexeme, token.span)
        } else {
            self.plain_number(lexeme, token.span)
        };
        Number { value, duration, span: token.span }
    }

    fn duration_seconds(&mut self, lexeme: &str, span: Span) -> f64 {
        match hinomi_series::duration::parse_ms(lexeme) {
            #[allow(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
            Ok(ms) => ms as f64 / 1_000.0,
            Err(error) => {
                self.error(span, error.to_string());
                0.0
            }
        }
    }

    fn plain_number(&mut self, lexeme: &str, span: Span) -> f64 {
        if !underscores_separate(lexeme) {
            return self.no_number(lexeme, span, "invalid syntax");
        }
        if let Some(value) = whole_number(lexeme) {
            return value;
        }
        let plain = lexeme.replace('_', "");
        let infinite = plain.trim_start_matches(['+', '-']).eq_ignore_ascii_case("inf");
        match plain.parse::<f64>() {
            Ok(value) if value.is_infinite() && !infinite => {
                self.no_number(lexeme, span, "value out of range")
            }
            Ok(value) => value,
            Err(_) => self.no_number(lexeme, span, "invalid syntax"),
        }
    }

    fn no_number(&mut self, lexeme: &str, span: Span, why: &str) -> f64 {
        let quoted = hinomi_series::quote(lexeme);
        self.error(span, format!("error parsing number: strconv.ParseFloat: parsing {quoted}: {why}"));
        0.0
    }
}

/// Whether each underscore stands before a digit; the lexer has seen to it that none stands before another.
fn underscores_separate(lexeme: &str) -> bool {
    lexeme.split('_').skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_hexdigit()))
}

/// Whole numbers as Go writes them: `0x1F` and, with a leading zero, octal. `None` for all others.
fn whole_number(lexeme: &str) -> Option<f64> {
    let lower = lexeme.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (lower.strip_prefix('0').filter(|rest| !rest.is_empty())?, 8),
    };
    let value = i64::from_str_radix(&digits.replace('_', ""), radix).ok()?;
    #[allow(clippy::cast_precision_loss, reason = "Prometheus rounds too")]
    Some(value as f64)
}
