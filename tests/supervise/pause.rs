//! `pause` and `unpause`. What a paused container refuses is podman 4.3.1's, recorded with crun;
//! `stop`, which that refuses too, ends it.

use crate::harness::cgroup::Delegated;
use crate::harness::process::signal;
use crate::harness::user::{Session, until};
use std::time::Duration;

/// Writes a line 50 times a second.
const TICKS: &str = "while :; do echo tick; sleep 0.02; done";

/// Lines of its log so far.
fn ticks(s: &Session, name: &str) -> usize {
    s.ok(&["logs", name]).lines().count()
}

fn stands_still(s: &Session, name: &str) -> bool {
    let before = ticks(s, name);
    std::thread::sleep(Duration::from_millis(200));
    ticks(s, name) == before
}

fn state(s: &Session, name: &str) -> String {
    s.inspect(name, ".State.Status")
}

macro_rules! delegated {
    ($session:expr) => {
        match Delegated::new($session) {
            Ok(group) => group,
            Err(reason) => skip!(reason),
        }
    };
}

#[test]
fn a_paused_container_stands_still_and_refuses_what_waits_for_it() {
    let s = session!();
    let group = delegated!(&s);
    group.detached(&s, "x", &[], TICKS);
    until("ticks", || ticks(&s, "x") > 2);
    assert_eq!(s.ok(&["pause", "x"]), "x");
    assert!(stands_still(&s, "x"));
    // As podman: only --all or a filter of states shows it.
    assert_eq!(s.ok(&["ps", "-q"]), "");
    let shown = s.ok(&["ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}"]);
    assert_eq!(shown, "x paused Paused");
    assert_eq!(s.ok(&["ps", "-q", "-f", "status=running"]), "");
    assert_eq!(s.ok(&["ps", "--format", "{{.Names}}", "-f", "status=paused"]), "x");
    let flags = s.ok(&["inspect", "x", "--format", "{{.State.Running}} {{.State.Paused}}"]);
    assert_eq!(flags, "false true");
    assert_eq!(s.ok(&["wait", "--condition", "paused", "x"]), "-1");
    for (words, code) in [
        (&["pause", "x"][..], 125),
        (&["restart", "-t", "0", "x"], 125),
        (&["start", "x"], 125),
        (&["exec", "x", "true"], 125),
        (&["attach", "x"], 125),
        (&["top", "x"], 0),
        (&["rm", "x"], 2),
    ] {
        let out = s.run(words);
        assert_eq!(out.code, code, "{words:?} {out:?}");
        assert!(code == 0 || out.err.contains("paused"), "{words:?} {out:?}");
        assert_eq!(state(&s, "x"), "paused");
    }
    assert_eq!(s.ok(&["unpause", "x"]), "x");
    assert!(!stands_still(&s, "x"));
    let again = s.run(&["unpause", "x"]);
    assert!(again.code == 125 && again.err.contains("not paused"), "{again:?}");
    assert_eq!(s.run(&["pause"]).code, 125);
    let id = s.inspect("x", ".Id");
    assert_eq!(s.ok(&["pause", "--all"]), id);
    assert_eq!(s.ok(&["container", "unpause", "--all"]), id);
    s.ok(&["pause", "x"]);
    s.ok(&["kill", "x"]);
    assert_eq!(s.inspect("x", ".State.ExitCode"), "137");
}

/// Linux 6.14 and its like end whatever is cloned into a group that `cgroup.kill` was written to.
#[test]
fn a_container_in_a_group_of_cgroup_v2_starts_again() {
    let s = session!();
    let group = delegated!(&s);
    group.detached(&s, "x", &["--restart", "on-failure:2"], "exit 3");
    until("over", || state(&s, "x") == "exited" && s.inspect("x", ".RestartCount") == "2");
    assert_eq!(s.inspect("x", ".State.ExitCode"), "3");
    group.detached(&s, "y", &[], "exec sleep 1000");
    signal(s.pids(&s.inspect("y", ".Id")).0 as u32, 9);
    until("orphaned", || state(&s, "y") == "orphaned");
    let again = group.run(&s, &["restart", "-t", "0", "y"]);
    assert_eq!((again.code, state(&s, "y").as_str()), (0, "running"), "{again:?}");
    assert_eq!(s.ok(&["exec", "y", "echo", "hi"]), "hi");
}

