//! `--filter` of ps, rm, stop and their kin (podman-ps(1)).
//!
//! Values of one key are alternatives, different keys must all hold; labels must all hold too.

use super::config::{MountKind, Network, Origin};
use super::list::Entry;
use super::state::Status;
use super::time;
pub use crate::ui::filter::BadFilter;
use crate::ui::filter::{Wanted, flag, has_label};
use crate::ui::pattern::Pattern;

const KEYS: &[&str] = &[
    "id",
    "name",
    "label",
    "label!",
    "exited",
    "status",
    "ancestor",
    "before",
    "since",
    "volume",
    "health",
    "pod",
    "network",
    "restart-policy",
    "until",
    "command",
    "should-start-on-boot",
];
const STATES: &[&str] = &[
    "created",
    "initialized",
    "running",
    "stopped",
    "paused",
    "exited",
    "removing",
    "stopping",
    "unknown",
    "orphaned",
];

/// Checked filters.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    wanted: Wanted,
    /// Those of `name` and `command`, by their text.
    patterns: Vec<(String, Pattern)>,
    now: i64,
}

impl Filters {
    /// Reads `key=value` words.
    pub fn parse(words: &[String]) -> Result<Self, BadFilter> {
        let now = time::now();
        let wanted = Wanted::parse(words, "containers", KEYS, |key, value| check(key, value, now))?;
        let mut patterns = Vec::new();
        for (key, values) in wanted.iter().filter(|(key, _)| is_pattern(key)) {
            for value in values {
                let pattern = Pattern::parse(value);
                let pattern = pattern.map_err(|why| BadFilter::value(key, value, why))?;
                patterns.push((value.clone(), pattern));
            }
        }
        Ok(Filters { wanted, patterns, now })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Whether a filter asks for a state, so that `ps` looks beyond running containers.
    pub fn names_a_state(&self) -> bool {
        self.wanted.iter().any(|(key, _)| key == "status" || key == "exited")
    }

    /// Keeps the entries that pass. `before` and `since` name another container of the list.
    pub fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, BadFilter> {
        let mut keep = vec![true; entries.len()];
        for (key, values) in self.wanted.iter() {
            let limits = match key {
                "before" | "since" => creation_of(key, values, &entries)?,
                _ => Vec::new(),
            };
            for (entry, keep) in entries.iter().zip(&mut keep) {
                let passes = match key {
                    "before" => limits.iter().any(|at| entry.config.created < *at),
                    "since" => limits.iter().any(|at| entry.config.created > *at),
                    "label" => values.iter().all(|v| has_label(&entry.config.labels, v)),
                    "label!" => !values.iter().any(|v| has_label(&entry.config.labels, v)),
                    _ => values.iter().any(|v| self.passes(entry, key, v)),
                };
                *keep &= passes;
            }
        }
        Ok(entries.into_iter().zip(keep).filter_map(|(e, keep)| keep.then_some(e)).collect())
    }

    fn passes(&self, entry: &Entry, key: &str, value: &str) -> bool {
        let config = &entry.config;
        match key {
            "id" => config.id.starts_with(value.trim_start_matches('^')),
            "name" => self.matches(&config.name, value),
            "exited" => entry.status == Status::Exited && value.parse() == Ok(entry.recorded.exit),
            "status" => {
                entry.status.word() == value
                    || (value == "stopped" && entry.status == Status::Exited)
            }
            "ancestor" => comes_from(&config.origin, value),
            "volume" => config.mounts.iter().any(|m| {
                let named = m.kind != MountKind::Tmpfs && m.source == value;
                named || m.target == value
            }),
            "health" => match &entry.checks {
                Some(checks) => checks.status == value,
                None => value == "none",
            },
            "network" => network_name(&config.network) == value,
            "restart-policy" => config.restart.split(':').next() == value.split(':').next(),
            "until" => time::parse(value, self.now).is_ok_and(|at| config.created < at),
            "command" => self.matches(&config.args().join(" "), value),
            "should-start-on-boot" => {
                let starts = match config.restart.as_str() {
                    "always" => true,
                    "unless-stopped" => !entry.recorded.stopped,
                    _ => false,
                };
                value.parse() == Ok(starts)
            }
            // There are no pods.
            _ => false,
        }
    }

    fn matches(&self, text: &str, pattern: &str) -> bool {
        self.patterns.iter().any(|(known, regex)| known == pattern && regex.is_in(text))
    }
}

/// Whether the values of a key are regular expressions.
fn is_pattern(key: &str) -> bool {
    matches!(key, "name" | "command")
}

/// Whether a key takes a value; else why not.
fn check(key: &str, value: &str, now: i64) -> Result<(), String> {
    let healths = ["healthy", "unhealthy", "starting", "none"];
    match key {
        "status" if !STATES.contains(&value) => Err(format!("use one of {}", STATES.join(", "))),
        "exited" if value.parse::<i32>().is_err() => Err("use an exit code".to_owned()),
        "until" => time::parse(value, now).map(|_| ()).map_err(|e| e.to_string()),
        "health" if !healths.contains(&value) => Err(format!("use {}", healths.join(", "))),
        "should-start-on-boot" => flag(value).map(|_| ()),
        _ => Ok(()),
    }
}

/// `default`, `none`, `host`, `pasta` or `slirp4netns`.
pub fn network_name(network: &Network) -> &'static str {
    match network {
        Network::Default => "default",
        Network::None => "none",
        Network::Host => "host",
        Network::Pasta(_) => "pasta",
        Network::Slirp4netns(_) => "slirp4netns",
    }
}

