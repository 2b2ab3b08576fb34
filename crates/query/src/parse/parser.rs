//! The parser: binary operators by precedence, everything else by descent.
//!
//! Where something is out of place the message names what the innermost unfinished construct expected ([`Context`]),
//! which is what Prometheus' generated parser says too. Then the parser skips to where it can go on.

use super::lexer::Lexer;
use super::message::describe;
use super::token::{Keyword, Kind, Token};
use super::{DEPTH_MAX, ERRORS_MAX, Options, ParseError};
use crate::ast::{Binary, BinaryOp, Expr, Matching, Span, Unary, VectorSelector};

/// What is being parsed and what may come next, for messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context {
    pub(super) of: &'static str,
    pub(super) expected: &'static str,
}

/// An expression with the number of its levels.
pub(super) struct Built {
    pub(super) expr: Expr,
    pub(super) height: u32,
}

impl Built {
    pub(super) const fn leaf(expr: Expr) -> Self {
        Self { expr, height: 1 }
    }
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) options: Options,
    lexer: Lexer<'a>,
    /// The token that is looked at.
    pub(super) token: Token,
    /// End of the last token that can end an expression; spans end there.
    pub(super) last_closing: u32,
    errors: Vec<ParseError>,
    /// How many calls deep expressions are nested within each other.
    depth: u32,
    /// Nothing more is read: too many errors, too many levels, or text that has no tokens.
    stopped: bool,
    context: Context,
}

/// How tightly signs bind: as tightly as `*`, so that only `^` binds tighter.
const SIGN: u8 = 6;

/// How tightly an operator binds.
const fn precedence(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And | BinaryOp::Unless => 2,
        BinaryOp::Eq
        | BinaryOp::Ne
        | BinaryOp::Gt
        | BinaryOp::Lt
        | BinaryOp::Ge
        | BinaryOp::Le
        | BinaryOp::TrimUpper
        | BinaryOp::TrimLower => 3,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Mod | BinaryOp::Atan2 => 5,
        BinaryOp::Pow => 6,
    }
}

