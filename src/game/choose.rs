//! The choice among the variants of an index: hard constraints, then score, then a fixed order.
//!
//! A variant whose constraints are not all met is refused. Among the others the first difference
//! in this list decides: it has metadata (plain manifests come last); frames measured on this
//! machine; nothing left that cannot be told; frames its publisher measured on such a GPU; a
//! stronger GPU; tier; more demands met; higher processor level; fewer bytes to fetch; earlier in
//! the index.

use super::constraints::{self, Findings};
use super::metadata::Metadata;
use super::{ANNOTATION, measured::Results};
use crate::facts::HostFacts;
use crate::image::platform;
use crate::image::types::{Descriptor, Digest};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Most manifests of one index; a longer one is refused.
pub const MAX_VARIANTS: usize = 1000;

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Operating system, architecture or processor level.
    Platform,
    /// Its metadata cannot be used.
    Metadata,
    /// No such GPU.
    Gpu,
    /// The GPU's driver.
    Driver,
    /// Memory of the GPU.
    Vram,
    /// Vulkan's version.
    Vulkan,
    /// A Vulkan extension.
    Extension,
    /// The kernel's version.
    Kernel,
    /// A feature of the kernel.
    Feature,
    /// Memory.
    Memory,
    /// Proton.
    Proton,
    /// It would run, but another is preferred.
    Outranked,
}

/// Why a variant was refused or set back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it is about.
    pub code: Code,
    /// In words.
    pub text: String,
    /// What would mend it, where something would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What came of a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// This one.
    Taken,
    /// It would run too.
    Outranked,
    /// It cannot run here.
    Refused,
}

/// One variant and what was found about it.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Its manifest.
    pub digest: Digest,
    /// Its name, or the platform of a plain manifest.
    pub name: String,
    /// `os/arch[/variant]`, empty when it does not tell.
    pub platform: String,
    /// It has no metadata: any tool would take it.
    pub plain: bool,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it was refused or outranked; empty for the one that is taken.
    pub reasons: Vec<Reason>,
    /// Demands that could not be checked.
    pub unknown: Vec<Reason>,
    /// The Proton build to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proton: Option<String>,
    /// What its publisher says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Bytes that a pull would fetch, where its layers are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch_bytes: Option<u64>,
    /// Why its metadata artifact was not used, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    #[serde(skip)]
    rank: Rank,
}

impl Verdict {
    /// Whether its publisher's words could not be understood.
    pub fn has_bad_metadata(&self) -> bool {
        self.reasons.iter().any(|reason| reason.code == Code::Metadata)
    }
}

/// What decides between two that both run; the first difference counts.
#[derive(Debug, Clone, Default)]
struct Rank {
    plain: bool,
    here: Option<f64>,
    unknown: usize,
    promised: Option<f64>,
    strength: u8,
    tier: u8,
    met: u32,
    level: u32,
    missing: Option<u64>,
    place: usize,
}

/// What is known of the variants beyond their index, by manifest.
#[derive(Debug, Default)]
pub struct Known {
    /// Bytes that a pull would fetch.
    pub missing: BTreeMap<Digest, u64>,
    /// The document of the metadata artifact, or why there is none to be had.
    pub whole: BTreeMap<Digest, Result<Vec<u8>, String>>,
}

/// All variants: the one that is taken first, then those that would run, then the refused.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// In order.
    pub verdicts: Vec<Verdict>,
    /// Why the first one is taken; empty when none is.
    pub why: String,
}

/// Why no choice could be made.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// An index without an end.
    #[error(
        "index {digest} lists {count} manifests; an index of more than {MAX_VARIANTS} is refused: name one by its digest, or ask its publisher for several tags"
    )]
    TooMany {
        /// The index.
        digest: Digest,
        /// How many.
        count: usize,
    },
}

impl Choice {
    /// The variant that is taken.
    pub fn taken(&self) -> Option<&Verdict> {
        self.verdicts.first().filter(|verdict| verdict.outcome == Outcome::Taken)
    }

    /// The variants that run here.
    pub fn runnable(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.outcome != Outcome::Refused)
    }

    /// The variants between which only the bytes to fetch and the place in the index decide;
    /// empty where one stands alone.
    pub fn tied(&self) -> Vec<&Digest> {
        let Some(first) = self.taken() else { return Vec::new() };
        let tied = self.runnable().filter(|v| {
            let early = steps(&first.rank, &v.rank);
            early[..BY_BYTES].iter().all(|(order, _)| order.is_eq())
        });
        let tied: Vec<&Digest> = tied.map(|v| &v.digest).collect();
        if tied.len() > 1 { tied } else { Vec::new() }
    }

    /// The refused variant with the least that is wrong, mendable things before others.
    pub fn nearest(&self) -> Option<&Verdict> {
        let wrong = |verdict: &&Verdict| {
            let hopeless = verdict.reasons.iter().filter(|reason| reason.fix.is_none()).count();
            (hopeless, verdict.reasons.len(), verdict.rank.place)
        };
        self.verdicts.iter().filter(|v| v.outcome == Outcome::Refused).min_by_key(wrong)
    }
}