/// By image id, by the whole name, by the name without tag, or by its last part.
fn comes_from(origin: &Origin, wanted: &str) -> bool {
    let Origin::Image { name, id, .. } = origin else { return false };
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    let wanted_digits = wanted.strip_prefix("sha256:").unwrap_or(wanted);
    if super::name::is_hex(wanted_digits) && digits.starts_with(wanted_digits) {
        return true;
    }
    let bare = untagged(name);
    let tagged = |part: &str| {
        name == part
            || bare == part
            || name.ends_with(&format!("/{part}"))
            || bare.ends_with(&format!("/{part}"))
    };
    tagged(wanted)
}

fn untagged(name: &str) -> &str {
    let name = name.split('@').next().unwrap_or(name);
    match name.rsplit_once(':') {
        // A colon before the last slash belongs to a port.
        Some((bare, tag)) if !tag.contains('/') => bare,
        _ => name,
    }
}

fn creation_of(key: &str, values: &[String], entries: &[Entry]) -> Result<Vec<i64>, BadFilter> {
    let find = |value: &String| {
        entries
            .iter()
            .find(|e| e.config.name == *value || e.config.id == *value)
            .or_else(|| entries.iter().find(|e| e.config.id.starts_with(value.as_str())))
            .map(|e| e.config.created)
            .ok_or_else(|| BadFilter::value(key, value, "no such container"))
    };
    values.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::super::state::Recorded;
    use super::super::testing::config;
    use super::*;

    fn entries() -> Vec<Entry> {
        let make = |n: i64, name: &str, status: Status| {
            let mut config = config(&format!("{n:0>64}"), name);
            config.created = n * 1_000_000_000;
            config.labels.insert("app".into(), name.into());
            config.origin = Origin::Image {
                name: format!("docker.io/library/{name}:1.{n}"),
                id: format!("sha256:{:f>64}", n),
                manifest: String::new(),
                layers: Vec::new(),
                layout: String::new(),
                driver: "overlay".into(),
            };
            let recorded = Recorded { exit: n as i32, ..Recorded::default() };
            Entry { config, status, recorded, checks: None }
        };
        let mut all = vec![
            make(1, "alpine", Status::Running),
            make(2, "debian", Status::Exited),
            make(3, "alpinist", Status::Created),
        ];
        all[2].config.labels.insert("tier".into(), "game".into());
        all[1].config.restart = "always".into();
        let status = "unhealthy".to_owned();
        all[0].checks = Some(super::super::health::Checks { status, ..Default::default() });
        all
    }

    fn names(words: &[&str]) -> Vec<String> {
        let words: Vec<_> = words.iter().map(|w| (*w).to_owned()).collect();
        let kept = Filters::parse(&words).unwrap().apply(entries()).unwrap();
        kept.into_iter().map(|e| e.config.name).collect()
    }

    #[test]
    fn filters_keep_what_they_say() {
        let cases: &[(&[&str], &[&str])] = &[
            (&["name=alpin"], &["alpine", "alpinist"]),
            (&["name=^alpine$"], &["alpine"]),
            (&["name=^(alpine|debian)$"], &["alpine", "debian"]),
            (&["name=alpin[ei]"], &["alpine", "alpinist"]),
            (&["name=a.*t|deb"], &["debian", "alpinist"]),
            (&["name=^.{6}$", "status=running"], &["alpine"]),
            (&["command=^(ba)?sh"], &["alpine", "debian", "alpinist"]),
            (&["name=debian", "name=ist"], &["debian", "alpinist"]),
            (&["name=alpin", "status=running"], &["alpine"]),
            (&["label=app", "label=tier=game"], &["alpinist"]),
            (&["label=app=debian", "label=tier"], &[]),
            (&["label!=tier"], &["alpine", "debian"]),
            (&["status=exited"], &["debian"]),
            (&["status=stopped"], &["debian"]),
            (&["exited=2"], &["debian"]),
            (&["exited=1"], &[]),
            (&["ancestor=alpine"], &["alpine"]),
            (&["ancestor=docker.io/library/debian:1.2"], &["debian"]),
            (&["ancestor=debian:1.3"], &[]),
            (&["before=debian"], &["alpine"]),
            (&["since=debian"], &["alpinist"]),
            (&["until=2"], &["alpine"]),
            (&["restart-policy=always"], &["debian"]),
            (&["should-start-on-boot=true"], &["debian"]),
            (&["network=none"], &["alpine", "debian", "alpinist"]),
            (&["pod=x"], &[]),
            (&["health=unhealthy"], &["alpine"]),
            (&["health=none", "health=healthy"], &["debian", "alpinist"]),
            (&["command=sh"], &["alpine", "debian", "alpinist"]),
        ];
        for (words, want) in cases {
            assert_eq!(names(words), *want, "{words:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let parse = |word: &str| Filters::parse(&[word.to_owned()]).unwrap_err();
        assert_eq!(parse("name"), BadFilter::Form("name".into()));
        assert!(matches!(parse("color=red"), BadFilter::Key { .. }));
        for bad in ["status=gone", "exited=x", "name=a[", "until=soon", "health=ill"] {
            assert!(matches!(parse(bad), BadFilter::Value { .. }), "{bad}");
        }
        let since = Filters::parse(&["since=nosuch".to_owned()]).unwrap();
        assert!(since.apply(entries()).is_err());
    }
}
