//! JSON whose faults are told with their field: the parser knows line and column only, which say
//! little of a document that a program wrote in one line.

use super::redact;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Longest message, in characters: the document may be a stranger's.
const LONGEST: usize = 400;
/// Longest key in a path, in characters.
const LONGEST_KEY: usize = 80;
/// Most levels of a path.
const MOST_LEVELS: usize = 20;

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
        let walk = Walk::through(bytes, bytes.len().min(begin + column));
        // Made once each: the document may be as deep as it is long.
        let path_at = |end| path(&Walk::through(bytes, end).levels);
        Place { value: path_at(walk.value), kind: walk.kind, object: path_at(walk.object) }
    }
}

/// A look at each token in front of a place.
struct Walk {
    levels: Vec<Level>,
    /// The place by which the path to the last value is known.
    value: usize,
    /// The same of the last object.
    object: usize,
    /// What the last value is.
    kind: &'static str,
}

impl Walk {
    fn through(bytes: &[u8], end: usize) -> Walk {
        let mut walk = Walk { levels: Vec::new(), value: 0, object: 0, kind: "this" };
        let mut at = 0;
        while at < end {
            let behind = at + token(&bytes[at..]);
            match bytes[at] {
                b'"' => walk.text(&bytes[at..behind], behind),
                b'{' => {
                    (walk.value, walk.object, walk.kind) = (at, at, "an object");
                    walk.levels.push(Level::Object(None));
                }
                b'[' => {
                    (walk.value, walk.kind) = (at, "a list");
                    walk.levels.push(Level::List(0));
                }
                b'}' | b']' => {
                    walk.levels.pop();
                    walk.object = behind;
                }
                b',' => match walk.levels.last_mut() {
                    Some(Level::List(position)) => *position += 1,
                    Some(Level::Object(key)) => *key = None,
                    None => {}
                },
                b':' | b' ' | b'\t' | b'\n' | b'\r' => {}
                first => {
                    let number = first == b'-' || first.is_ascii_digit();
                    walk.kind = if number { "a number" } else { "true, false or null" };
                    walk.value = at;
                }
            }
            at = behind;
        }
        walk
    }

    fn text(&mut self, quoted: &[u8], behind: usize) {
        match self.levels.last_mut() {
            Some(Level::Object(key @ None)) => {
                let whole: String = serde_json::from_slice(quoted).unwrap_or_default();
                *key = Some(whole.chars().take(LONGEST_KEY).collect());
            }
            _ => self.kind = "a text",
        }
        self.value = behind;
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

/// `gpu[0].driver`; keys that would not be read so are quoted, and of many levels the first are
/// named.
fn path(levels: &[Level]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let mut path = String::new();
    for level in levels.iter().take(MOST_LEVELS) {
        match level {
            Level::List(position) => path.push_str(&format!("[{position}]")),
            Level::Object(None) => {}
            Level::Object(Some(key)) if key.chars().all(plain) => {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(key);
            }
            Level::Object(Some(key)) => path.push_str(&format!("[{key:?}]")),
        }
    }
    path
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

    #[test]
    fn a_deep_or_wide_document_costs_its_length() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let wide = format!("\"{}\":[{}1]", "k".repeat(2 << 20), "1,".repeat(200_000));
        for other in [format!("\"x\":{deep}"), wide] {
            let begun = std::time::Instant::now();
            let told = read::<Whole>(format!("{{{other},\"tier\":5}}").as_bytes()).unwrap_err();
            assert!(told.to_string().starts_with("tier: a number"), "{told}");
            assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(text in r#"[\[\]{}",:a1\\ \n]{0,40}"#, line in 0_usize..4, column in 0_usize..50) {
            let _ = (read::<Whole>(text.as_bytes()), Place::of(text.as_bytes(), line, column));
        }
    }
}
