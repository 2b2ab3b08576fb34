//! What a message says about a token that is out of place.

use hinomi_series::quote;

use super::token::{Kind, Token};

/// A token as messages describe it: `identifier "foo"`, `<op:+>`, `end of input`.
pub(super) fn describe(token: Token, text: &str) -> String {
    let lexeme = text.get(token.span.start as usize..token.span.end as usize).unwrap_or_default();
    match token.kind {
        Kind::Eof => "end of input".to_owned(),
        Kind::Error => "error".to_owned(),
        Kind::Identifier => format!("identifier {}", quote(lexeme)),
        Kind::MetricIdentifier => format!("metric identifier {}", quote(lexeme)),
        Kind::Number => format!("number {}", shortened(lexeme)),
        Kind::Duration => format!("duration {}", shortened(lexeme)),
        Kind::String => format!("string {}", shortened(lexeme)),
        Kind::Keyword(_) => format!("<{lexeme}>"),
        Kind::Op(_) | Kind::At | Kind::EqualRegex | Kind::NotEqualRegex => format!("<op:{lexeme}>"),
        Kind::Aggregate(_) => format!("<aggr:{lexeme}>"),
        Kind::LeftParen
        | Kind::RightParen
        | Kind::LeftBrace
        | Kind::RightBrace
        | Kind::LeftBracket
        | Kind::RightBracket
        | Kind::Comma
        | Kind::Colon
        | Kind::Equal
        | Kind::Time(_) => quote(lexeme),
    }
}

/// A lexeme in quotes, cut off behind ten characters if it has more than ten bytes.
fn shortened(lexeme: &str) -> String {
    if lexeme.len() <= 10 {
        return quote(lexeme);
    }
    format!("{}...", quote(&lexeme.chars().take(10).collect::<String>()))
}
