//! Several commands at the same moment about the same container: each finds what it asks for.

use crate::harness::process::{Out, finish};
use crate::harness::user::{IMAGE, Session, until};
use std::process::Command;
use std::time::{Duration, Instant};

/// Less than a command waits for a supervisor that does not end.
const SOON: Duration = Duration::from_secs(15);

/// Command lines that are started at once, to their ends; each must succeed.
fn together(s: &Session, lines: &[&[&str]]) -> Vec<Out> {
    let running: Vec<_> = lines.iter().map(|words| (words, s.spawn(words))).collect();
    let ended = running.into_iter().map(|(words, child)| {
        let out = finish(child, SOON, &format!("{words:?}"));
        assert!(out.code == 0 && out.err.is_empty(), "{words:?}: {out:?}");
        out
    });
    ended.collect()
}

fn create(s: &Session, name: &str, flags: &[&str]) {
    let base = ["create", "--network", "none", "--name", name];
    s.ok(&[&base[..], flags, &[IMAGE, "sleep", "1000"]].concat());
}

fn running(s: &Session) -> String {
    s.ok(&["ps", "--format", "{{.Names}}", "--sort", "names"])
}

#[test]
fn a_removal_by_force_beside_a_restart_removes_it() {
    let s = session!();
    for _ in 0..6 {
        s.detached("r", &[], "sleep 1000");
        let restart = s.spawn(&["restart", "-t", "0", "r"]);
        let begun = Instant::now();
        s.ok(&["rm", "-f", "-t", "0", "r"]);
        assert!(begun.elapsed() < SOON);
        // It was quicker, or found nothing.
        finish(restart, Duration::from_secs(40), "restart");
        s.run(&["rm", "-f", "-t", "0", "r"]);
    }
}

#[test]
fn a_restart_of_what_it_would_remove_is_refused() {
    let s = session!();
    s.detached("r", &["--rm"], "sleep 1000");
    let out = s.run(&["restart", "-t", "0", "r"]);
    assert!(out.code == 125 && out.err.contains("--rm"), "{out:?}");
    assert_eq!(s.inspect("r", ".State.Running"), "true");
}

#[test]
fn starts_and_restarts_of_one_container() {
    let s = session!();
    create(&s, "x", &[]);
    let id = s.inspect("x", ".Id");
    for _ in 0..5 {
        together(&s, &[&["start", "x"][..]; 4]);
        let (monitor, payload) = s.pids(&id);
        assert!(monitor > 0 && running(&s) == "x");
        together(&s, &[&["restart", "-t", "0", "x"][..]; 3]);
        assert_ne!(s.pids(&id).1, payload);
        assert_eq!(running(&s), "x");
        together(&s, &[&["restart", "-t", "0", "x"][..], &["start", "x"], &["start", "x"]]);
        assert_eq!(running(&s), "x");
        s.ok(&["stop", "-t", "0", "x"]);
    }
}

#[test]
fn a_chain_of_required_containers() {
    let s = session!();
    create(&s, "a", &[]);
    create(&s, "b", &["--requires", "a"]);
    create(&s, "c", &["--requires", "a,b"]);
    let run = ["run", "-d", "--rm", "--network", "none", "--requires", "c", IMAGE, "sleep", "1000"];
    for _ in 0..4 {
        together(&s, &[&["start", "c"][..], &["start", "c"], &["start", "b"], &["start", "a"]]);
        assert_eq!(running(&s), "a\nb\nc");
        s.ok(&["stop", "-t", "0", "a", "b", "c"]);
        together(&s, &[&run[..]; 3]);
        assert_eq!(running(&s).lines().filter(|name| name.len() == 1).count(), 3);
        s.ok(&["stop", "-t", "0", "--all"]);
    }
}

/// The first command is held up in the middle of the start of what is required, so the second one
/// is there before it in each of the steps that follow.
#[test]
fn a_start_that_is_overtaken() {
    let s = session!();
    if !crate::harness::user::has("strace") {
        skip!("no strace");
    }
    create(&s, "a", &[]);
    create(&s, "b", &["--requires", "a"]);
    for attach in [false, true] {
        let mut slow: Command = s.command("strace");
        let calls = "clone,clone3,fork,vfork";
        slow.args(["-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"]);
        slow.arg(format!("inject={calls}:delay_enter=700000")).arg(s.program()).arg("start");
        let first = slow.args(attach.then_some("--attach")).arg("b").spawn().unwrap();
        until("somebody starts a", || {
            s.inspect("a", ".State.Status") != if attach { "exited" } else { "created" }
        });
        together(&s, &[&["start", "b"]]);
        // Who was told that it is started can work with it, and with what it requires.
        assert_eq!(running(&s), "a\nb");
        let begun = Instant::now();
        if attach {
            std::thread::sleep(Duration::from_secs(3));
            s.ok(&["stop", "-t", "0", "b"]);
        }
        let out = finish(first, SOON, "the first");
        let code = if attach { 137 } else { 0 };
        assert_eq!((out.code, out.err.as_str()), (code, ""), "{out:?} {:?}", begun.elapsed());
        s.ok(&["stop", "-t", "0", "a", "b"]);
    }
}

#[test]
fn prunes() {
    let s = session!();
    for round in 0..3 {
        for n in 0..8 {
            create(&s, &format!("x{round}{n}"), &[]);
        }
        let outs = together(&s, &[&["container", "prune", "-f"][..]; 3]);
        let told: usize = outs.iter().map(|out| out.out.lines().count()).sum();
        assert!(told >= 8, "{outs:?}");
        assert_eq!(s.ok(&["ps", "-aq"]), "");
    }
}

#[test]
fn removals() {
    let s = session!();
    for round in 0..3 {
        let names: Vec<String> = (0..6).map(|n| format!("x{round}{n}")).collect();
        names.iter().for_each(|name| create(&s, name, &[]));
        let names = names.iter().map(String::as_str);
        let line: Vec<&str> = ["rm", "--ignore"].into_iter().chain(names).collect();
        together(&s, &[&line[..]; 3]);
        assert_eq!(s.ok(&["ps", "-aq"]), "");
    }
}
