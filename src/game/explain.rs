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

    /// Every variant with every reason, in lines. Publishers have a word in them: what is printed
    /// must be made safe for terminals, each line by itself.
    pub fn lines(&self) -> Vec<String> {
        let kind = if self.is_index { "index" } else { "manifest" };
        let mut lines = vec![
            format!("{} → {} ({kind} {})", self.name, self.place, self.root),
            format!("machine: {}", machine(&self.facts)),
        ];
        for verdict in &self.choice.verdicts {
            let outcome = match verdict.outcome {
                Outcome::Taken => "taken",
                Outcome::Outranked => "outranked",
                Outcome::Refused => "refused",
            };
            lines.push(format!("{outcome:<9}  {}  {}", verdict.name, verdict.digest));
            if verdict.outcome == Outcome::Taken {
                lines.push(format!("           {}", self.choice.why));
            }
            lines.extend(details(verdict));
        }
        lines
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

fn details(verdict: &Verdict) -> Vec<String> {
    let mut lines = Vec::new();
    for Reason { text: reason, fix, .. } in &verdict.reasons {
        lines.push(format!("           {reason}"));
        lines.extend(fix.iter().map(|fix| format!("             to mend it: {fix}")));
    }
    let unknown = verdict.unknown.iter();
    lines.extend(unknown.map(|unknown| format!("           not checked: {}", unknown.text)));
    if let Some(why) = &verdict.artifact {
        lines.push(format!("           its metadata artifact is not used: {why}"));
    }
    if verdict.outcome == Outcome::Refused {
        return lines;
    }
    match verdict.fetch_bytes {
        Some(0) => lines.push("           nothing to fetch".to_owned()),
        Some(bytes) => lines.push(format!("           {bytes} bytes to fetch")),
        None => {}
    }
    lines.extend(verdict.proton.iter().map(|proton| format!("           Proton: {proton}")));
    lines
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
