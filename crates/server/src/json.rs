//! Views to JSON in which every point in time is RFC 3339.
//!
//! Inside, and in stored records, a [`Nanos`] is a number: exact, small, sortable. Outside it is text that people and
//! every language's standard library read. The views are the same types on both sides, so the difference lies in the
//! serializer: [`Readable`] wraps a value, passes everything through to the real serializer, and rewrites what says of
//! itself that it is a `Nanos`. It goes by type, not by the names of fields: a new field can't be forgotten.

use std::fmt::Display;

use hinomi_model::Nanos;
use hinomi_words::Language;
use serde::ser::{self, Impossible, Serialize, Serializer};

/// The name under which [`Nanos`] announces itself to a serializer.
const NANOS: &str = "Nanos";

/// A value whose points in time are serialised as RFC 3339, UTC, milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Readable<T>(pub T);

impl<T: Serialize> Serialize for Readable<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Times(serializer))
    }
}

/// The value as JSON with readable times.
///
/// # Errors
///
/// When the value itself can't be serialised: a map whose keys are not texts.
pub fn to_value<T: Serialize>(value: &T) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(Readable(value))
}

/// The value as the API writes it.
///
/// # Errors
///
/// As [`to_value`].
pub(crate) fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Readable(value))
}

/// The value as the API writes it, on one line, its texts for people in a language.
///
/// # Errors
///
/// As [`to_value`].
pub(crate) fn text<T: Serialize>(value: &T, language: Language) -> Result<String, serde_json::Error> {
    if language == Language::En {
        return serde_json::to_string(&Readable(value));
    }
    let mut value = to_value(value)?;
    hinomi_words::translate_json(&mut value, language);
    serde_json::to_string(&value)
}

/// A serializer, or a part of one, behind which times become texts.
struct Times<S>(S);

macro_rules! pass {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> { self.0.$method(value) })+
    };
}

impl<S: Serializer> Serializer for Times<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Times<S::SerializeSeq>;
    type SerializeTuple = Times<S::SerializeTuple>;
    type SerializeTupleStruct = Times<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Times<S::SerializeTupleVariant>;
    type SerializeMap = Times<S::SerializeMap>;
    type SerializeStruct = Times<S::SerializeStruct>;
    type SerializeStructVariant = Times<S::SerializeStructVariant>;

    pass! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_u128: u128, serialize_f32: f32, serialize_f64: f64, serialize_char: char, serialize_str: &str,
        serialize_bytes: &[u8], serialize_unit_struct: &'static str,
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Readable(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        if name == NANOS {
            let nanos = value.serialize(Number).map_err(ser::Error::custom)?;
            return self.0.serialize_str(&Nanos(nanos).rfc3339());
        }
        self.0.serialize_newtype_struct(name, &Readable(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Readable(value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(len).map(Times)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(len).map(Times)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0.serialize_tuple_struct(name, len).map(Times)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0.serialize_tuple_variant(name, index, variant, len).map(Times)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(len).map(Times)
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, len).map(Times)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0.serialize_struct_variant(name, index, variant, len).map(Times)
    }
}

macro_rules! pass_elements {
    ($($part:ident: $method:ident),+ $(,)?) => {
        $(impl<S: ser::$part> ser::$part for Times<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Readable(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })+
    };
}

macro_rules! pass_fields {
    ($($part:ident),+ $(,)?) => {
        $(impl<S: ser::$part> ser::$part for Times<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.0.serialize_field(key, &Readable(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })+
    };
}

pass_elements! {
    SerializeSeq: serialize_element,
    SerializeTuple: serialize_element,
    SerializeTupleStruct: serialize_field,
    SerializeTupleVariant: serialize_field,
}
pass_fields! { SerializeStruct, SerializeStructVariant }

impl<S: ser::SerializeMap> ser::SerializeMap for Times<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Readable(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

/// Takes the number out of a [`Nanos`]; everything else is an error.
struct Number;

#[derive(Debug, thiserror::Error)]
#[error("a point in time is not a number: {0}")]
struct NotANumber(String);

impl ser::Error for NotANumber {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

type Taken = Result<i64, NotANumber>;

fn no<T>(what: &str) -> Result<T, NotANumber> {
    Err(NotANumber(what.to_owned()))
}

macro_rules! refuse {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, _: $type) -> Taken { no(stringify!($type)) })+
    };
}

impl Serializer for Number {
    type Ok = i64;
    type Error = NotANumber;
    type SerializeSeq = Impossible<i64, NotANumber>;
    type SerializeTuple = Impossible<i64, NotANumber>;
    type SerializeTupleStruct = Impossible<i64, NotANumber>;
    type SerializeTupleVariant = Impossible<i64, NotANumber>;
    type SerializeMap = Impossible<i64, NotANumber>;
    type SerializeStruct = Impossible<i64, NotANumber>;
    type SerializeStructVariant = Impossible<i64, NotANumber>;

    fn serialize_i64(self, value: i64) -> Taken {
        Ok(value)
    }

    refuse! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_u8: u8,
        serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f32: f32, serialize_f64: f64,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str,
    }

    fn serialize_none(self) -> Taken {
        no("none")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Taken {
        no("some")
    }
    fn serialize_unit(self) -> Taken {
        no("unit")
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Taken {
        no("variant")
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Taken {
        no("newtype")
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Taken {
        no("variant")
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, NotANumber> {
        no("sequence")
    }
    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, NotANumber> {
        no("tuple")
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, NotANumber> {
        no("tuple")
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, NotANumber> {
        no("variant")
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, NotANumber> {
        no("map")
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, NotANumber> {
        no("struct")
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, NotANumber> {
        no("variant")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::Serialize;
    use serde_json::json;

    use super::*;

    const AT: Nanos = Nanos(1_795_506_249_123_456_789);

    #[derive(Serialize)]
    #[serde(tag = "t", content = "c")]
    enum Tagged {
        Times { from: Nanos, to: Option<Nanos> },
        Plain(i64),
    }

    #[derive(Serialize)]
    struct Inner {
        at: Nanos,
        nanos: i64,
    }

    #[derive(Serialize)]
    struct Everything {
        optional: Option<Nanos>,
        none: Option<Nanos>,
        shared: Arc<Inner>,
        pairs: Vec<(Nanos, String)>,
        by_name: BTreeMap<&'static str, Nanos>,
        tagged: [Tagged; 2],
        value: serde_json::Value,
        #[serde(flatten)]
        flat: Inner,
    }

    #[test]
    fn a_time_is_readable_wherever_it_stands_and_other_numbers_stay() -> Result<(), serde_json::Error> {
        let inner = || Inner { at: AT, nanos: -7 };
        let value = to_value(&Everything {
            optional: Some(AT),
            none: None,
            shared: Arc::new(inner()),
            pairs: vec![(AT, "running".to_owned())],
            by_name: BTreeMap::from([("last", AT)]),
            tagged: [Tagged::Times { from: AT, to: None }, Tagged::Plain(9)],
            value: json!({ "count": -3 }),
            flat: inner(),
        })?;
        let at = "2026-11-24T07:44:09.123Z";
        assert_eq!(
            value,
            json!({
                "optional": at, "none": null, "shared": { "at": at, "nanos": -7 }, "pairs": [[at, "running"]],
                "by_name": { "last": at }, "value": { "count": -3 }, "at": at, "nanos": -7,
                "tagged": [{ "t": "Times", "c": { "from": at, "to": null } }, { "t": "Plain", "c": 9 }],
            })
        );
        Ok(())
    }
}