/// Refuses an index of too many manifests, before anything is asked about them.
pub fn check_count(digest: &Digest, entries: &[Descriptor]) -> Result<(), ChoiceError> {
    match entries.len() > MAX_VARIANTS {
        true => Err(ChoiceError::TooMany { digest: digest.clone(), count: entries.len() }),
        false => Ok(()),
    }
}

/// Judges each manifest of the index `digest` on the machine of `facts`.
pub fn choose(
    digest: &Digest,
    entries: &[Descriptor],
    facts: &HostFacts,
    results: &Results,
    known: &Known,
) -> Result<Choice, ChoiceError> {
    check_count(digest, entries)?;
    let host = facts.platform();
    let mut verdicts = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        if platform::is_attestation(entry) {
            continue;
        }
        let level = platform::fit(entry, &host, entries.len());
        let mut verdict = judge(entry, facts, level, known.whole.get(&entry.digest));
        verdict.rank.place = place;
        verdict.fetch_bytes = known.missing.get(&entry.digest).copied();
        verdict.rank.missing = verdict.fetch_bytes;
        verdict.rank.here = results.of(&entry.digest, facts);
        verdicts.push(verdict);
    }
    verdicts.sort_by(|a, b| {
        let refused = |v: &Verdict| v.outcome == Outcome::Refused;
        refused(a).cmp(&refused(b)).then_with(|| compare(&a.rank, &b.rank).0)
    });
    let why = settle(&mut verdicts);
    Ok(Choice { verdicts, why })
}

/// What an entry and its artifact say. The artifact is the whole document and stands for itself;
/// the annotation counts where there is none, or none that can be used.
struct Said {
    metadata: Option<Metadata>,
    bad: Option<String>,
    artifact: Option<String>,
}

fn said(entry: &Descriptor, whole: Option<&Result<Vec<u8>, String>>) -> Said {
    let whole = whole.map(|whole| match whole {
        Ok(bytes) => Metadata::parse(bytes).map_err(|e| e.to_string()),
        Err(reason) => Err(reason.clone()),
    });
    let artifact = match whole {
        Some(Ok(metadata)) => return Said { metadata: Some(metadata), bad: None, artifact: None },
        Some(Err(reason)) => Some(reason),
        None => None,
    };
    match entry.annotations.get(ANNOTATION).map(|text| Metadata::parse(text.as_bytes())) {
        Some(Ok(metadata)) => Said { metadata: Some(metadata), bad: None, artifact },
        Some(Err(e)) => {
            Said { metadata: None, bad: Some(format!("annotation {ANNOTATION}: {e}")), artifact }
        }
        // It has demands, and nobody can tell which.
        None => {
            let bad = artifact.as_ref().map(|why| format!("its metadata artifact: {why}"));
            Said { metadata: None, bad, artifact: None }
        }
    }
}

fn judge(
    entry: &Descriptor,
    facts: &HostFacts,
    level: Option<u32>,
    whole: Option<&Result<Vec<u8>, String>>,
) -> Verdict {
    let Said { metadata, bad, artifact } = said(entry, whole);
    let platform = entry.platform.as_ref().map(platform::show).unwrap_or_default();
    let plain = metadata.is_none() && bad.is_none();
    let Findings { mut refused, unknown, met, strength, proton } =
        metadata.as_ref().map(|m| constraints::examine(m, facts)).unwrap_or_default();
    if let Some(text) = bad {
        refused.push(Reason { code: Code::Metadata, text, fix: None });
    }
    if level.is_none() {
        let shown = if platform.is_empty() { "a platform it does not tell" } else { &platform };
        let text = format!("it is made for {shown}; here is {}", facts.platform);
        refused.insert(0, Reason { code: Code::Platform, text, fix: None });
    }
    let named = metadata.as_ref().and_then(|m| m.variant.clone());
    let name = named.unwrap_or_else(|| match (plain, platform.as_str()) {
        (true, "") => "plain".to_owned(),
        (true, platform) => format!("plain {platform}"),
        (false, platform) => platform.to_owned(),
    });
    let rank = Rank {
        plain,
        unknown: unknown.len(),
        promised: metadata.as_ref().and_then(|m| promised(m, facts)),
        strength,
        tier: metadata.as_ref().and_then(|m| m.tier).map_or(0, |tier| 1 + tier as u8),
        met,
        level: level.unwrap_or(0),
        ..Rank::default()
    };
    Verdict {
        digest: entry.digest.clone(),
        name,
        platform,
        plain,
        outcome: if refused.is_empty() { Outcome::Outranked } else { Outcome::Refused },
        reasons: refused,
        unknown,
        proton,
        metadata,
        fetch_bytes: None,
        artifact,
        rank,
    }
}

