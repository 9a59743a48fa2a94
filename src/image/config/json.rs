//! JSON read strictly: duplicate keys are an error, no key is lost. For policy.json.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A JSON value whose objects have no key twice.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Strict {
    /// `null`, a number or a boolean: nothing a policy is made of.
    Other(&'static str),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Strict>),
    /// An object, in file order.
    Object(Vec<(String, Strict)>),
}

impl Strict {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Other(kind) => kind,
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Strict, E> {
        Ok(Strict::Other("null"))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict::Other("a boolean"))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict::Other("a number"))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict::Other("a number"))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict::Other("a number"))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Strict, E> {
        Ok(Strict::String(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Strict, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Strict::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
        let mut members: Vec<(String, Strict)> = Vec::new();
        // A set beside the list: a hostile file may have a hundred thousand keys.
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                let shown: String = key.chars().take(100).collect();
                return Err(A::Error::custom(format_args!("the key {shown:?} is given twice")));
            }
            members.push((key, map.next_value()?));
        }
        Ok(Strict::Object(members))
    }
}
