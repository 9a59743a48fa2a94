//! Words that people know from other engines, and this version does not have: one line each, in
//! place of the parser's own, which advise words that are spelt alike.

use crate::spec::devices;
use clap::error::{ContextKind, ContextValue};

/// Verbs, with what does the same where something does.
const VERBS: &[(&str, &str)] = &[
    ("build", "bolt pull oci:DIR or oci-archive:FILE takes what another program has built"),
    ("commit", "bolt export NAME >FILE writes a container's files to an archive"),
    ("compose", "bolt run --requires NAME starts others before; bolt surge reads Boltfiles"),
    ("history", ""),
    ("import", "bolt run --rootfs DIR runs what an archive was unpacked to"),
    ("kube", ""),
    ("load", "bolt pull oci-archive:FILE takes an image from a file"),
    ("machine", ""),
    ("network", "bolt run --network none, host or pasta, and -p"),
    ("save", "bolt push IMAGE oci-archive:FILE writes an image to a file"),
];
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
    ("--gpus", devices::NODES),
    ("--hostuser", ""),
    ("--http-proxy", ""),
    ("--image-volume", ""),
    ("--init-ctr", "--requires NAME starts others before"),
    ("--init-path", ""),
    ("--ip", ""),
    ("--ip6", ""),
    ("--label-file", ""),
    ("--link", "with --network host containers find each other on 127.0.0.1"),
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
    let known = |list: &[(&'static str, &'static str)], typed: Option<&str>| {
        list.iter().copied().find(|(known, _)| typed == Some(known))
    };
    let (what, instead) = match known(VERBS, verb) {
        Some((verb, instead)) => (format!("bolt {verb}"), instead),
        None => known(FLAGS, flag).map(|(flag, instead)| (flag.to_owned(), instead))?,
    };
    let between = if instead.is_empty() { "" } else { "; " };
    Some(format!("{what} is not in this version{between}{instead}"))
}

fn word(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word),
        _ => None,
    }
}