/// What the publisher measured on a GPU of this machine: the slowest hundredth, else the average.
fn promised(metadata: &Metadata, facts: &HostFacts) -> Option<f64> {
    let here = |gpu: &str| facts.gpus.iter().any(|have| have.pci.eq_ignore_ascii_case(gpu));
    let fitting = metadata.measured.iter().filter(|promise| here(&promise.gpu));
    fitting.map(|promise| promise.fps_low1.unwrap_or(promise.fps_avg)).max_by(f64::total_cmp)
}

/// Marks the first, says why the other runnable ones stand behind it, and returns why it is taken.
fn settle(verdicts: &mut [Verdict]) -> String {
    let count = verdicts.len();
    let Some((first, others)) = verdicts.split_first_mut() else { return String::new() };
    if first.outcome == Outcome::Refused {
        return String::new();
    }
    first.outcome = Outcome::Taken;
    let mut why = match count {
        1 => "the only one there is".to_owned(),
        _ => format!("the only one of {count} that runs here"),
    };
    let runnable = others.iter_mut().filter(|verdict| verdict.outcome == Outcome::Outranked);
    for (n, other) in runnable.enumerate() {
        let reason = compare(&first.rank, &other.rank).1;
        if n == 0 {
            why = format!("before {}: {reason}", other.name);
        }
        let text = format!("{} is preferred: {reason}", first.name);
        other.reasons.push(Reason { code: Code::Outranked, text, fix: None });
    }
    why
}

/// How many of the steps come before the bytes to fetch.
const BY_BYTES: usize = 8;

/// One step of a comparison: `Less` when the first is preferred, and why.
type Step = (Ordering, fn(&Rank, &Rank) -> String);

/// `Less` when `a` is preferred, and why.
fn compare(a: &Rank, b: &Rank) -> (Ordering, String) {
    match steps(a, b).into_iter().find(|(order, _)| order.is_ne()) {
        Some((order, why)) => (order, why(a, b)),
        None => (Ordering::Equal, String::new()),
    }
}

fn steps(a: &Rank, b: &Rank) -> [Step; 10] {
    let frames = |x: Option<f64>, y: Option<f64>| match (x, y) {
        (Some(x), Some(y)) => y.total_cmp(&x),
        (x, y) => y.is_some().cmp(&x.is_some()),
    };
    let bytes = |rank: &Rank| rank.missing.unwrap_or(u64::MAX);
    [
        (a.plain.cmp(&b.plain), |_, _| "a plain manifest comes last".to_owned()),
        (frames(a.here, b.here), |a, b| {
            format!("frames measured on this machine, {} against {}", fps(a.here), fps(b.here))
        }),
        (a.unknown.min(1).cmp(&b.unknown.min(1)), |_, _| {
            "all it needs could be checked".to_owned()
        }),
        (frames(a.promised, b.promised), |a, b| {
            let (x, y) = (fps(a.promised), fps(b.promised));
            format!("frames its publisher measured on this GPU, {x} against {y}")
        }),
        (b.strength.cmp(&a.strength), |_, _| "it uses the stronger GPU".to_owned()),
        (b.tier.cmp(&a.tier), |_, _| "its tier".to_owned()),
        (b.met.cmp(&a.met), |a, b| {
            format!("more of what it needs is here, {} against {}", a.met, b.met)
        }),
        (b.level.cmp(&a.level), |_, _| "it is made for a higher processor level".to_owned()),
        (bytes(a).cmp(&bytes(b)), |a, b| match (a.missing, b.missing) {
            (Some(0), _) => "it is in the store already".to_owned(),
            (Some(x), Some(y)) => format!("fewer bytes to fetch, {x} against {y}"),
            _ => "the bytes to fetch are known".to_owned(),
        }),
        (a.place.cmp(&b.place), |_, _| "it stands earlier in the index".to_owned()),
    ]
}

fn fps(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |v| format!("{v:.1}"))
}
