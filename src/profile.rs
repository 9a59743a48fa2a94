//! L2: optimisation profiles: what one says of itself. Applying them is not here.
//!
//! A profile is a TOML file of free form with one table that must be there, `[profile]`, and a
//! name in it. The others that are read are those that Drift writes and shows: `[metadata]`,
//! `[requirements]`, `[tags]`, `[games]`.

use std::collections::BTreeMap;
use toml::{Table, Value};

/// The media type of a profile, and the artifact type of a manifest that carries one.
pub const MEDIA_TYPE: &str = "application/vnd.bolt.profile.v1+toml";
/// Largest profile, in bytes. Real ones have kilobytes.
pub const MAX_PROFILE: u64 = 1 << 20;
/// Annotation of the games a profile is for, separated by commas.
const GAMES: &str = "dev.bolt.profile.games";
/// Annotation of the profile's tags, separated by commas.
const TAGS: &str = "dev.bolt.profile.tags";
/// Annotation of the vendor whose GPUs a profile is for.
const GPU: &str = "dev.bolt.profile.gpu";

/// Why a text is no profile.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProfileError {
    /// No TOML.
    #[error("line {line}: {reason}")]
    Syntax {
        /// From 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// `[profile]` or its name is not there.
    #[error("{key} is missing; a profile begins with a table [profile] that has a name")]
    Missing {
        /// `profile` or `profile.name`.
        key: &'static str,
    },
    /// A key of another type.
    #[error("{key} is {found}, expected {wanted}")]
    Type {
        /// Dotted.
        key: String,
        /// TOML's name of the type.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A name that cannot be the name of a profile.
    #[error("profile.name {0:?} is empty, too long, or holds control characters")]
    Name(String),
}

/// What a profile says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Its name.
    pub name: String,
    /// Its version, as it is written.
    pub version: String,
    /// One line.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Games it is for.
    pub games: Vec<String>,
    /// Vendor whose GPUs it is for, lower case; empty for all.
    pub gpu: String,
}

impl Summary {
    /// Reads a profile.
    pub fn read(text: &str) -> Result<Summary, ProfileError> {
        let file: Table = text.parse().map_err(|e: toml::de::Error| ProfileError::Syntax {
            line: 1 + text[..e.span().map_or(0, |s| s.start)].matches('\n').count(),
            reason: e.message().to_owned(),
        })?;
        let profile = match file.get("profile") {
            None => return Err(ProfileError::Missing { key: "profile" }),
            Some(Value::Table(table)) => table,
            Some(other) => return Err(wrong("profile", other, "a table")),
        };
        let name = word(profile, "profile", "name")?;
        let name = name.ok_or(ProfileError::Missing { key: "profile.name" })?;
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return Err(ProfileError::Name(name.chars().take(100).collect()));
        }
        let table = |key: &str| file.get(key).and_then(Value::as_table);
        let described = |key: &str| -> Result<String, ProfileError> {
            let own = word(profile, "profile", key)?;
            let other = table("metadata").map(|t| word(t, "metadata", key)).transpose()?;
            Ok(own.or(other.flatten()).unwrap_or_default())
        };
        let mut gpu = None;
        for (table_name, key) in [("requirements", "required_gpu_vendor"), ("gpu", "vendor")] {
            if let (None, Some(table)) = (&gpu, table(table_name)) {
                gpu = word(table, table_name, key)?;
            }
        }
        let words = |keys: &[&Value]| keys.iter().flat_map(|v| texts(v)).collect::<Vec<_>>();
        let listed = |inner: &str, outer: &str| {
            let found: Vec<&Value> =
                profile.get(inner).into_iter().chain(file.get(outer)).collect();
            words(&found)
        };
        Ok(Summary {
            name,
            version: described("version")?,
            description: described("description")?,
            author: described("author")?,
            tags: listed("tags", "tags"),
            games: listed("compatible_games", "games"),
            gpu: gpu.unwrap_or_default().to_lowercase(),
        })
    }

    /// What is put beside the profile, so that a list of many need not fetch each.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let oci = |key: &str| format!("org.opencontainers.image.{key}");
        let all = [
            (oci("title"), self.name.clone()),
            (oci("version"), self.version.clone()),
            (oci("description"), self.description.clone()),
            (oci("authors"), self.author.clone()),
            (GAMES.to_owned(), self.games.join(",")),
            (TAGS.to_owned(), self.tags.join(",")),
            (GPU.to_owned(), self.gpu.clone()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The other way round; the name is empty where the annotations have none.
    pub fn of_annotations(annotations: &BTreeMap<String, String>) -> Summary {
        let get = |key: &str| annotations.get(key).cloned().unwrap_or_default();
        let oci = |key: &str| get(&format!("org.opencontainers.image.{key}"));
        let list =
            |key: &str| get(key).split(',').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        Summary {
            name: oci("title"),
            version: oci("version"),
            description: oci("description"),
            author: oci("authors"),
            tags: list(TAGS),
            games: list(GAMES),
            gpu: get(GPU),
        }
    }
}

fn wrong(key: &str, found: &Value, wanted: &'static str) -> ProfileError {
    ProfileError::Type { key: key.to_owned(), found: found.type_str(), wanted }
}

/// A text of a table. Numbers are taken too: `version = 1.2` is written so.
fn word(table: &Table, name: &str, key: &str) -> Result<Option<String>, ProfileError> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(number @ (Value::Integer(_) | Value::Float(_))) if key == "version" => {
            Ok(Some(number.to_string()))
        }
        Some(other) => Err(wrong(&format!("{name}.{key}"), other, "a text")),
    }
}

/// All texts of a list, or of the lists in a table: both are found.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Table(table) => table.values().filter(|v| v.is_array()).flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = r#"
        [profile]
        name = "cs2-low-latency"
        version = 1.2
        description = "less input lag"
        tags = ["fps"]
        [metadata]
        author = "someone"
        [requirements]
        required_gpu_vendor = "NVIDIA"
        [games]
        supported = ["Counter-Strike 2", "Dota 2"]
        priority = 3
        [optimizations]
        anything = { is = ["allowed"] }
    "#;

    #[test]
    fn a_profile_says_what_it_is() {
        let summary = Summary::read(FULL).unwrap();
        assert_eq!(summary.name, "cs2-low-latency");
        assert_eq!((summary.version.as_str(), summary.author.as_str()), ("1.2", "someone"));
        assert_eq!(summary.games, ["Counter-Strike 2", "Dota 2"]);
        assert_eq!((summary.tags.join(" "), summary.gpu.as_str()), ("fps".to_owned(), "nvidia"));
        assert_eq!(Summary::of_annotations(&summary.annotations()), summary);
    }

    #[test]
    fn wrong_profiles_name_the_key() {
        for (text, wanted) in [
            ("", "profile is missing"),
            ("[profile]", "profile.name is missing"),
            ("profile = 1", "profile is integer, expected a table"),
            ("[profile]\nname = []", "profile.name is array, expected a text"),
            ("[profile]\nname = \"\"", "profile.name \"\" is empty"),
            ("[profile]\nname = \"a\"\nauthor = 1", "profile.author is integer"),
            ("[profile]\nname = \"a\"\nname = \"b\"", "line 3"),
            ("[profile\n", "line 1"),
        ] {
            let error = Summary::read(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
