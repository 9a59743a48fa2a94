//! `--filter key=value` as it is typed; what the keys mean is told by the lists they filter.
//!
//! Values of one key are alternatives, different keys must all hold.

use std::collections::BTreeMap;

/// A filter that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadFilter {
    /// No `=`.
    #[error("{0:?} is not a filter: use key=value")]
    Form(String),
    /// An unknown key.
    #[error("{key:?} is not a filter key of {of}; known are {}", .known.join(", "))]
    Key {
        /// The key.
        key: String,
        /// What is filtered: `containers`.
        of: &'static str,
        /// The keys that it has.
        known: &'static [&'static str],
    },
    /// A value that the key does not take.
    #[error("{value:?} is not a value of filter {key:?}: {why}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What it takes.
        why: String,
    },
}

impl BadFilter {
    /// [`BadFilter::Value`].
    pub fn value(key: &str, value: &str, why: impl Into<String>) -> Self {
        BadFilter::Value { key: key.to_owned(), value: value.to_owned(), why: why.into() }
    }
}

/// Checked filters: each key once, with its values in the order they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(Vec<(String, Vec<String>)>);

impl Wanted {
    /// Reads `key=value` words for a list of `of` with these keys. `check` says why a value
    /// is none of its key's.
    pub fn parse(
        words: &[String],
        of: &'static str,
        known: &'static [&'static str],
        check: impl Fn(&str, &str) -> Result<(), String>,
    ) -> Result<Self, BadFilter> {
        let mut wanted = Wanted::default();
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| BadFilter::Form(word.clone()))?;
            if !known.contains(&key) {
                return Err(BadFilter::Key { key: key.to_owned(), of, known });
            }
            check(key, value).map_err(|why| BadFilter::value(key, value, why))?;
            wanted.add(key, value);
        }
        Ok(wanted)
    }

    /// Adds a value that was not typed as a filter.
    pub fn add(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.to_owned()),
            None => self.0.push((key.to_owned(), vec![value.to_owned()])),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each key with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

/// A value that must be `true` or `false`.
pub fn flag(value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| "use true or false".to_owned())
}

/// Whether labels hold `KEY`, or `KEY=VALUE`.
pub fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[&str] = &["label", "label!", "dangling"];

    fn parse(words: &[&str]) -> Result<Wanted, BadFilter> {
        let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
        Wanted::parse(&words, "things", KEYS, |key, value| match key {
            "dangling" => flag(value).map(|_| ()),
            _ => Ok(()),
        })
    }

    #[test]
    fn values_are_gathered_by_key() {
        let wanted = parse(&["label=a=b", "dangling=true", "label!=c", "label=d"]).unwrap();
        let all: Vec<_> = wanted.iter().map(|(key, values)| (key, values.join(" "))).collect();
        let of = |key, values: &str| (key, values.to_owned());
        assert_eq!(all, [of("label", "a=b d"), of("dangling", "true"), of("label!", "c")]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (word, said) in [
            ("dangling", r#""dangling" is not a filter: use key=value"#),
            (
                "color=red",
                r#""color" is not a filter key of things; known are label, label!, dangling"#,
            ),
            ("dangling=maybe", r#""maybe" is not a value of filter "dangling": use true or false"#),
        ] {
            assert_eq!(parse(&[word]).unwrap_err().to_string(), said);
        }
    }
}