pub(super) const fn is_fill(word: Keyword) -> bool {
    matches!(word, Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, options: Options) -> Self {
        let mut parser = Self {
            text,
            options,
            lexer: Lexer::new(text),
            token: Token { kind: Kind::Eof, span: Span::default() },
            last_closing: 0,
            errors: Vec::new(),
            depth: 0,
            stopped: false,
            context: Context::default(),
        };
        parser.advance();
        parser
    }

    pub(super) fn into_errors(mut self) -> Vec<ParseError> {
        self.flush();
        self.errors
    }

    /// An expression and then the end of the text.
    pub(super) fn whole(&mut self) -> Expr {
        if self.token.kind == Kind::Eof && self.errors.is_empty() {
            self.error(Span::default(), "no expression found in input");
            return Expr::Error(Span::default());
        }
        let expr = self.expression(0).expr;
        while self.token.kind != Kind::Eof {
            // Something stands behind the expression. Say so, and look for more that is wrong in it.
            self.unexpected();
            if !self.token.kind.begins_expression() {
                self.advance();
            }
            if self.token.kind.begins_expression() {
                self.expression(0);
            }
        }
        expr
    }

    /// A selector without `offset` and the like, and then the end of the text.
    pub(super) fn whole_selector(&mut self) -> VectorSelector {
        let selector = match self.token.kind {
            Kind::LeftBrace => self.selector(None),
            kind if kind.names_metric() => {
                let name = self.take();
                self.selector(Some(name))
            }
            _ => VectorSelector {
                name: String::new(),
                matchers: Vec::new(),
                shift: crate::ast::Shift::default(),
                edges: crate::ast::Edges::default(),
                span: self.token.span,
            },
        };
        if self.token.kind != Kind::Eof || selector.span == self.token.span {
            self.unexpected();
        }
        selector
    }

    /// Reports text that has no tokens, once it is the parser's turn: what was found before it comes first.
    pub(super) fn flush(&mut self) {
        if self.token.kind == Kind::Error && !self.stopped {
            let (span, problem) = (self.token.span, self.lexer.problem().to_owned());
            self.error(span, problem);
            self.stop();
        }
    }

    /// Looks at the next token.
    pub(super) fn advance(&mut self) {
        self.flush();
        if self.stopped {
            self.token = self.end();
            return;
        }
        self.token = self.lexer.next_token();
        if matches!(
            self.token.kind,
            Kind::RightBrace | Kind::RightParen | Kind::RightBracket | Kind::Duration | Kind::Number
        ) {
            self.last_closing = self.token.span.end;
        }
    }

    fn end(&self) -> Token {
        let end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        Token { kind: Kind::Eof, span: Span::new(end, end) }
    }

    fn stop(&mut self) {
        self.stopped = true;
        self.token = self.end();
    }

    /// The token that is looked at; looks at the next.
    pub(super) fn take(&mut self) -> Token {
        let token = self.token;
        self.advance();
        token
    }

    /// Takes a token if it is of a kind.
    pub(super) fn take_if(&mut self, kind: Kind) -> Option<Token> {
        (self.token.kind == kind).then(|| self.take())
    }

    pub(super) fn lexeme(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub(super) fn error(&mut self, span: Span, text: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(ParseError { span, text: text.into() });
        }
        if self.errors.len() >= ERRORS_MAX && !self.stopped {
            self.stop();
        }
    }

    /// Says that the token that is looked at is out of place. Behind a stop nothing is said: the reason was.
    pub(super) fn unexpected(&mut self) {
        self.unexpected_in(self.context);
    }

    pub(super) fn unexpected_in(&mut self, context: Context) {
        self.flush();
        if self.stopped {
            return;
        }
        let mut text = format!("unexpected {}", describe(self.token, self.text));
        if !context.of.is_empty() {
            text.push_str(" in ");
            text.push_str(context.of);
        }
        if !context.expected.is_empty() {
            text.push_str(", expected ");
            text.push_str(context.expected);
        }
        self.error(self.token.span, text);
    }

    /// Parses something as part of a construct.
    pub(super) fn within<T>(&mut self, context: Context, parse: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.context, context);
        let result = parse(self);
        self.context = outer;
        result
    }

    /// Skips what stands before a token of one of these kinds, constructs in brackets as a whole.
    pub(super) fn skip_to(&mut self, wanted: &[Kind]) {
        let mut open = 0_u32;
        while self.token.kind != Kind::Eof && !(open == 0 && wanted.contains(&self.token.kind)) {
            match self.token.kind {
                Kind::LeftParen | Kind::LeftBrace | Kind::LeftBracket => open += 1,
                Kind::RightParen | Kind::RightBrace | Kind::RightBracket if open == 0 => return,
                Kind::RightParen | Kind::RightBrace | Kind::RightBracket => open -= 1,
                _ => {}
            }
            self.advance();
        }
    }

    /// An expression of operators that bind at least so tightly.
    pub(super) fn expression(&mut self, least: u8) -> Built {
        if !self.descend() {
            return Built::leaf(Expr::Error(self.token.span));
        }
        let mut left = self.operand();
        while let Kind::Op(op) = self.token.kind {
            let binds = precedence(op);
            if binds < least {
                break;
            }
            self.advance();
            let (return_bool, matching) = self.binary_modifiers();
            // `^` groups from the right, all others from the left.
            let right = self.expression(if op == BinaryOp::Pow { binds } else { binds + 1 });
            left = self.binary(op, left, right, return_bool, matching);
        }
        self.depth -= 1;
        left
    }

    fn binary(
        &mut self,
        op: BinaryOp,
        left: Built,
        right: Built,
        return_bool: bool,
        matching: Matching,
    ) -> Built {
        let span = left.expr.span().to(right.expr.span());
        let fills = matching.fill_left.is_some() || matching.fill_right.is_some();
        if fills && !self.options.experimental {
            self.error(span, "binop fill modifiers are experimental and not enabled");
        }
        let height = left.height.max(right.height);
        let (left, right) = (left.expr, right.expr);
        let binary = Binary { op, left, right, matching: Some(matching), return_bool, span };
        self.over(height, Expr::Binary(Box::new(binary)))
    }

    /// One level more than what it is built of.
    pub(super) fn over(&mut self, height: u32, expr: Expr) -> Built {
        let built = Built { expr, height: height + 1 };
        if built.height > DEPTH_MAX {
            self.too_deep(built.expr.span());
        }
        built
    }

    /// Goes one call deeper; whoever was allowed to counts back.
    fn descend(&mut self) -> bool {
        if self.depth >= DEPTH_MAX {
            self.too_deep(self.token.span);
            return false;
        }
        self.depth += 1;
        true
    }

    fn too_deep(&mut self, span: Span) {
        if !self.stopped {
            let text = format!("expression has more than {DEPTH_MAX} levels: take it apart");
            self.error(span, text);
            self.stop();
        }
    }

    /// What stands left or right of an operator, with sign and modifiers.
    fn operand(&mut self) -> Built {
        let Kind::Op(sign @ (BinaryOp::Add | BinaryOp::Sub)) = self.token.kind else {
            let bare = self.bare_operand();
            return self.modifiers(bare);
        };
        let start = self.take().span.start;
        let minus = sign == BinaryOp::Sub;
        let inner = self.expression(SIGN);
        match inner.expr {
            // A sign before a number belongs to the number.
            Expr::Number(mut number) => {
                if minus {
                    number.value = -number.value;
                }
                number.span.start = start;
                Built { expr: Expr::Number(number), height: inner.height }
            }
            expr => {
                let span = Span::new(start, expr.span().end);
                self.over(inner.height, Expr::Unary(Box::new(Unary { minus, expr, span })))
            }
        }
    }
}
