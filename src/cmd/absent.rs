//! Words that people know from other engines, and this version does not have: one line each, in
//! place of the parser's own, which advise words that are spelt alike.

use clap::error::{ContextKind, ContextValue};

/// Verbs.
const VERBS: &[&str] =
    &["build", "commit", "history", "import", "kube", "load", "machine", "network", "save"];
/// podman's flags, with what is there instead where there is something.
const FLAGS: &[(&str, &str)] = &[
    ("--add-host", "mount a file of your own: -v FILE:/etc/hosts:ro"),
    ("--arch", "--platform OS/ARCH[/VARIANT] chooses the image's"),
    ("--attach", ""),
    ("--blkio-weight", ""),
    ("--blkio-weight-device", ""),
    ("--cgroup-conf", ""),
    ("--cgroup-parent", ""),
    ("--chrootdirs", ""),
    ("--cpu-rt-period", ""),
    ("--cpu-rt-runtime", ""),
    ("--device-cgroup-rule", ""),
    ("--device-read-bps", ""),
    ("--device-read-iops", ""),
    ("--device-write-bps", ""),
    ("--device-write-iops", ""),
    ("--disable-content-trust", ""),
    ("--dns", "mount a file of your own: -v FILE:/etc/resolv.conf:ro"),
    ("--dns-option", "mount a file of your own: -v FILE:/etc/resolv.conf:ro"),
    ("--dns-search", "mount a file of your own: -v FILE:/etc/resolv.conf:ro"),
    ("--env-merge", ""),
    ("--external", ""),
    ("--gidmap", "--userns keep-id:uid=UID,gid=GID maps your own ids"),
    ("--group-entry", "--passwd=false leaves the account files alone"),
    (
        "--gpus",
        "give the device nodes instead: --device /dev/dri, or --device /dev/nvidia0 and its like",
    ),
    ("--hostuser", ""),
    ("--http-proxy", ""),
    ("--image-volume", ""),
    ("--init-ctr", "--requires NAME starts others before"),
    ("--init-path", ""),
    ("--ip", ""),
    ("--ip6", ""),
    ("--label-file", ""),
    ("--mac-address", ""),
    ("--memory-swappiness", ""),
    ("--network-alias", ""),
    ("--no-hosts", ""),
    ("--oom-kill-disable", ""),
    ("--os", "--platform OS/ARCH[/VARIANT] chooses the image's"),
    ("--personality", ""),
    ("--pid", ""),
    ("--read-only-tmpfs", "--tmpfs DIR makes one below a --read-only root"),
    ("--rmi", ""),
    ("--seccomp-policy", ""),
    ("--subgidname", ""),
    ("--subuidname", ""),
    ("--sync", ""),
    ("--systemd", ""),
    ("--uidmap", "--userns keep-id:uid=UID,gid=GID maps your own ids"),
    ("--unsetenv-all", ""),
    ("--variant", "--platform OS/ARCH[/VARIANT] chooses the image's"),
    ("--volumes-from", "name the same volumes again: -v NAME:DIR"),
    ("--watch", ""),
];

/// Flags about pods.
const PODS: &[&str] = &["--pod", "--pod-id-file", "--pod-prefix"];

/// The whole error for a command line that was not understood because of such a word.
pub(super) fn refusal(error: &clap::Error) -> Option<String> {
    let verb = word(error, ContextKind::InvalidSubcommand);
    let flag = word(error, ContextKind::InvalidArg);
    if let Some(typed) = verb.filter(|v| *v == "pod").or(flag.filter(|f| PODS.contains(f))) {
        return Some(format!(
            "{typed}: pods are not supported; start the containers one by one: --requires NAME \
             starts others before, and with --network host they share the host's network"
        ));
    }
    if let Some(verb) = verb.filter(|verb| VERBS.contains(verb)) {
        return Some(format!("bolt {verb} is not in this version"));
    }
    let (flag, instead) = FLAGS.iter().find(|(known, _)| flag == Some(known))?;
    let between = if instead.is_empty() { "" } else { "; " };
    Some(format!("{flag} is not in this version{between}{instead}"))
}

fn word(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word),
        _ => None,
    }
}
