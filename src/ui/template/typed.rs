//! What Go's templates tell apart and JSON does not: times, and lists, maps and pointers that are
//! nil. In the data of a template each is an object with one key that no field has.

use super::eval::kind;
use crate::container::time::GoTime;
use serde_json::{Map, Value};

const TIME: &str = "\0time";
const NIL: &str = "\0nil";

/// What a nil was to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nil {
    /// Prints as `[]`.
    List,
    /// Prints as `map[]`.
    Map,
    /// Prints as `<nil>`.
    Pointer,
}

/// A time for templates, of its text (RFC 3339); JSON has the text.
pub fn time(text: &str) -> Value {
    tagged(TIME, text)
}

/// A nil for templates; JSON has `null`.
pub fn nil(kind: Nil) -> Value {
    match kind {
        Nil::List => tagged(NIL, "list"),
        Nil::Map => tagged(NIL, "map"),
        Nil::Pointer => tagged(NIL, "pointer"),
    }
}

fn tagged(key: &str, word: &str) -> Value {
    Value::Object(Map::from_iter([(key.to_owned(), word.into())]))
}

/// What a value is that JSON has no form for.
pub(super) enum Special {
    Time(GoTime),
    Nil(Nil),
}

pub(super) fn special(value: &Value) -> Option<Special> {
    let map = value.as_object().filter(|map| map.len() == 1)?;
    let (key, word) = map.iter().next()?;
    match (key.as_str(), word.as_str()?) {
        (TIME, text) => GoTime::parse(text).map(Special::Time),
        (NIL, "list") => Some(Special::Nil(Nil::List)),
        (NIL, "map") => Some(Special::Nil(Nil::Map)),
        (NIL, "pointer") => Some(Special::Nil(Nil::Pointer)),
        _ => None,
    }
}

impl Special {
    pub(super) fn shown(&self) -> String {
        match self {
            Special::Time(time) => time.string(),
            Special::Nil(Nil::List) => "[]".to_owned(),
            Special::Nil(Nil::Map) => "map[]".to_owned(),
            Special::Nil(Nil::Pointer) => "<nil>".to_owned(),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Special::Time(_) => "a time",
            Special::Nil(Nil::List) => "a list",
            Special::Nil(Nil::Map) => "a map",
            Special::Nil(Nil::Pointer) => "null",
        }
    }
}

/// For what takes lists and maps: a nil one is an empty one.
pub(super) fn plain(value: Value) -> Value {
    match special(&value) {
        Some(Special::Nil(Nil::List)) => Value::Array(Vec::new()),
        Some(Special::Nil(Nil::Map)) => Value::Object(Map::new()),
        Some(Special::Nil(Nil::Pointer)) => Value::Null,
        Some(Special::Time(_)) | None => value,
    }
}

/// As JSON has it.
pub(super) fn json(value: &Value) -> Value {
    match value {
        Value::Object(map) => match (special(value), map.get(TIME)) {
            (Some(Special::Time(_)), Some(text)) => text.clone(),
            (Some(_), _) => Value::Null,
            (None, _) => map.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        },
        Value::Array(items) => items.iter().map(json).collect(),
        other => other.clone(),
    }
}

/// A method of a time without an argument. Errors: a sentence.
pub(super) fn field(time: &GoTime, name: &str) -> Result<Value, String> {
    match name {
        "String" => Ok(time.string().into()),
        "IsZero" => Ok(time.is_zero().into()),
        "UTC" => Ok(self::time(&time.utc().rfc3339())),
        "Local" => Ok(self::time(&time.local().rfc3339())),
        "Format" => Err("Format wants a layout: .Format \"2006-01-02\"".to_owned()),
        _ => time.number(name).map(Value::from).ok_or_else(|| {
            format!(
                "a time has no {name}; known: Day Format Hour IsZero Local Minute Nanosecond Second String \
                 UTC Unix UnixMicro UnixMilli UnixNano Year"
            )
        }),
    }
}

/// A method of a time with an argument. Errors: a sentence.
pub(super) fn method(time: &GoTime, name: &str, argument: &Value) -> Result<Value, String> {
    match (name, argument) {
        ("Format", Value::String(layout)) => Ok(time.format(layout).into()),
        ("Format", other) => Err(format!("Format wants a string, not {}", kind(other))),
        _ => Err(format!("{name} takes no argument")),
    }
}
