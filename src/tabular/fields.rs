//! The keys of one JSON object of a declaration, taken one by one; what is left over is reported.

use serde_json::{Map, Value};

use super::decimal::Decimal;
use super::schema::SchemaError;

/// An object, where it stands, and the keys that were asked for.
pub(super) struct Fields<'a> {
    at: String,
    map: &'a Map<String, Value>,
    taken: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The fields of a JSON object.
    pub(super) fn of(value: &'a Value, at: impl Into<String>) -> Result<Self, SchemaError> {
        let at = at.into();
        match value {
            Value::Object(map) => Ok(Self { at, map, taken: Vec::new() }),
            other => Err(SchemaError::new(at, format!("must be a JSON object, not {}", kind(other)))),
        }
    }

    /// Says more precisely where the object stands.
    pub(super) fn rename(&mut self, at: String) {
        self.at = at;
    }

    /// An error in this object.
    pub(super) fn error(&self, reason: impl Into<String>) -> SchemaError {
        SchemaError::new(self.at.clone(), reason)
    }

    /// The value of a key; `null` is as good as absent.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Value> {
        self.taken.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A string.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<&'a str>, SchemaError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(format!("{key} must be a string, not {}", kind(other)))),
        }
    }

    /// A list.
    pub(super) fn list(&mut self, key: &'static str) -> Result<Option<&'a [Value]>, SchemaError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => Err(self.error(format!("{key} must be a list, not {}", kind(other)))),
        }
    }

    /// `true` or `false`, false when absent.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, SchemaError> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.error(format!("{key} must be true or false, not {}", kind(other)))),
        }
    }

    /// A number, kept exactly as its shortest decimal text.
    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<Decimal>, SchemaError> {
        let number = match self.take(key) {
            None => return Ok(None),
            Some(Value::Number(number)) => number,
            Some(other) => {
                return Err(self.error(format!("{key} must be a number without quotes, not {}", kind(other))));
            }
        };
        let exact = match number.as_i64() {
            Some(whole) => Some(Decimal { mantissa: whole, scale: 0 }),
            None => number.as_f64().and_then(Decimal::from_f64),
        };
        exact
            .map(Some)
            .ok_or_else(|| self.error(format!("{key} has more than 18 digits: declare the column in another unit")))
    }

    /// The keys that nobody asked for.
    pub(super) fn left(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().map(String::as_str).filter(|key| !self.taken.contains(key))
    }
}

/// What a JSON value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
