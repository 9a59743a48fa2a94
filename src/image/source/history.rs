//! What earlier pulls measured of each source: a small file that orders the next pull's, and that
//! `bolt source ls` shows. It may be removed at any time.

use crate::image::registry::clock;
use crate::sys::atomic::{self, Sync};
use crate::sys::small;
use crate::ui::redact::foreign;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Sources that are remembered; the ones unused for longest are forgotten.
const MOST: usize = 200;
/// How much a new measurement counts against the old ones.
const WEIGHT: f64 = 0.5;
/// Bytes of the blob whose expected time is the rank.
const TYPICAL: f64 = 8.0 * 1024.0 * 1024.0;
/// For how long a source that made trouble is ranked behind the others, in seconds.
const TROUBLE: i64 = 10 * 60;
/// For how long a source that lied is, in seconds.
const LIE: i64 = 24 * 60 * 60;
/// What is expected of a source that was never used, in seconds: it is tried before slow ones.
const UNKNOWN: f64 = 0.25;
/// Longest latency that is believed, in seconds: no pull waits that long.
const SLOWEST: f64 = 3600.0;
/// Highest rate that is believed, in bytes a second.
const FASTEST: f64 = 1e12;
/// Longest text that is kept of a trouble, in characters.
const LONGEST: usize = 400;

/// What is known of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Seconds until the first byte; `None` was never measured.
    pub latency: Option<f64>,
    /// Bytes a second; 0 was never measured.
    pub rate: f64,
    /// Bytes that came from it in all.
    pub bytes: u64,
    /// Pulls that it served.
    pub pulls: u64,
    /// When it was last used, in seconds since 1970.
    pub used: i64,
    /// What it last did wrong.
    pub trouble: Option<String>,
    /// When.
    pub troubled: i64,
    /// How often it sent wrong bytes.
    pub lies: u64,
}

impl Record {
    /// What nobody can have measured counts as never measured, and is measured anew.
    fn forget_nonsense(&mut self) {
        self.latency = self.latency.filter(|seconds| (0.0..=SLOWEST).contains(seconds));
        if !(0.0..=FASTEST).contains(&self.rate) {
            self.rate = 0.0;
        }
    }
}

/// What one pull measured of one source.
#[derive(Debug, Clone, Default)]
pub(in crate::image) struct Entry {
    pub(super) latency: Option<Duration>,
    pub(super) rate: f64,
    pub(super) bytes: u64,
    pub(super) trouble: Option<String>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    version: u32,
    sources: BTreeMap<String, Record>,
}

/// The file and what it says.
#[derive(Debug, Default)]
pub struct History {
    file: Option<PathBuf>,
    sources: BTreeMap<String, Record>,
}

impl History {
    /// Reads `file`; one that is not there, or not understood, says nothing.
    pub fn read(file: &Path) -> Self {
        let contents = small::read_regular(file).ok();
        let contents = contents.and_then(|b| serde_json::from_slice::<Contents>(&b).ok());
        let mut sources = contents.filter(|c| c.version == 1).unwrap_or_default().sources;
        sources.values_mut().for_each(Record::forget_nonsense);
        History { file: Some(file.to_owned()), sources }
    }

    /// What is known of a source.
    pub fn of(&self, name: &str) -> Option<&Record> {
        self.sources.get(name)
    }

    /// All that is known.
    pub fn all(&self) -> &BTreeMap<String, Record> {
        &self.sources
    }

    /// The order of sources, least first: recent lies, recent trouble, then the seconds that 8 MiB
    /// are expected to take.
    pub fn rank(&self, name: &str) -> (u8, f64) {
        let Some(record) = self.sources.get(name) else { return (0, UNKNOWN) };
        let age = clock::now().saturating_sub(record.troubled);
        let recent = |limit: i64| record.troubled > 0 && (0..limit).contains(&age);
        let class = match record.lies {
            1.. if recent(LIE) => 2,
            _ if record.trouble.is_some() && recent(TROUBLE) => 1,
            _ => 0,
        };
        if record.rate <= 0.0 {
            return (class, UNKNOWN);
        }
        (class, record.latency.unwrap_or_default() + TYPICAL / record.rate)
    }

    /// Why a source has its rank, in words.
    pub fn reason(&self, name: &str) -> String {
        let Some(record) = self.sources.get(name) else { return "never used".to_owned() };
        match (self.rank(name), &record.trouble) {
            ((2, _), _) => "sent wrong bytes within the last day".to_owned(),
            ((1, _), Some(trouble)) => format!("trouble within the last 10 minutes: {trouble}"),
            ((_, seconds), _) if record.rate > 0.0 => {
                format!("8 MiB are expected in {seconds:.2} s")
            }
            _ => "never measured".to_owned(),
        }
    }

    /// Bytes a second; 0 when it was never measured.
    pub(super) fn speed(&self, name: &str) -> f64 {
        self.sources.get(name).map_or(0.0, |r| r.rate)
    }

    /// How often a source lied.
    pub(super) fn lies(&self, name: &str) -> u64 {
        self.sources.get(name).map_or(0, |r| r.lies)
    }

    /// A source sent wrong bytes.
    pub(super) fn lied(&mut self, name: &str) {
        self.sources.entry(name.to_owned()).or_default().lies += 1;
    }