#[test]
fn a_paused_container_is_removed_by_force_and_starts_again_thawed() {
    let s = session!();
    let group = delegated!(&s);
    group.detached(&s, "x", &["--restart", "always"], TICKS);
    let id = s.inspect("x", ".Id");
    s.ok(&["pause", "x"]);
    // The end of a frozen payload; the next one is not born frozen.
    signal(s.pids(&id).1 as u32, 9);
    until("restarted", || s.inspect("x", ".RestartCount") == "1" && state(&s, "x") == "running");
    assert!(!stands_still(&s, "x"));
    s.ok(&["pause", "x"]);
    // systemd's way to stop it: its supervisor gets a signal.
    signal(s.pids(&id).0 as u32, 15);
    until("over", || state(&s, "x") == "exited");
    s.ok(&["rm", "x"]);
    group.detached(&s, "y", &[], TICKS);
    s.ok(&["pause", "y"]);
    assert_eq!(s.ok(&["rm", "-f", "-t", "0", "y"]), "y");
}

/// podman refuses it; `systemctl stop` of its unit would then wait until systemd kills.
#[test]
fn a_paused_container_is_stopped_by_its_own_stop_signal() {
    let s = session!();
    let group = delegated!(&s);
    group.detached(&s, "x", &[], "trap 'exit 7' TERM; while :; do echo tick; sleep 0.02; done");
    until("ticks", || ticks(&s, "x") > 0);
    s.ok(&["pause", "x"]);
    assert_eq!(s.ok(&["stop", "-t", "60", "x"]), "x");
    assert_eq!(
        (state(&s, "x").as_str(), s.inspect("x", ".State.ExitCode").as_str()),
        ("exited", "7")
    );
}

#[test]
fn a_container_whose_supervisor_died_while_it_was_paused_is_not_stuck() {
    let s = session!();
    let group = delegated!(&s);
    for name in ["x", "y"] {
        group.detached(
            &s,
            name,
            &["-v", "vol:/v"],
            "while :; do echo >>/v/$HOSTNAME; sleep 0.02; done",
        );
    }
    let file = s.data().join("volumes/vol/_data");
    let size = || -> u64 {
        let files = std::fs::read_dir(&file).into_iter().flatten().flatten();
        files.map(|f| f.metadata().map_or(0, |m| m.len())).sum()
    };
    until("ticks", || size() > 2);
    s.ok(&["rm", "-f", "-t", "0", "y"]);
    s.ok(&["pause", "x"]);
    let monitor = s.pids(&s.inspect("x", ".Id")).0;
    signal(monitor as u32, 9);
    until("orphaned", || state(&s, "x") == "orphaned");
    assert_eq!(s.inspect("x", ".State.Paused"), "true");
    let before = size();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(size(), before);
    assert_eq!(s.ok(&["unpause", "x"]), "x");
    until("going on", || size() > before);
    s.ok(&["stop", "-t", "0", "x"]);
    // One that stays frozen can be removed as well.
    group.detached(&s, "z", &[], TICKS);
    s.ok(&["pause", "z"]);
    signal(s.pids(&s.inspect("z", ".Id")).0 as u32, 9);
    until("orphaned", || state(&s, "z") == "orphaned");
    s.ok(&["rm", "-f", "-t", "0", "z"]);
}

#[test]
fn without_a_control_group_pause_is_refused() {
    let s = session!();
    let id = s.detached("x", &[], "exec sleep 1000");
    let list = s.ok(&["inspect", "x", "--format", "{{.State.CgroupPath}}"]);
    if !list.is_empty() && list != "<nil>" && list != "<no value>" {
        skip!(format!("containers have a group here: {list}"));
    }
    let out = s.run(&["pause", "x"]);
    assert!(out.code == 125 && out.err.contains("no control group") && out.out.is_empty());
    assert!(out.err.contains(&id), "{out:?}");
    assert_eq!(state(&s, "x"), "running");
    for verb in ["pause", "unpause"] {
        let unknown = s.run(&[verb, "nosuch"]);
        assert!(unknown.code == 125 && unknown.err.contains("nosuch"), "{unknown:?}");
    }
}
