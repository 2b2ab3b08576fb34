//! Cuts a text into tokens, one at a time.

use super::quoting::{quote_char, unicode_name};
use super::token::{Kind, TimeWord, Token, word};
use crate::ast::{BinaryOp, Span};

/// Where in the grammar the lexer is: it decides what characters mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Statement,
    Braces,
    /// Right behind `[` and until a number has come.
    Duration,
}

/// Cuts a text into tokens.
pub(super) struct Lexer<'a> {
    text: &'a str,
    start: usize,
    at: usize,
    mode: Mode,
    open_parens: i32,
    in_brackets: bool,
    got_colon: bool,
    got_duration: bool,
    failed: bool,
    /// What is wrong, once it is.
    problem: String,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            start: 0,
            at: 0,
            mode: Mode::Statement,
            open_parens: 0,
            in_brackets: false,
            got_colon: false,
            got_duration: false,
            failed: false,
            problem: String::new(),
        }
    }

    /// What the error token is about.
    pub(super) fn problem(&self) -> &str {
        &self.problem
    }

    /// The next token; comments are left out. Behind an error there is nothing but the end.
    pub(super) fn next_token(&mut self) -> Token {
        self.skip_blank();
        if self.failed {
            return self.token(Kind::Eof);
        }
        let kind = match self.mode {
            Mode::Statement => self.statement(),
            Mode::Braces => self.braces(),
            Mode::Duration => self.duration(),
        };
        match kind {
            Ok(kind) => self.token(kind),
            Err(problem) => {
                self.failed = true;
                self.problem = problem;
                self.at = self.text.len();
                self.token(Kind::Error)
            }
        }
    }

    fn token(&self, kind: Kind) -> Token {
        Token { kind, span: span(self.start, self.at) }
    }

    fn skip_blank(&mut self) {
        loop {
            self.eat_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            // Within brackets a comment is a character out of place, as for Prometheus.
            if self.mode == Mode::Duration || self.peek() != Some('#') {
                break;
            }
            self.eat_while(|c| !matches!(c, '\n' | '\r'));
        }
        self.start = self.at;
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn eat(&mut self, wanted: impl Fn(char) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        if found {
            self.next();
        }
        found
    }

    fn eat_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.eat(&wanted) {}
    }

    fn lexeme(&self) -> &'a str {
        self.text.get(self.start..self.at).unwrap_or_default()
    }

    fn statement(&mut self) -> Result<Kind, String> {
        let Some(c) = self.next() else {
            return match (self.open_parens, self.in_brackets) {
                (0, false) => Ok(Kind::Eof),
                (0, true) => Err("unclosed left bracket".to_owned()),
                _ => Err("unclosed left parenthesis".to_owned()),
            };
        };
        match c {
            ',' => Ok(Kind::Comma),
            '@' => Ok(Kind::At),
            '=' => match self.peek() {
                Some('~') => Err("unexpected character after '=': '~'".to_owned()),
                _ => Ok(if self.eat(|c| c == '=') { Kind::Op(BinaryOp::Eq) } else { Kind::Equal }),
            },
            '!' => match self.next() {
                Some('=') => Ok(Kind::Op(BinaryOp::Ne)),
                other => Err(format!("unexpected character after '!': {}", quote_char(other))),
            },
            '<' => Ok(self.after_less(BinaryOp::Lt, BinaryOp::Le, BinaryOp::TrimUpper)),
            '>' => Ok(self.after_less(BinaryOp::Gt, BinaryOp::Ge, BinaryOp::TrimLower)),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            '{' => {
                self.mode = Mode::Braces;
                Ok(Kind::LeftBrace)
            }
            '[' => self.left_bracket(),
            ']' if !self.in_brackets => Err("unexpected right bracket ']'".to_owned()),
            ']' => {
                self.in_brackets = false;
                Ok(Kind::RightBracket)
            }
            c if begins_number(c, self.peek()) => self.number_or_duration(c),
            c if is_name_start(c) || c == ':' => self.name(c),
            c => self
                .shared(c)
                .unwrap_or_else(|| Err(format!("unexpected character: {}", quote_char(Some(c))))),
        }
    }

    /// What means the same in expressions and in durations.
    fn shared(&mut self, c: char) -> Option<Result<Kind, String>> {
        let kind = match c {
            '+' => Kind::Op(BinaryOp::Add),
            '-' => Kind::Op(BinaryOp::Sub),
            '*' => Kind::Op(BinaryOp::Mul),
            '/' => Kind::Op(BinaryOp::Div),
            '%' => Kind::Op(BinaryOp::Mod),
            '^' => Kind::Op(BinaryOp::Pow),
            '(' => {
                self.open_parens += 1;
                Kind::LeftParen
            }
            ')' => {
                self.open_parens -= 1;
                if self.open_parens < 0 {
                    self.start = self.at;
                    return Some(Err("unexpected right parenthesis ')'".to_owned()));
                }
                Kind::RightParen
            }
            _ => return None,
        };
        Some(Ok(kind))
    }

    fn after_less(&mut self, bare: BinaryOp, or_equal: BinaryOp, trim: BinaryOp) -> Kind {
        if self.eat(|c| c == '=') {
            Kind::Op(or_equal)
        } else if self.eat(|c| c == '/') {
            Kind::Op(trim)
        } else {
            Kind::Op(bare)
        }
    }

    fn left_bracket(&mut self) -> Result<Kind, String> {
        if self.in_brackets {
            return Err("unexpected left bracket '['".to_owned());
        }
        self.in_brackets = true;
        self.got_colon = false;
        self.got_duration = false;
        self.mode = Mode::Duration;
        Ok(Kind::LeftBracket)
    }

    /// A word, or within brackets a colon or a word of durations.
    fn name(&mut self, first: char) -> Result<Kind, String> {
        if !self.in_brackets {
            self.eat_while(|c| is_name(c) || c == ':');
            return Ok(self.word());
        }
        if first == ':' {
            self.start = self.at - 1;
            if self.got_colon {
                return Err("unexpected colon ':'".to_owned());
            }
            self.got_colon = true;
            return Ok(Kind::Colon);
        }
        let fail = || format!("unexpected character: {}, expected ':'", quote_char(Some(first)));
        self.duration_word().ok_or_else(fail)
    }

    fn word(&self) -> Kind {
        let lexeme = self.lexeme();
        match word(lexeme) {
            Some(Kind::Keyword(keyword)) if super::parser::is_fill(keyword) && !self.before_paren() => {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if lexeme.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        }
    }

    fn before_paren(&self) -> bool {
        self.rest().trim_start_matches([' ', '\t', '\n', '\r']).starts_with('(')
    }

    fn duration_word(&mut self) -> Option<Kind> {
        let letter = |c: char| c == '_' || c.is_ascii_alphabetic();
        self.eat_while(letter);
        match word(self.lexeme()) {
            Some(Kind::Time(TimeWord::Start | TimeWord::End)) | None => None,
            Some(kind @ Kind::Time(_)) => Some(kind),
            Some(_) => None,
        }
    }

    fn braces(&mut self) -> Result<Kind, String> {
        let Some(c) = self.next() else { return Err("unexpected end of input inside braces".to_owned()) };
        match c {
            ',' => Ok(Kind::Comma),
            '"' | '\'' => self.string(c),
            '`' => self.raw_string(),
            '=' => Ok(if self.eat(|c| c == '~') { Kind::EqualRegex } else { Kind::Equal }),
            '!' => match self.next() {
                Some('~') => Ok(Kind::NotEqualRegex),
                Some('=') => Ok(Kind::Op(BinaryOp::Ne)),
                other => Err(format!("unexpected character after '!' inside braces: {}", quote_char(other))),
            },
            '{' => Err("unexpected left brace '{'".to_owned()),
            '}' => {
                self.mode = Mode::Statement;
                Ok(Kind::RightBrace)
            }
            c if is_name_start(c) => {
                self.eat_while(is_name);
                Ok(Kind::Identifier)
            }
            c => Err(format!("unexpected character inside braces: {}", quote_char(Some(c)))),
        }
    }

    fn duration(&mut self) -> Result<Kind, String> {
        let Some(c) = self.next() else {
            return Err("unexpected end of input in duration expression".to_owned());
        };
        match c {
            ']' => {
                self.in_brackets = false;
                self.got_colon = false;
                self.mode = Mode::Statement;
                Ok(Kind::RightBracket)
            }
            ':' => self.duration_colon(),
            ',' => Ok(Kind::Comma),
            'a'..='z' | 'A'..='Z' if matches!(c.to_ascii_lowercase(), 's' | 'r' | 'm') => {
                self.got_duration = true;
                self.duration_word().ok_or_else(|| {
                    format!("unexpected character in duration expression: {}", quote_char(Some(c)))
                })
            }
            c if begins_number(c, self.peek()) => {
                self.got_duration = true;
                self.mode = Mode::Statement;
                self.number_or_duration(c)
            }
            c => self.shared(c).unwrap_or_else(|| {
                Err(format!("unexpected character in duration expression: {}", quote_char(Some(c))))
            }),
        }
    }

    fn duration_colon(&mut self) -> Result<Kind, String> {
        let problem = match (self.got_duration, self.got_colon) {
            (true, false) => {
                self.got_colon = true;
                return Ok(Kind::Colon);
            }
            (false, _) => "unexpected colon before duration in duration expression",
            (true, true) => "unexpected repeated colon in duration expression",
        };
        self.start = self.at;
        Err(problem.to_owned())
    }

    /// A number or a duration whose first character has been read.
    fn number_or_duration(&mut self, first: char) -> Result<Kind, String> {
        self.at -= first.len_utf8();
        if self.scan_number() {
            return Ok(Kind::Number);
        }
        if self.scan_duration() {
            return Ok(Kind::Duration);
        }
        Err(format!("bad number or duration syntax: {}", hinomi_series::quote(self.lexeme())))
    }

    /// Reads a number as far as it goes. Not everything that it takes is one: that is found out when it is parsed.
    fn scan_number(&mut self) -> bool {
        let mut hex = false;
        if self.eat(|c| c == '0') && self.eat(|c| matches!(c, 'x' | 'X')) {
            self.eat(|c| c == '_');
            hex = true;
        }
        let digit = move |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
        self.eat(|c| c == '.');
        self.eat(digit);
        let (mut dot, mut exponent) = (false, false);
        while let Some(c) = self.peek().filter(|c| digit(*c) || matches!(c, '.' | '_' | 'e' | 'E')) {
            let fits = match c {
                '.' => self.scan_dot(&mut dot, hex),
                // In a hexadecimal number too, unless digits come before it: as Prometheus reads it.
                'e' | 'E' => self.scan_exponent(&mut exponent),
                '_' => {
                    self.next();
                    !self.eat(|c| matches!(c, '.' | '_' | 'e' | 'E')) && self.peek().is_some()
                }
                _ => {
                    self.eat_while(digit);
                    true
                }
            };
            if !fits {
                return false;
            }
        }
        self.at > self.start && !self.peek().is_some_and(is_name)
    }

    fn scan_dot(&mut self, seen: &mut bool, hex: bool) -> bool {
        self.next();
        let first = !*seen;
        *seen = true;
        first && !self.eat(|c| matches!(c, '.' | '_')) && !hex
    }

    fn scan_exponent(&mut self, seen: &mut bool) -> bool {
        self.next();
        if *seen {
            return false;
        }
        *seen = true;
        self.eat(|c| matches!(c, '+' | '-'));
        !self.eat(|c| matches!(c, '.' | '_' | 'e' | 'E')) && self.peek().is_some()
    }

    /// Reads on behind the number of a duration's first part.
    fn scan_duration(&mut self) -> bool {
        let digit = |c: char| c.is_ascii_digit();
        let mut units = "smhdwy";
        loop {
            if !self.eat(|c| units.contains(c)) {
                return false;
            }
            // `ms`; what is no unit is found out when it is parsed.
            self.eat(|c| c == 's');
            if !self.eat(digit) {
                break;
            }
            self.eat_while(digit);
            units = "smhdw";
        }
        if self.peek().is_some_and(is_name) {
            self.next();
            return false;
        }
        true
    }

    fn string(&mut self, quote: char) -> Result<Kind, String> {
        loop {
            match self.next() {
                Some('\\') => self.escape(quote)?,
                Some('\u{fffd}') => return Err("invalid UTF-8 rune".to_owned()),
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == quote => return Ok(Kind::String),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Result<Kind, String> {
        loop {
            match self.next() {
                Some('\u{fffd}') => return Err("invalid UTF-8 rune".to_owned()),
                None => return Err("unterminated raw string".to_owned()),
                Some('`') => return Ok(Kind::String),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<(), String> {
        let unterminated = || "escape sequence not terminated".to_owned();
        let c = self.next().ok_or_else(unterminated)?;
        let (digits, radix, max) = match c {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            c if c == quote => return Ok(()),
            '0'..='7' => {
                self.at -= 1;
                (3, 8, 255)
            }
            'x' => (2, 16, 255),
            'u' => (4, 16, 0x10_ffff),
            'U' => (8, 16, 0x10_ffff),
            c => return Err(format!("unknown escape sequence {}", unicode_name(c))),
        };
        let mut value = 0_u32;
        for _ in 0..digits {
            let c = self.next().ok_or_else(unterminated)?;
            let digit = c
                .to_digit(radix)
                .ok_or_else(|| format!("illegal character {} in escape sequence", unicode_name(c)))?;
            value = value.wrapping_mul(radix).wrapping_add(digit);
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }
}

/// A span; texts are far shorter than 4 GiB.
pub(super) fn span(start: usize, end: usize) -> Span {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span::new(place(start), place(end))
}

fn begins_number(c: char, next: Option<char>) -> bool {
    c.is_ascii_digit() || (c == '.' && next.is_some_and(|next| next.is_ascii_digit()))
}

const fn is_name_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

const fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}
