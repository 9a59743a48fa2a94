//! Limits that a machine does not let an ordinary user set: the container starts, and each is told
//! once, with the reason.

use super::machine::{changed, may_change};
use crate::harness::process::Out;
use crate::harness::user::{IMAGE, Session};

const LIMITS: [&str; 4] = ["-m", "64m", "--cpus", "1"];

/// Where version 1 of a controller is mounted.
fn v1_mount(controller: &str) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = mounts.find(|m| m[2] == "cgroup" && m[3].split(',').any(|o| o == controller));
    found.map(|mount| mount[1].to_owned())
}

/// Whether the user may make a group for himself somewhere in there.
fn is_open(s: &Session, mount: &str) -> bool {
    let find = ["-L", mount, "-maxdepth", "3", "-type", "d", "-writable", "-print", "-quit"];
    let output = s.command("find").args(find).output().unwrap();
    !output.stdout.is_empty()
}

/// Both limits are told, one line each and no line else, and the record has the same.
fn assert_denied(s: &Session, out: &Out, reasons: [&str; 2]) {
    assert_eq!((out.code, out.out.as_str()), (0, "ran\n"), "{out:?}");
    let recorded: Vec<String> = serde_json::from_str(&s.inspect("x", "json .Denied")).unwrap();
    let told: Vec<&str> = out.err.lines().collect();
    assert_eq!((told.len(), recorded.len()), (2, 2), "{out:?} {recorded:?}");
    for (n, (flag, why)) in ["--memory", "--cpus"].iter().zip(reasons).enumerate() {
        let begin = format!("{flag}: {why}");
        assert!(recorded[n].starts_with(&begin), "{begin}: {recorded:?}");
        assert_eq!(told[n], format!("bolt: warning: denied: {}", recorded[n]));
    }
    s.ok(&["rm", "x"]);
}

fn words<'a>(limits: &[&'a str]) -> Vec<&'a str> {
    let begin = ["run", "--network", "none", "--name", "x"];
    [&begin[..], limits, &[IMAGE, "echo", "ran"]].concat()
}

#[test]
fn a_limit_that_cgroup_v1_denies_is_told_once_and_recorded() {
    let s = session!();
    let (Some(memory), Some(cpu)) = (v1_mount("memory"), v1_mount("cpu")) else {
        skip!("no cgroup v1 is mounted");
    };
    if is_open(&s, &memory) || is_open(&s, &cpu) {
        skip!("the user may set limits here");
    }
    let reasons = [memory, cpu].map(|mount| {
        format!("cgroup v1 cannot be delegated safely and {mount} is not writable for this user; ")
    });
    assert_denied(&s, &s.run(&words(&LIMITS)), [&reasons[0], &reasons[1]]);
}

/// No control group is there to be seen any more.
const GONE: &str =
    "for m in $(awk '$3 ~ /^cgroup/ { print $2 }' /proc/mounts); do umount $m; done; ";

/// As on a machine without version 1, for a user without a session of systemd's.
#[test]
fn a_limit_that_cgroup_v2_denies_is_told_once_and_recorded() {
    let s = session!();
    if !may_change() {
        skip!("only root can take cgroup v1 away from one command");
    }
    let alone = format!("{GONE} mount -t cgroup2 none /sys/fs/cgroup");
    let why = "this user's part of cgroup v2 is not delegated and no `systemd --user` answers; ";
    assert_denied(&s, &changed(&s, &alone, &words(&LIMITS)), [why, why]);
}

#[test]
fn a_limit_without_any_control_groups_is_told_once_and_recorded() {
    let s = session!();
    if !may_change() {
        skip!("only root can take the control groups away from one command");
    }
    let why = "this system has no cgroup file system; mount one at /sys/fs/cgroup";
    assert_denied(&s, &changed(&s, GONE, &words(&LIMITS)), [why, why]);
}

#[test]
fn nothing_is_denied_where_nothing_was_asked_for() {
    let s = session!();
    let out = s.run(&words(&[]));
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, "ran\n", ""), "{out:?}");
    assert_eq!(s.inspect("x", "json .Denied"), "[]");
    let id = s.detached("y", &[], "exec sleep 1000");
    assert_eq!(s.inspect(&id, "json .Denied"), "[]");
    s.ok(&["rm", "-f", "-t", "0", "x", "y"]);
}
