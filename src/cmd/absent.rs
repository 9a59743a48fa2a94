//! Words that people know from other engines, and this version does not have.

use clap::error::{ContextKind, ContextValue};

/// Verbs.
const VERBS: &[&str] =
    &["build", "commit", "history", "import", "kube", "load", "machine", "network", "pod", "save"];
/// Flags, with what is there instead.
const FLAGS: &[(&str, &str)] = &[(
    "--gpus",
    "give the device nodes instead: --device /dev/dri, or --device /dev/nvidia0 and its like",
)];

/// Advice for a command line that was not understood because of such a word.
pub(super) fn advice(error: &clap::Error) -> Option<String> {
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    if let Some(verb) = word(ContextKind::InvalidSubcommand).filter(|verb| VERBS.contains(verb)) {
        return Some(format!("bolt {verb} is not in this version"));
    }
    let typed = word(ContextKind::InvalidArg)?;
    let (flag, instead) = FLAGS.iter().find(|(flag, _)| *flag == typed)?;
    Some(format!("{flag} is not in this version; {instead}"))
}