    /// Takes in what a pull measured.
    pub(super) fn measured(&mut self, name: &str, entry: &Entry) {
        let record = self.sources.entry(name.to_owned()).or_default();
        let mix = |old: f64, new: f64| {
            if old > 0.0 { old * (1.0 - WEIGHT) + new * WEIGHT } else { new }
        };
        if let Some(latency) = entry.latency {
            let old = record.latency.unwrap_or_default();
            record.latency = Some(mix(old, latency.as_secs_f64()));
        }
        if entry.rate > 0.0 {
            record.rate = mix(record.rate, entry.rate);
        }
        record.bytes = record.bytes.saturating_add(entry.bytes);
        record.pulls += 1;
        record.used = clock::now();
        if let Some(trouble) = &entry.trouble {
            record.trouble = Some(foreign(trouble, LONGEST));
            record.troubled = clock::now();
        }
    }

    /// Writes the file, when there is one. For the user alone: it names the servers that he uses, and
    /// what they said.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while self.sources.len() > MOST {
            let oldest = self.sources.iter().min_by_key(|(_, r)| r.used).map(|(n, _)| n.clone());
            self.sources.remove(&oldest.unwrap_or_default());
        }
        let Some(file) = &self.file else { return Ok(()) };
        let (Some(dir), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
        std::fs::create_dir_all(dir)?;
        let contents = Contents { version: 1, sources: self.sources.clone() };
        let bytes = serde_json::to_vec_pretty(&contents)?;
        let (dir, name) = (File::open(dir)?, name.to_string_lossy());
        atomic::write_mode(dir, &name, &bytes, Sync::Fast, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn entry(milliseconds: u64, rate: f64, trouble: Option<&str>) -> Entry {
        let latency = Some(Duration::from_millis(milliseconds));
        Entry { latency, rate, bytes: 5, trouble: trouble.map(str::to_owned) }
    }

    #[test]
    fn what_was_measured_orders_the_sources() {
        let dir = Scratch::new("history");
        let file = dir.path().join("below/sources.json");
        let mut history = History::read(&file);
        history.measured("fast", &entry(5, 100e6, None));
        history.measured("near", &entry(1, 20e6, None));
        history.measured("far", &entry(900, 100e6, None));
        history.measured("ill", &entry(1, 200e6, Some("cut")));
        history.measured("liar", &entry(1, 200e6, Some("wrong")));
        history.lied("liar");
        history.write().unwrap();
        let history = History::read(&file);
        let mut names = ["liar", "ill", "far", "near", "new", "fast"];
        names.sort_by(|a, b| history.rank(a).partial_cmp(&history.rank(b)).unwrap());
        assert_eq!(names, ["fast", "new", "near", "far", "ill", "liar"]);
        assert_eq!(history.reason("new"), "never used");
        assert!(history.reason("ill").ends_with("cut"), "{}", history.reason("ill"));
        assert!(history.reason("near").contains("0.42 s"), "{}", history.reason("near"));
        assert_eq!(history.of("near").unwrap().pulls, 1);
    }

    #[test]
    fn new_measurements_count_half() {
        let mut history = History::default();
        history.measured("a", &entry(100, 10e6, None));
        history.measured("a", &entry(300, 30e6, None));
        let record = history.of("a").unwrap();
        assert_eq!((record.latency, record.rate, record.bytes), (Some(0.2), 20e6, 10));
    }

    #[test]
    fn a_file_that_is_not_understood_says_nothing() {
        let dir = Scratch::new("history-bad");
        let file = dir.path().join("sources.json");
        for bad in ["", "{", "[]", r#"{"version":9,"sources":{"a":{}}}"#] {
            std::fs::write(&file, bad).unwrap();
            assert!(History::read(&file).all().is_empty(), "{bad}");
        }
        std::fs::write(&file, r#"{"version":1,"sources":{"a":{"rate":1}}}"#).unwrap();
        assert_eq!(History::read(&file).all().len(), 1);
    }

    #[test]
    fn what_nobody_can_have_measured_is_not_known() {
        let dir = Scratch::new("history-nonsense");
        let file = dir.path().join("sources.json");
        let said = r#"{"version":1,"sources":{"a":{"latency":1e300,"rate":1e300},
            "b":{"latency":-1,"rate":-5},"c":{"latency":0.5,"rate":1e6}}}"#;
        std::fs::write(&file, said).unwrap();
        let mut history = History::read(&file);
        for name in ["a", "b"] {
            assert_eq!(history.of(name), Some(&Record::default()), "{name}");
        }
        history.measured("a", &entry(5, 1e6, None));
        assert_eq!(history.of("a").unwrap().latency, Some(0.005));
        assert_eq!(history.of("c").unwrap().latency, Some(0.5));
    }

    #[test]
    fn the_file_is_the_users_own() {
        use std::os::unix::fs::MetadataExt;
        crate::ui::redact::learn("HISTORYsecret");
        let dir = Scratch::new("history-mode");
        let file = dir.path().join("sources.json");
        let mut history = History::read(&file);
        history.measured("a", &entry(5, 1.0, Some("it said HISTORY\u{7}secret")));
        history.write().unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("it said ***") && !text.contains("secret"), "{text}");
    }

    #[test]
    fn the_unused_are_forgotten() {
        let mut history = History::default();
        for n in 0..MOST + 5 {
            history.measured(&format!("s{n:04}"), &entry(1, 1.0, None));
        }
        history.write().unwrap();
        assert_eq!(history.all().len(), MOST);
    }
}
