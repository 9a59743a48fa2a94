//! The JSON of both dialects, read tolerantly: missing fields are empty, unknown ones passed
//! over, and a known one of another type is named with its path.

use super::{PackageQuery, ProfileQuery};
use serde_json::{Map, Value};

/// Most entries of one list.
const MAX_ITEMS: usize = 10_000;

/// Why an answer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// No JSON.
    #[error("the answer is not valid JSON")]
    Json(#[from] serde_json::Error),
    /// A field of another type.
    #[error("{path} is {found}, expected {wanted}")]
    Type {
        /// `results[3].name`; `the answer` for all of it.
        path: String,
        /// JSON's name of the type.
        found: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A field that nothing can be done without.
    #[error("{path} is missing")]
    Missing {
        /// `results[3].name`.
        path: String,
    },
    /// More than anybody reads.
    #[error("{path} has {count} entries, more than {MAX_ITEMS}")]
    TooMany {
        /// The list.
        path: String,
        /// Its length.
        count: usize,
    },
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// How many pages there are, where the server tells.
    pub pages: Option<u64>,
}

/// A profile as a server describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RemoteProfile {
    /// Its name, by which it is fetched.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line.
    pub description: String,
    /// Who made it.
    pub author: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Games it is for.
    pub games: Vec<String>,
    /// `system_requirements.required_gpu_vendor`; empty for all.
    pub gpu: String,
    /// How often it was fetched.
    pub downloads: u64,
    /// From 0 to 5.
    pub rating: f64,
}

/// A package as `/v2/search` describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Package {
    /// Its repository.
    pub name: String,
    /// Its version: the tag.
    pub version: String,
    /// One line.
    pub description: String,
    /// Bytes; 0 where it is not told.
    pub size: u64,
    /// `gaming.performance_tier`, of several with commas; empty where it is not told.
    pub tier: String,
    /// `gaming.proton_versions`.
    pub proton: Vec<String>,
    /// Vendors that `gaming.gpu_requirements` has something on.
    pub gpus: Vec<String>,
}

fn holds(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

/// Whether `pattern` stands for `text` by a `*` at its end.
fn begins(pattern: &str, text: &str) -> bool {
    let start = pattern.strip_suffix('*').filter(|start| !start.is_empty());
    start.is_some_and(|start| text.to_lowercase().starts_with(&start.to_lowercase()))
}

impl RemoteProfile {
    /// Whether it is among what was looked for.
    pub fn matches(&self, query: &ProfileQuery) -> bool {
        let text = query.text.as_deref().is_none_or(|part| {
            let texts = [&self.name, &self.description];
            let all = texts.into_iter().chain(&self.tags).chain(&self.games);
            all.into_iter().any(|text| holds(text, part))
        });
        let gpu = |vendor: &str| self.gpu.is_empty() || self.gpu.eq_ignore_ascii_case(vendor);
        text && query.gpu.as_deref().is_none_or(gpu)
    }
}

impl Package {
    /// Whether it is among what was looked for. What a package does not tell keeps it in.
    pub fn matches(&self, query: &PackageQuery) -> bool {
        let any = |list: &[String], wanted: &str| {
            list.is_empty() || list.iter().any(|text| holds(text, wanted) || begins(text, wanted))
        };
        let text = query.text.is_empty()
            || [&self.name, &self.description].iter().any(|text| holds(text, &query.text));
        let one = |wanted: &str| self.tier.split(',').any(|tier| tier.eq_ignore_ascii_case(wanted));
        let tier = |wanted: &str| self.tier.is_empty() || one(wanted);
        text && query.proton.as_deref().is_none_or(|wanted| any(&self.proton, wanted))
            && query.gpu.as_deref().is_none_or(|wanted| any(&self.gpus, wanted))
            && query.tier.as_deref().is_none_or(tier)
    }
}

/// A list of profiles: `results` or `profiles`, or the list alone.
pub fn profile_list(bytes: &[u8]) -> Result<Page<RemoteProfile>, DriftError> {
    page(bytes, &["results", "profiles"], one_profile)
}

/// A list of packages: `results` or `packages`, or the list alone.
pub fn package_list(bytes: &[u8]) -> Result<Page<Package>, DriftError> {
    page(bytes, &["results", "packages"], one_package)
}

fn page<T>(
    bytes: &[u8],
    names: &[&str],
    read: fn(At<'_>) -> Result<T, DriftError>,
) -> Result<Page<T>, DriftError> {
    let value: Value = serde_json::from_slice(bytes)?;
    let whole = At { value: &value, path: String::new() };
    let (list, pages) = if value.is_array() {
        (whole, None)
    } else {
        let mut found = Vec::new();
        for name in names {
            found.extend(whole.get(name)?);
        }
        let list = found.into_iter().next();
        let list = list.ok_or_else(|| DriftError::Missing { path: names.join(" or ") })?;
        let mut pages = None;
        for name in ["pages", "total_pages"] {
            if let (None, Some(at)) = (pages, whole.get(name)?) {
                pages = Some(at.number()?);
            }
        }
        (list, pages)
    };
    let items = list.items()?.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page { items, pages })
}

/// One profile: flat, or with `profile` and `metadata` beside each other.
fn one_profile(at: At<'_>) -> Result<RemoteProfile, DriftError> {
    let nested = at.get("profile")?;
    let beside = at.get("metadata")?;
    // The first that has the field: the profile, what lies beside it, what lies around it.
    let places: Vec<&At<'_>> = nested.iter().chain(&beside).chain([&at]).collect();
    let text = |name: &str| first(&places, name, At::text);
    let list = |name: &str| first(&places, name, At::texts);
    let name = text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| DriftError::Missing { path: at.child("name") })?;
    let needs = first(&places, "system_requirements", |at| {
        Ok(at.get("required_gpu_vendor")?.map(|at| at.text()).transpose()?.unwrap_or_default())
    })?;
    Ok(RemoteProfile {
        name,
        version: text("version")?.unwrap_or_default(),
        description: text("description")?.unwrap_or_default(),
        author: text("author")?.unwrap_or_default(),
        tags: list("tags")?.unwrap_or_default(),
        games: list("compatible_games")?.unwrap_or_default(),
        gpu: needs.unwrap_or_default(),
        downloads: first(&places, "downloads", At::number)?.unwrap_or_default(),
        rating: first(&places, "rating", At::float)?.unwrap_or_default(),
    })
}

