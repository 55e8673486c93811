//! Strictness and plain words for JSON bodies.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, IntoDeserializer, MapAccess, Visitor};

/// A value that is written as an object; serde alone would take a list of its members too.
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// For members that are objects: `#[serde(deserialize_with = "object")]`.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// For members that are objects and may be left out or null:
/// `#[serde(default, deserialize_with = "optional_object")]`.
pub(super) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(value)| value))
}

/// For members that are one of a few words. Without it a number in such a place is reported as a
/// fault of the syntax.
pub(super) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text: StringDeserializer<D::Error> = String::deserialize(deserializer)?.into_deserializer();
    T::deserialize(text)
}

/// As [`word`], for members that need not be given: `#[serde(default, deserialize_with = "given_word")]`.
pub(super) fn given_word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let text: StringDeserializer<D::Error> = text.into_deserializer();
    T::deserialize(text).map(Some)
}

/// For members of later versions, which may be given as null:
/// `#[serde(default, deserialize_with = "unset")]`.
pub(super) fn unset<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Option::<IgnoredAny>::deserialize(deserializer)? {
        None => Ok(()),
        Some(_) => Err(D::Error::custom("not available in this version: leave it out")),
    }
}

/// Keeps members of later versions out of what is stored and shown.
pub(super) fn unsaid<T>(_: &T) -> bool {
    true
}

/// Takes out of a message what was sent in place of what was expected: rows that went to the wrong place would be told.
fn without_value(message: &str) -> String {
    let faults = ["invalid type: ", "invalid value: "];
    let parts = faults.iter().find_map(|fault| {
        let (head, tail) = message.split_once(fault)?;
        let (found, expected) = tail.rsplit_once(", expected ")?;
        Some((head, fault, found.split(['"', '`']).next()?.trim_end(), expected))
    });
    parts.map_or_else(
        || message.to_owned(),
        |(head, fault, kind, expected)| format!("{head}{fault}{kind}, expected {expected}"),
    )
}

/// A message of serde without the names of Rust's types, and with a hint where a word of the
/// documentation may be meant for another version.
pub(super) fn plain_words(message: &str) -> String {
    let message = without_value(message)
        .replace("expected f64", "expected a number")
        .replace("expected f32", "expected a number")
        .replace("expected u64", "expected a whole number, 0 or more")
        .replace("expected u32", "expected a whole number, 0 or more");
    let Some((head, tail)) = message.split_once("unknown variant `") else { return message };
    let Some((word, choice)) = tail.split_once("`, expected ") else { return message };
    let choice = choice.strip_prefix("one of ").unwrap_or(choice);
    format!("{head}`{word}` is not available in this version, which knows {choice}")
}
