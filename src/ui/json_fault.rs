//! JSON whose faults are told with their field: the parser knows line and column only, which say
//! little of a document that a program wrote in one line.

use super::redact;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Longest message, in characters: the document may be a stranger's.
const LONGEST: usize = 400;

/// Why a document cannot be read: `gpu[0].driver: …`, without secrets, bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonFault(String);

impl JsonFault {
    /// A fault that is found in another way.
    pub fn new(reason: &str) -> Self {
        JsonFault(redact::foreign(reason, LONGEST))
    }
}

/// Reads a whole document.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonFault> {
    serde_json::from_slice(bytes).map_err(|error| JsonFault::new(&told(bytes, &error)))
}

fn told(bytes: &[u8], error: &serde_json::Error) -> String {
    let words = error.to_string();
    // No JSON at all, or cut off: the place in the text says more than a field.
    if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
        return words;
    }
    let (line, column) = (error.line(), error.column());
    let place = Place::of(bytes, line, column);
    let path = match words.starts_with("missing field") {
        true => place.object,
        false => place.value,
    };
    // What the parser says of a number where a name of several is expected.
    let words = match words.starts_with("expected value at ") {
        true => format!("{} does not belong there, line {line} column {column}", place.kind),
        false => words,
    };
    if path.is_empty() { words } else { format!("{path}: {words}") }
}

/// An object and the key that is read, or a list and the position.
enum Level {
    Object(Option<String>),
    List(usize),
}

/// Where in a valid document the parser stopped.
struct Place {
    /// The last value in front of it.
    value: String,
    /// What that is.
    kind: &'static str,
    /// The object that ended there, or that it lies in.
    object: String,
}

impl Place {
    fn of(bytes: &[u8], line: usize, column: usize) -> Place {
        let begin: usize =
            bytes.split_inclusive(|b| *b == b'\n').take(line.max(1) - 1).map(<[u8]>::len).sum();
        let end = bytes.len().min(begin + column);
        let mut levels: Vec<Level> = Vec::new();
        let mut place = Place { value: String::new(), kind: "this", object: String::new() };
        let mut at = 0;
        while at < end {
            let length = token(&bytes[at..]);
            match bytes[at] {
                b'"' => place.text(&bytes[at..at + length], &mut levels),
                b'{' => place.opens(Level::Object(None), &mut levels),
                b'[' => place.opens(Level::List(0), &mut levels),
                b'}' | b']' => {
                    levels.pop();
                    place.object = path(&levels);
                }
                b',' => match levels.last_mut() {
                    Some(Level::List(position)) => *position += 1,
                    Some(Level::Object(key)) => *key = None,
                    None => {}
                },
                b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                first => {
                    let number = first == b'-' || first.is_ascii_digit();
                    place.kind = if number { "a number" } else { "true, false or null" };
                    place.value = path(&levels);
                }
            }
            at += length;
        }
        place
    }

    fn text(&mut self, quoted: &[u8], levels: &mut [Level]) {
        match levels.last_mut() {
            Some(Level::Object(key @ None)) => {
                *key = Some(serde_json::from_slice(quoted).unwrap_or_default());
            }
            _ => self.kind = "a text",
        }
        self.value = path(levels);
    }

    fn opens(&mut self, level: Level, levels: &mut Vec<Level>) {
        let object = matches!(level, Level::Object(_));
        self.kind = if object { "an object" } else { "a list" };
        self.value = path(levels);
        if object {
            self.object.clone_from(&self.value);
        }
        levels.push(level);
    }
}

/// Length of what stands first in `bytes`, which is valid JSON.
fn token(bytes: &[u8]) -> usize {
    let scalar = |b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(b);
    match bytes[0] {
        b'"' => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            bytes.len().min(at + 1)
        }
        _ => bytes.iter().take_while(|b| scalar(b)).count().max(1),
    }
}

/// `gpu[0].driver`; keys that would not be read so are quoted.
fn path(levels: &[Level]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    levels.iter().fold(String::new(), |path, level| match level {
        Level::List(position) => format!("{path}[{position}]"),
        Level::Object(None) => path,
        Level::Object(Some(key)) if key.chars().all(plain) && path.is_empty() => key.clone(),
        Level::Object(Some(key)) if key.chars().all(plain) => format!("{path}.{key}"),
        Level::Object(Some(key)) => {
            format!("{path}[{:?}]", key.chars().take(80).collect::<String>())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Tier {
        Quality,
    }

    #[derive(Debug)]
    struct Even;
    impl TryFrom<u8> for Even {
        type Error = String;
        fn try_from(number: u8) -> Result<Self, String> {
            if number.is_multiple_of(2) { Ok(Even) } else { Err(format!("{number} is odd")) }
        }
    }
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            Even::try_from(u8::deserialize(d)?).map_err(serde::de::Error::custom)
        }
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Part {
        size: u8,
        #[serde(default)]
        even: Option<Even>,
        #[serde(default)]
        notes: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read, never looked at")]
    struct Whole {
        tier: Option<Tier>,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[test]
    fn faults_are_told_with_their_field() {
        for (text, words) in [
            (r#"{"tier":5}"#, "tier: a number does not belong there, line 1"),
            (r#"{"tier":"best"}"#, "tier: unknown variant `best`"),
            (r#"{"parts":7}"#, "parts: invalid type: integer `7`"),
            (r#"{"parts":{"a":{}},"tier":null}"#, "parts: invalid type: map"),
            (r#"{"parts":[{"size":1},{"size":"x"}]}"#, "parts[1].size: invalid type: string"),
            (r#"{"parts":[{"size":1,"even":3}]}"#, "parts[0].even: 3 is odd"),
            (r#"{"parts":[{"even":3,"size":1}]}"#, "parts[0].even: 3 is odd"),
            (
                r#"{"parts":[{"size":1,"notes":{"a.b":1}}]}"#,
                "parts[0].notes[\"a.b\"]: invalid type",
            ),
            ("{\"parts\":[\n{\"size\":1},\n{\"notes\":{}}]}", "parts[1]: missing field `size`"),
            (r#"{"parts":[{"size":1,"more":1}]}"#, "parts[0].more: unknown field `more`"),
            (r#"{"tier":"#, "EOF while parsing"),
            ("[", "EOF while parsing"),
            ("3", "invalid type: integer `3`"),
        ] {
            let told = read::<Whole>(text.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with(words), "{text}: {told}");
        }
    }

    #[test]
    fn secrets_and_long_values_are_not_repeated() {
        redact::learn("FAULTYsecret");
        let told = read::<Whole>(br#"{"parts":"FAULTYsecret"}"#).unwrap_err().to_string();
        assert!(told.contains("string \"***\""), "{told}");
        let long = format!(r#"{{"parts":"{}FAULTYsecret"}}"#, "x".repeat(LONGEST - 40));
        let told = read::<Whole>(long.as_bytes()).unwrap_err().to_string();
        assert!(told.len() <= LONGEST && !told.contains("FAULTY"), "{told}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(text in r#"[\[\]{}",:a1\\ \n]{0,40}"#, line in 0_usize..4, column in 0_usize..50) {
            let _ = (read::<Whole>(text.as_bytes()), Place::of(text.as_bytes(), line, column));
        }
    }
}
