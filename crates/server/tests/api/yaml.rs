//! YAML to JSON for the OpenAPI document: maps, lists and plain scalars are all that it uses.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// The first document of a text.
pub(crate) fn to_json(text: &str) -> Value {
    let mut parser = Parser::new_from_str(text);
    loop {
        match next(&mut parser) {
            Event::DocumentStart(_) => {
                let first = next(&mut parser);
                return node(&mut parser, first);
            }
            Event::StreamEnd => return Value::Null,
            _ => {}
        }
    }
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Event<'a> {
    parser.next_event().expect("the stream has an end").expect("the document is valid YAML").0
}

fn node<'a>(parser: &mut Parser<'a, StrInput<'a>>, event: Event<'a>) -> Value {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
        Event::Scalar(text, ..) => Value::String(text.into_owned()),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser) {
                    Event::SequenceEnd => return Value::Array(items),
                    event => items.push(node(parser, event)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut fields = Map::new();
            loop {
                let key = match next(parser) {
                    Event::MappingEnd => return Value::Object(fields),
                    Event::Scalar(text, ..) => text.into_owned(),
                    event => panic!("a key is no word: {event:?}"),
                };
                let event = next(parser);
                let value = node(parser, event);
                assert!(fields.insert(key.clone(), value).is_none(), "the key {key} stands there twice");
            }
        }
        event => panic!("not used in this document: {event:?}"),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => text.parse::<i64>().map_or_else(|_| Value::String(text.to_owned()), Value::from),
    }
}
