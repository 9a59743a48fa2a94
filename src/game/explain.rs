//! A choice in words and as JSON.

use super::choose::{Choice, Outcome, Reason, Verdict};
use super::constraints::here;
use crate::facts::HostFacts;
use crate::image::reference::Reference;
use crate::image::types::Digest;
use serde_json::{Value, json};

/// A name, where it led, and the choice that was made there.
#[derive(Debug)]
pub struct Resolution {
    /// As it was typed.
    pub name: String,
    /// The repository with its tag or digest.
    pub place: Reference,
    /// The document that the place names.
    pub root: Digest,
    /// Whether that is an index; else a single manifest.
    pub is_index: bool,
    /// The machine.
    pub facts: HostFacts,
    /// The variants.
    pub choice: Choice,
}

impl Resolution {
    /// One line: which variant, and why.
    pub fn line(&self) -> String {
        let Some(taken) = self.choice.taken() else {
            return format!("{}: nothing fits", self.name);
        };
        format!("{}: {} of {} ({})", self.name, taken.name, self.place, self.choice.why)
    }

    /// Why nothing fits, with the nearest miss and what would mend it.
    pub fn no_fit(&self) -> String {
        let Some(nearest) = self.choice.nearest() else {
            return format!("{}: {} lists no image", self.name, self.place);
        };
        let reasons: Vec<&str> = nearest.reasons.iter().map(|r| r.text.as_str()).collect();
        let fixes: Vec<&str> = nearest.reasons.iter().filter_map(|r| r.fix.as_deref()).collect();
        let mend = match fixes.as_slice() {
            [] => "nothing on this machine would mend that".to_owned(),
            fixes if fixes.len() < reasons.len() => {
                format!("{}, but not all of it can be mended here", fixes.join("; "))
            }
            fixes => format!("to mend it: {}", fixes.join("; ")),
        };
        let all = match self.choice.verdicts.len() {
            1 => format!("the only variant of {} does not fit this machine", self.place),
            count => format!("none of the {count} variants of {} fits this machine", self.place),
        };
        let which = if self.choice.verdicts.len() == 1 { "" } else { "the nearest is " };
        let (name, digest) = (&nearest.name, short(&nearest.digest));
        format!("{}: {all}; {which}{name} ({digest}): {}; {mend}", self.name, reasons.join("; "))
    }

    /// Every variant with every reason.
    pub fn text(&self) -> String {
        let kind = if self.is_index { "index" } else { "manifest" };
        let mut text = format!("{} → {} ({kind} {})\n", self.name, self.place, self.root);
        text.push_str(&format!("machine: {}\n", machine(&self.facts)));
        for verdict in &self.choice.verdicts {
            let outcome = match verdict.outcome {
                Outcome::Taken => "taken",
                Outcome::Outranked => "outranked",
                Outcome::Refused => "refused",
            };
            text.push_str(&format!("{outcome:<9}  {}  {}\n", verdict.name, verdict.digest));
            if verdict.outcome == Outcome::Taken {
                text.push_str(&format!("           {}\n", self.choice.why));
            }
            text.push_str(&details(verdict));
        }
        text
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "place": self.place.to_string(),
            "root": self.root,
            "index": self.is_index,
            "taken": self.choice.taken().map(|taken| taken.digest.to_string()),
            "why": self.choice.taken().map(|_| &self.choice.why),
            "host": self.facts,
            "variants": self.choice.verdicts,
        })
    }
}

fn details(verdict: &Verdict) -> String {
    let mut text = String::new();
    for Reason { text: reason, fix, .. } in &verdict.reasons {
        text.push_str(&format!("           {reason}\n"));
        if let Some(fix) = fix {
            text.push_str(&format!("             to mend it: {fix}\n"));
        }
    }
    for unknown in &verdict.unknown {
        text.push_str(&format!("           not checked: {}\n", unknown.text));
    }
    if let Some(why) = &verdict.artifact {
        text.push_str(&format!("           its metadata artifact is not used: {why}\n"));
    }
    match verdict.fetch_bytes.filter(|_| verdict.outcome != Outcome::Refused) {
        Some(0) => text.push_str("           nothing to fetch\n"),
        Some(bytes) => text.push_str(&format!("           {bytes} bytes to fetch\n")),
        None => {}
    }
    if let Some(proton) = verdict.proton.as_ref().filter(|_| verdict.outcome != Outcome::Refused) {
        text.push_str(&format!("           Proton: {proton}\n"));
    }
    text
}

fn machine(facts: &HostFacts) -> String {
    let features: Vec<&str> = facts.kernel.features.iter().map(|f| f.shown()).collect();
    let kernel = match features.as_slice() {
        [] => facts.kernel.release.clone(),
        features => format!("{} ({})", facts.kernel.release, features.join(", ")),
    };
    let gpus = here(facts);
    format!("{}, {gpus}, kernel {kernel}, {} MiB", facts.platform, facts.memory_mb)
}

/// The first digits of a digest, for a line.
fn short(digest: &Digest) -> String {
    format!("{}:{}", digest.algorithm(), &digest.hex()[..12])
}
