//! `--filter` of images, prune and their kin (podman-images(1)).
//!
//! Values of one key are alternatives, different keys must all hold; labels must all hold too.

use crate::container::time;
use crate::image::types::{Digest, ImageRecord};
use crate::store::ListedImage;
pub use crate::ui::filter::BadFilter;
use crate::ui::filter::{Wanted, flag, has_label};
use std::collections::BTreeSet;

const KEYS: &[&str] = &[
    "after",
    "before",
    "containers",
    "dangling",
    "digest",
    "id",
    "intermediate",
    "label",
    "label!",
    "manifest",
    "readonly",
    "reference",
    "since",
    "until",
];

/// Checked filters.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    wanted: Wanted,
    now: i64,
}

/// Creation time of an image in nanoseconds since 1970; 0 when its config has none.
pub fn created(record: &ImageRecord) -> i64 {
    time::parse_rfc3339(&record.created).unwrap_or(0)
}

impl Filters {
    /// Reads `key=value` words. `label!=x` asks for images without a label.
    pub fn parse(words: &[String]) -> Result<Self, BadFilter> {
        let now = time::now();
        let wanted = Wanted::parse(words, "images", KEYS, |key, value| check(key, value, now))?;
        Ok(Filters { wanted, now })
    }

    /// Adds `reference=NAME`: the argument of `bolt images`.
    pub fn add_reference(&mut self, name: &str) {
        self.wanted.add("reference", name);
    }

    /// Keeps the images that pass. `used` are the manifests that containers were made from;
    /// `before`, `since` and `after` name another image of `all`.
    pub fn apply(
        &self,
        all: Vec<ListedImage>,
        used: &BTreeSet<Digest>,
    ) -> Result<Vec<ListedImage>, BadFilter> {
        let mut keep = vec![true; all.len()];
        for (key, values) in self.wanted.iter() {
            let limits = match key {
                "before" | "since" | "after" => creation_of(key, values, &all)?,
                _ => Vec::new(),
            };
            for (image, keep) in all.iter().zip(&mut keep) {
                let at = created(&image.record);
                let passes = match key {
                    "before" => limits.iter().any(|limit| at < *limit),
                    "since" | "after" => limits.iter().any(|limit| at > *limit),
                    "label" => values.iter().all(|v| has_label(&image.record.config.labels, v)),
                    "label!" => !values.iter().any(|v| has_label(&image.record.config.labels, v)),
                    "containers" => {
                        let is_used = used.contains(&image.record.manifest);
                        values.iter().any(|v| v.parse() == Ok(is_used))
                    }
                    _ => values.iter().any(|v| self.passes(image, key, v)),
                };
                *keep &= passes;
            }
        }
        Ok(all.into_iter().zip(keep).filter_map(|(image, keep)| keep.then_some(image)).collect())
    }

    fn passes(&self, image: &ListedImage, key: &str, value: &str) -> bool {
        let record = &image.record;
        match key {
            "reference" => image.names.iter().any(|name| is_called(name, value)),
            "dangling" => value.parse() == Ok(image.names.is_empty()),
            "id" => record.id.hex().starts_with(value.trim_start_matches("sha256:")),
            "digest" => [Some(&record.manifest), record.index.as_ref()]
                .into_iter()
                .flatten()
                .any(|digest| digest.as_str().starts_with(value)),
            "until" => time::parse(value, self.now).is_ok_and(|at| created(record) < at),
            // Nothing here is read-only or a list, and no build leaves intermediate images.
            _ => value.parse() == Ok(false),
        }
    }
}

/// Whether a key takes a value; else why not.
fn check(key: &str, value: &str, now: i64) -> Result<(), String> {
    match key {
        "until" => time::parse(value, now).map(|_| ()).map_err(|e| e.to_string()),
        "containers" | "dangling" | "intermediate" | "manifest" | "readonly" => {
            flag(value).map(|_| ())
        }
        _ => Ok(()),
    }
}

/// A name and its tag; the tag is empty for a name with a digest.
pub fn split_name(full: &str) -> (&str, &str) {
    if let Some((name, _)) = full.split_once('@') {
        return (name, "");
    }
    match full.rsplit_once(':') {
        // A colon before the last slash belongs to a port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (full, ""),
    }
}

/// Whether a pattern fits a full name, or its end from some slash on, with or without the tag.
pub fn is_called(full: &str, pattern: &str) -> bool {
    let (bare, _) = split_name(full);
    [full, bare].into_iter().any(|name| {
        let mut rest = Some(name);
        while let Some(text) = rest {
            if glob(pattern.as_bytes(), text.as_bytes()) {
                return true;
            }
            rest = text.split_once('/').map(|(_, rest)| rest);
        }
        false
    })
}

