//! Words that people know from other engines, and this version does not have.

use clap::error::{ContextKind, ContextValue};

/// Verbs.
const VERBS: &[&str] =
    &["build", "commit", "history", "import", "kube", "load", "machine", "network", "save"];
/// Flags, with what is there instead.
const FLAGS: &[(&str, &str)] = &[(
    "--gpus",
    "give the device nodes instead: --device /dev/dri, or --device /dev/nvidia0 and its like",
)];

/// Flags about pods.
const PODS: &[&str] = &["--pod", "--pod-id-file", "--pod-prefix"];

/// What is said of pods, in place of the parser's own words: those advise flags that are spelt alike.
pub(super) fn refusal(error: &clap::Error) -> Option<String> {
    let verb = word(error, ContextKind::InvalidSubcommand).filter(|verb| *verb == "pod");
    let flag = || word(error, ContextKind::InvalidArg).filter(|flag| PODS.contains(flag));
    let typed = verb.or_else(flag)?;
    Some(format!(
        "{typed}: pods are not supported; start the containers one by one: --requires NAME starts \
         others before, and with --network host they share the host's network"
    ))
}

/// Advice for a command line that was not understood because of such a word.
pub(super) fn advice(error: &clap::Error) -> Option<String> {
    let verb = word(error, ContextKind::InvalidSubcommand);
    if let Some(verb) = verb.filter(|verb| VERBS.contains(verb)) {
        return Some(format!("bolt {verb} is not in this version"));
    }
    let typed = word(error, ContextKind::InvalidArg)?;
    let (flag, instead) = FLAGS.iter().find(|(flag, _)| *flag == typed)?;
    Some(format!("{flag} is not in this version; {instead}"))
}

fn word(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word),
        _ => None,
    }
}