fn one_package(at: At<'_>) -> Result<Package, DriftError> {
    let places = [&at];
    let text = |name: &str| first(&places, name, At::text);
    let name = text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| DriftError::Missing { path: at.child("name") })?;
    let mut package = Package {
        name,
        version: text("version")?.unwrap_or_default(),
        description: text("description")?.unwrap_or_default(),
        size: first(&places, "size_bytes", At::number)?.unwrap_or_default(),
        ..Package::default()
    };
    if let Some(gaming) = at.get("gaming")? {
        let places = [&gaming];
        package.tier = first(&places, "performance_tier", At::text)?.unwrap_or_default();
        package.proton = first(&places, "proton_versions", At::texts)?.unwrap_or_default();
        if let Some(needs) = gaming.get("gpu_requirements")? {
            for vendor in ["nvidia", "amd", "intel"] {
                if needs.get(vendor)?.is_some() {
                    package.gpus.push(vendor.to_owned());
                }
            }
        }
    }
    Ok(package)
}

/// The first of `places` that has `name`, read.
fn first<'v, T>(
    places: &[&At<'v>],
    name: &str,
    read: impl Fn(&At<'v>) -> Result<T, DriftError>,
) -> Result<Option<T>, DriftError> {
    for place in places {
        if let Some(at) = place.get(name)? {
            return read(&at).map(Some);
        }
    }
    Ok(None)
}

/// A value and where it stands.
struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    fn child(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn wrong(&self, wanted: &'static str) -> DriftError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let path = if self.path.is_empty() { "the answer".to_owned() } else { self.path.clone() };
        DriftError::Type { path, found, wanted }
    }

    fn object(&self) -> Result<&'a Map<String, Value>, DriftError> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// A field; `null` is none.
    fn get(&self, name: &str) -> Result<Option<At<'a>>, DriftError> {
        let found = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(found.map(|value| At { value, path: self.child(name) }))
    }

    fn items(&self) -> Result<Vec<At<'a>>, DriftError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        if list.len() > MAX_ITEMS {
            return Err(DriftError::TooMany { path: self.path.clone(), count: list.len() });
        }
        let item = |(n, value)| At { value, path: format!("{}[{n}]", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    fn text(&self) -> Result<String, DriftError> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.wrong("a text"))
    }

    fn texts(&self) -> Result<Vec<String>, DriftError> {
        self.items()?.iter().map(At::text).collect()
    }

    fn number(&self) -> Result<u64, DriftError> {
        self.value.as_u64().ok_or_else(|| self.wrong("a whole number"))
    }

    fn float(&self) -> Result<f64, DriftError> {
        self.value.as_f64().ok_or_else(|| self.wrong("a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: &str = r#"{"results":[{"name":"steam-base","description":"d","version":"1.0.0",
        "author":"a","tags":["t"],"compatible_games":["g"],"downloads":7,"rating":4.5,
        "system_requirements":{"min_cpu_cores":4,"required_gpu_vendor":"nvidia","supported_os":[]}}],
        "total":2,"page":1,"per_page":20,"pages":1}"#;
    const BOLT: &str = r#"{"profiles":[{"name":"steam-base","version":"1.0.0","author":"a",
        "description":"d","downloads":7,"rating":4.5,"created_at":"2025-01-01T00:00:00Z",
        "updated_at":"x","tags":["t"],"compatible_games":["g"]}],"total":1,"page":1,
        "per_page":20,"total_pages":1}"#;

    #[test]
    fn both_dialects_say_the_same() {
        let drift = profile_list(DRIFT.as_bytes()).unwrap();
        let mut bolt = profile_list(BOLT.as_bytes()).unwrap();
        bolt.items[0].gpu = "nvidia".to_owned();
        assert_eq!(drift, bolt);
        assert_eq!((drift.pages, drift.items[0].downloads), (Some(1), 7));
        let flat = profile_list(br#"[{"name":"a","author":"x","future":{"field":1}}]"#).unwrap();
        let nested = profile_list(
            br#"[{"profile":{"name":"a"},"metadata":{"author":"x","license":null},"manifest":{}}]"#,
        );
        assert_eq!(flat, nested.unwrap());
        assert_eq!(profile_list(b"[]").unwrap().items, []);
    }

    #[test]
    fn packages_tell_what_games_need() {
        let list = package_list(
            br#"[{"name":"game","version":"2","size_bytes":5,"gaming":{"is_game":true,
            "performance_tier":"Quality","proton_versions":["GE-Proton9-20"],
            "gpu_requirements":{"nvidia":{"min_vram_mb":4096},"amd":null,"vulkan_required":true}}},
            {"name":"tool","gaming":null}]"#,
        );
        let list = list.unwrap().items;
        assert_eq!((list[0].tier.as_str(), list[0].gpus.join(",")), ("Quality", "nvidia".into()));
        let query = |gpu: &str, tier: &str| PackageQuery {
            text: "GAME".into(),
            proton: Some("proton9".into()),
            gpu: Some(gpu.into()),
            tier: Some(tier.into()),
        };
        assert!(list[0].matches(&query("nvidia", "quality")));
        assert!(!list[0].matches(&query("amd", "quality")));
        assert!(!list[0].matches(&query("nvidia", "streaming")));
        assert!(!list[1].matches(&query("nvidia", "quality")), "another name");
    }

    #[test]
    fn wrong_types_are_named() {
        let many = format!(r#"{{"results":[{}{{}}]}}"#, "{},".repeat(10_000));
        for (text, wanted) in [
            ("", "not valid JSON"),
            ("7", "the answer is a number, expected an object"),
            ("{}", "results or profiles is missing"),
            (r#"{"results":{}}"#, "results is an object, expected a list"),
            (r#"{"results":[7]}"#, "results[0] is a number, expected an object"),
            (r#"{"results":[{"name":"a"},{"version":"1"}]}"#, "results[1].name is missing"),
            (r#"{"results":[{"name":["a"]}]}"#, "results[0].name is a list, expected a text"),
            (r#"{"results":[{"name":"a","tags":[1]}]}"#, "results[0].tags[0] is a number"),
            (r#"{"results":[{"name":"a","downloads":-1}]}"#, "downloads is a number, expected a w"),
            (r#"{"results":[],"pages":"1"}"#, "pages is a text, expected a whole number"),
            (r#"{"results":[{"metadata":1,"name":"a"}]}"#, "results[0].metadata is a number"),
            (many.as_str(), "results has 10001 entries"),
        ] {
            let error = profile_list(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text:.60}: {error}");
        }
    }
}