/// `*` and `?` do not cross a slash, as in Go's path.Match. Linear: it goes back to the last
/// star only.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(b'?') if text[t] != b'/' => {
                p += 1;
                t += 1;
                continue;
            }
            Some(byte) if *byte == text[t] => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((at, from)) if text[from] != b'/' => {
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

fn creation_of(key: &str, values: &[String], all: &[ListedImage]) -> Result<Vec<i64>, BadFilter> {
    let find = |value: &String| {
        let id = value.trim_start_matches("sha256:");
        let latest = format!("{value}:latest");
        all.iter()
            .find(|i| i.names.iter().any(|n| is_called(n, &latest)))
            .or_else(|| all.iter().find(|i| i.names.iter().any(|n| is_called(n, value))))
            .or_else(|| all.iter().find(|i| i.record.id.hex().starts_with(id)))
            .map(|i| created(&i.record))
            .ok_or_else(|| BadFilter::value(key, value, "no such image"))
    };
    values.iter().map(find).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::image::types::{Platform, RunConfig};

    pub(crate) fn image(n: u8, names: &[&str]) -> ListedImage {
        let digest = |kind: u8| Digest::from_sha256(&[kind << 4 | n; 32]);
        let labels = [("n".to_owned(), n.to_string())].into();
        let record = ImageRecord {
            version: 1,
            id: digest(1),
            manifest: digest(2),
            index: None,
            created: format!("2026-01-0{n}T00:00:00Z"),
            platform: Platform {
                os: "linux".into(),
                architecture: "amd64".into(),
                variant: None,
                os_features: Vec::new(),
            },
            config: RunConfig { labels, cmd: vec!["sh".into()], ..RunConfig::default() },
            layers: Vec::new(),
            size: 1_000_000 * u64::from(n),
            visible_from: 0,
        };
        ListedImage { record, names: names.iter().map(|n| (*n).to_owned()).collect() }
    }

    fn all() -> Vec<ListedImage> {
        vec![
            image(1, &["docker.io/library/alpine:3.20", "localhost/mine:latest"]),
            image(2, &["quay.io:5000/team/tool:v2"]),
            image(3, &[]),
        ]
    }

    fn kept(words: &[&str]) -> Vec<u8> {
        let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
        let used = [image(2, &[]).record.manifest].into();
        let kept = Filters::parse(&words).unwrap().apply(all(), &used).unwrap();
        kept.iter().map(|i| (i.record.size / 1_000_000) as u8).collect()
    }

    #[test]
    fn filters_keep_what_they_say() {
        let cases: &[(&[&str], &[u8])] = &[
            (&[], &[1, 2, 3]),
            (&["reference=alpine"], &[1]),
            (&["reference=alpine:3.20"], &[1]),
            (&["reference=alpine:3.*"], &[1]),
            (&["reference=library/alpine"], &[1]),
            (&["reference=*/mine"], &[1]),
            (&["reference=quay.io:5000/*/tool"], &[2]),
            (&["reference=quay.io:5000/*"], &[]),
            (&["reference=alpine", "reference=tool"], &[1, 2]),
            (&["reference=pine"], &[]),
            (&["dangling=true"], &[3]),
            (&["dangling=false", "label=n=2"], &[2]),
            (&["label=n", "label=n=2"], &[2]),
            (&["label!=n"], &[]),
            (&["before=tool"], &[1]),
            (&["since=mine"], &[2, 3]),
            (&["after=tool"], &[3]),
            (&["id=1111"], &[1]),
            (&["digest=sha256:2222"], &[2]),
            (&["digest=2222"], &[]),
            (&["until=2026-01-02T12:00:00Z"], &[1, 2]),
            (&["containers=true"], &[2]),
            (&["containers=false"], &[1, 3]),
            (&["readonly=true"], &[]),
        ];
        for (words, want) in cases {
            assert_eq!(kept(words), *want, "{words:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let parse = |word: &str| Filters::parse(&[word.to_owned()]).unwrap_err();
        assert_eq!(parse("dangling"), BadFilter::Form("dangling".into()));
        assert!(matches!(parse("color=red"), BadFilter::Key { .. }));
        for bad in ["dangling=maybe", "until=soon"] {
            assert!(matches!(parse(bad), BadFilter::Value { .. }), "{bad}");
        }
        let none = Filters::parse(&["before=nosuch".to_owned()]).unwrap();
        assert!(none.apply(all(), &BTreeSet::new()).is_err());
    }

    #[test]
    fn patterns_do_not_explode() {
        let pattern = "*a".repeat(200);
        assert!(!glob(pattern.as_bytes(), "a".repeat(199).as_bytes()));
        assert!(glob(b"a*b?d*", b"axxbcd"));
        assert!(!glob(b"a*", b"a/b"));
    }

    #[test]
    fn names_are_split_before_the_tag() {
        assert_eq!(split_name("a:5000/b"), ("a:5000/b", ""));
        assert_eq!(split_name("a:5000/b:c"), ("a:5000/b", "c"));
        assert_eq!(split_name("a/b@sha256:00"), ("a/b", ""));
    }
}
