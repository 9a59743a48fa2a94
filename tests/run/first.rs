//! The first containers of a user: one makes the user namespace P, and the others do not wait for
//! what waits for them.

use crate::harness::process::finish;
use crate::harness::user::{IMAGE, Session, until};
use bolt_engine::sys::lock::Kind;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

fn run(s: &Session, flags: &[&str], command: &[&str]) -> Child {
    s.spawn(&[&["run", "--rm", "--network", "none"], flags, &[IMAGE], command].concat())
}

#[test]
fn all_at_once_get_one_namespace() {
    let s = session!();
    let show = ["sh", "-c", "echo here; read line"];
    let mut all: Vec<Child> = (0..6)
        .map(|n| {
            let name = format!("c{n}");
            let words = ["run", "-i", "--network", "none", "--name", &name, IMAGE];
            s.bolt(&[&words[..], &show].concat()).stdin(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in &mut all {
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    }
    let ids = s.ok(&["ps", "-q", "--no-trunc"]);
    let spaces: std::collections::BTreeSet<_> = ids
        .lines()
        .map(|id| std::fs::read_link(format!("/proc/{}/ns/user", s.pids(id).0)).unwrap())
        .collect();
    assert_eq!((ids.lines().count(), spaces.len()), (6, 1), "{spaces:?}");
    for mut child in all {
        child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        assert_eq!(finish(child, PATIENCE, "run").code, 0);
    }
    s.ok(&["rm", "-a"]);
    s.assert_quiet();
}

/// Ranges are chosen under a lock that comes before the one for making P.
#[test]
fn those_with_ids_of_their_own_do_not_wait_for_each_other() {
    let s = session!();
    s.ok(&["create", "--network", "none", IMAGE, "true"]);
    let all: Vec<Child> = (0..4).map(|_| run(&s, &["--userns", "auto"], &["true"])).collect();
    for child in all {
        let out = finish(child, PATIENCE, "run --userns auto");
        assert_eq!(out.code, 0, "{out:?}");
    }
    s.assert_quiet();
}

/// A pipe to a `run` that waits for its variables comes from one that wants to make P.
#[test]
fn variables_come_from_another_run() {
    let s = session!();
    s.ok(&["create", "--network", "none", IMAGE, "true"]);
    let bolt = s.program();
    let run = format!("'{}' run --rm --network none", bolt.display());
    let script = format!(
        "(sleep 0.3; {run} {IMAGE} echo A=1) | {run} --env-file /dev/stdin {IMAGE} sh -c 'echo $A'"
    );
    let mut shell = s.command("sh");
    let child = shell.args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    assert_eq!(finish(child, PATIENCE, "both").out, "1\n");
    s.assert_quiet();
}

/// While somebody makes P, which may take long, a wrong command line is told so at once.
#[test]
fn a_refused_command_line_waits_for_nobody() {
    let s = session!();
    s.ok(&["create", "--network", "none", IMAGE, "true"]);
    let lock = s.data().join("userns/lock");
    s.ok(&["run", "--rm", "--network", "none", IMAGE, "true"]);
    let held = std::fs::File::options().read(true).write(true).open(&lock).unwrap();
    assert!(bolt_engine::sys::lock::try_lock(&held, Kind::Exclusive).unwrap());
    let soon = Duration::from_secs(20);
    let bogus = finish(run(&s, &["--bogus"], &["true"]), soon, "run --bogus");
    let missing = s.spawn(&["run", "--pull", "never", "nosuch", "true"]);
    let missing = finish(missing, soon, "run of no image");
    assert_eq!((bogus.code, missing.code), (125, 125), "{bogus:?} {missing:?}");
}

/// Its maker may be stopped, and nobody would know what the others wait for.
#[test]
fn who_waits_long_for_the_namespace_says_so() {
    let s = session!();
    s.ok(&["run", "--rm", "--network", "none", IMAGE, "true"]);
    let lock = s.data().join("userns/lock");
    let held = std::fs::File::options().read(true).write(true).open(&lock).unwrap();
    assert!(bolt_engine::sys::lock::try_lock(&held, Kind::Exclusive).unwrap());
    let mut child = run(&s, &[], &["true"]);
    let mut said = [0; 64];
    child.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    drop(held);
    let out = finish(child, PATIENCE, "run");
    let said = format!("{}{}", String::from_utf8_lossy(&said), out.err);
    assert!(out.code == 0 && said.contains(&lock.display().to_string()), "{out:?} {said}");
    s.assert_quiet();
}

/// The two setuid programs that write P's maps are waited for, though another supervisor comes.
#[test]
fn nothing_ended_stays_below_a_run_that_replaces() {
    let s = session!();
    s.ok(&["create", "--network", "none", "--name", "z", IMAGE, "true"]);
    let child = run(&s, &["--replace", "--name", "z"], &["sleep", "1000"]);
    until("up", || s.run(&["exec", "z", "true"]).code == 0);
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let ended: Vec<String> = std::fs::read_to_string(children)
        .unwrap()
        .split_whitespace()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter(|stat| stat.contains(") Z "))
        .collect();
    assert!(ended.is_empty(), "{ended:?}");
    s.ok(&["rm", "-f", "-t", "0", "z"]);
    assert_eq!(finish(child, PATIENCE, "run").code, 137);
}

/// Who calls Bolt by a link does not get what lies beside the link.
#[test]
fn a_link_to_bolt_starts_the_supervisor_that_lies_beside_bolt() {
    let s = session!();
    let bin = s.make_dir("links");
    let link = std::path::Path::new(&bin).join("bolt");
    std::os::unix::fs::symlink(s.program(), &link).unwrap();
    crate::harness::process::write_program(
        &link.with_file_name("bolt-shim"),
        "#!/bin/sh\nexit 7\n",
    );
    for by in [link.clone(), link.with_file_name("other")] {
        if by != link {
            std::fs::rename(&link, &by).unwrap();
        }
        let words = ["run", "--rm", "--network", "none", IMAGE, "echo", "ran"];
        let child = s.command(&by).args(words).spawn().unwrap();
        let out = finish(child, std::time::Duration::from_secs(30), "run");
        assert_eq!((out.code, out.out.as_str()), (0, "ran\n"), "{out:?}");
    }
}
