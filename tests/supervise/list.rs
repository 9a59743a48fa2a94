//! `ps`, `rm`, `wait`, `stop`, `kill`.

use crate::harness::process::finish;
use crate::harness::user::{IMAGE, until};
use std::time::{Duration, Instant};

#[test]
fn filters_and_formats() {
    let s = session!();
    let up = s.detached("up", &["-l", "a=1"], "exec sleep 1000");
    let down = s.ok(&["create", "--name", "down", "-l", "a=2", IMAGE, "true"]);
    let over = s.detached("over", &[], "exit 4");
    until("over", || s.inspect("over", ".State.Status") == "exited");
    let list = |args: &[&str]| {
        let mut all = vec!["ps", "-aq", "--no-trunc"];
        all.extend(args);
        let mut ids: Vec<String> = s.ok(&all).lines().map(str::to_owned).collect();
        ids.sort();
        ids
    };
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|i| (*i).clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(list(&[]), sorted(&[&up, &down, &over]));
    assert_eq!(s.ok(&["ps", "-q", "--no-trunc"]), up);
    assert_eq!(list(&["-f", "status=running"]), sorted(&[&up]));
    assert_eq!(list(&["-f", "status=created", "-f", "status=exited"]), sorted(&[&down, &over]));
    assert_eq!(list(&["-f", "name=ow"]), sorted(&[&down]));
    assert_eq!(list(&["-f", "label=a"]), sorted(&[&up, &down]));
    assert_eq!(list(&["-f", "label=a=2"]), sorted(&[&down]));
    assert_eq!(list(&["-f", "exited=4"]), sorted(&[&over]));
    assert_eq!(list(&["-f", &format!("id={}", &up[..8])]), sorted(&[&up]));
    let bad = s.run(&["ps", "-f", "bogus=1"]);
    assert!(bad.code == 125 && bad.err.contains("bogus"), "{bad:?}");
    let json: serde_json::Value =
        serde_json::from_str(&s.ok(&["ps", "-a", "--format", "json"])).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    let table = s.ok(&["ps", "-a", "--sort", "names", "--format", "{{.Names}} {{.State}}"]);
    assert_eq!(table, "down created\nover exited\nup running");
}

/// As podman shows them: sixty-four digits pushed the whole table aside.
#[test]
fn a_container_of_an_image_id_shows_the_name_of_the_image() {
    let s = session!();
    let id = s.ok(&["images", "-q", IMAGE]);
    let name = s.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}", IMAGE]);
    s.ok(&["create", "--name", "x", &id, "true"]);
    let table = s.ok(&["ps", "-a"]);
    assert!(table.contains(&name) && !table.contains(&id), "{table}");
    for format in ["{{.Image}}", "json"] {
        let shown = s.ok(&["ps", "-a", "--format", format]);
        assert!(shown.contains(&name), "{shown}");
    }
    assert_eq!(s.inspect("x", ".ImageName"), name);
}

#[test]
fn codes_of_rm() {
    let s = session!();
    assert_eq!(s.run(&["rm", "nosuch"]).code, 1);
    assert_eq!(s.run(&["rm", "-f", "nosuch"]).code, 0);
    assert_eq!(s.run(&["rm", "-i", "nosuch"]).code, 0);
    let id = s.detached("x", &[], "exec sleep 1000");
    assert_eq!(s.run(&["rm", "x"]).code, 2);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    assert_eq!(s.ok(&["rm", "-f", "-t", "0", &id[..6]]), &id[..6]);
    assert_eq!(s.run(&["rm"]).code, 125);
}

#[test]
fn stop_and_kill() {
    let s = session!();
    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    s.detached("x", &[], stubborn);
    until("up", || s.ok(&["logs", "x"]) == "up");
    let before = std::time::Instant::now();
    assert_eq!(s.ok(&["stop", "-t", "1", "x"]), "x");
    assert!(before.elapsed() > Duration::from_millis(900));
    assert_eq!(s.inspect("x", ".State.ExitCode"), "137");
    assert_eq!(s.ok(&["stop", "x"]), "x");

    let listens = "trap 'exit 6' USR2; trap 'exit 8' INT; echo up; while :; do sleep 0.05; done";
    s.detached("y", &["--stop-signal", "USR2"], listens);
    until("up", || s.ok(&["logs", "y"]) == "up");
    s.ok(&["stop", "y"]);
    assert_eq!(s.inspect("y", ".State.ExitCode"), "6");
    s.ok(&["start", "y"]);
    until("up twice", || s.ok(&["logs", "y"]) == "up\nup");
    let waiting = s.spawn(&["wait", "y"]);
    s.ok(&["kill", "-s", "INT", "y"]);
    assert_eq!(finish(waiting, Duration::from_secs(20), "wait").out, "8\n");
    assert_eq!(s.run(&["kill", "y"]).code, 125);
    let bad = s.run(&["kill", "-s", "BOGUS", "y"]);
    assert!(bad.code == 125 && bad.err.contains("BOGUS"), "{bad:?}");
    s.ok(&["restart", "y"]);
    assert_eq!(s.inspect("y", ".State.Status"), "running");
    s.ok(&["kill", "y"]);
    assert_eq!(s.ok(&["wait", "y"]), "137");
    assert_eq!(s.inspect("y", ".State.ExitCode"), "137");
}

#[test]
fn wait_for_one_that_is_over_or_goes() {
    let s = session!();
    s.detached("x", &[], "exit 9");
    assert_eq!(s.ok(&["wait", "x"]), "9");
    assert_eq!(s.ok(&["wait", "x"]), "9");
    s.detached("y", &["--rm"], "sleep 0.5; exit 3");
    assert_eq!(s.ok(&["wait", "y"]), "3");
    assert_eq!(s.run(&["wait", "nosuch"]).code, 125);
}

#[test]
fn container_prune_removes_what_does_not_run() {
    let s = session!();
    s.detached("up", &[], "exec sleep 1000");
    let made = s.ok(&["create", "--name", "made", "-l", "k=v", "--network", "none", IMAGE, "true"]);
    let over = s.detached("over", &["-v", "/data"], "exit 3");
    s.ok(&["wait", "over"]);
    // Nobody is asked where nobody can answer.
    let out = s.run(&["container", "prune"]);
    assert!(out.code == 125 && out.err.contains("--force"), "{out:?}");
    assert_eq!(s.ok(&["container", "prune", "-f", "--filter", "label=nosuch"]), "");
    assert_eq!(s.ok(&["container", "prune", "-f", "--filter", "label=k=v"]), made);
    assert_eq!(s.ok(&["container", "prune", "-f"]), over);
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "", "its own volume went along");
    assert_eq!(s.ok(&["container", "prune", "-f"]), "");
    assert_eq!(s.ok(&["ps", "-a", "--format", "{{.Names}}"]), "up");
    let bad = s.run(&["container", "prune", "-f", "--filter", "color=red"]);
    assert!(bad.code == 125 && bad.err.contains("color"), "{bad:?}");
}

#[test]
fn container_list_is_ps() {
    let s = session!();
    s.detached("up", &[], "exec sleep 1000");
    s.ok(&["create", "--name", "made", "--network", "none", IMAGE, "true"]);
    for verb in ["list", "ls", "ps"] {
        for words in
            [&["-q"][..], &["-a", "--format", "{{.Names}} {{.State}}"], &["-aq", "-n", "1"]]
        {
            let group = s.ok(&[&["container", verb], words].concat());
            assert_eq!(group, s.ok(&[&["ps"], words].concat()), "{verb} {words:?}");
            assert!(!group.is_empty(), "{verb} {words:?}");
        }
    }
}

#[test]
fn many_are_stopped_at_once() {
    let s = session!();
    let names = ["a", "b", "c", "d"];
    for name in names {
        s.detached(name, &[], "trap '' TERM; echo ready; while :; do sleep 0.2; done");
    }
    until("ready", || names.iter().all(|name| s.run(&["logs", name]).out.contains("ready")));
    let took = |args: &[&str]| {
        let start = Instant::now();
        assert_eq!(s.ok(args).lines().count(), 4, "{args:?}");
        start.elapsed()
    };
    let stopped = took(&["stop", "--all", "-t", "2"]);
    assert!((2..6).contains(&stopped.as_secs()), "{stopped:?}");
    s.ok(&["start", "a", "b", "c", "d"]);
    until("ready", || {
        names.iter().all(|name| s.run(&["logs", name]).out.matches("ready").count() == 2)
    });
    let removed = took(&["rm", "-f", "-t", "2", "a", "b", "c", "d", "a"]);
    assert!((2..6).contains(&removed.as_secs()), "{removed:?}");
}

/// As podman warns: what a program that does not listen had not saved is lost.
#[test]
fn a_stop_that_had_to_kill_says_so() {
    let s = session!();
    s.detached("deaf", &[], "trap '' TERM; while :; do sleep 0.1; done");
    s.detached("good", &[], "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    for (name, time, told) in [("good", "20", false), ("deaf", "1", true), ("good", "0", false)] {
        s.run(&["start", name]);
        let out = s.run(&["stop", "-t", time, name]);
        assert_eq!((out.code, out.err.contains("and was killed")), (0, told), "{out:?}");
    }
    s.ok(&["start", "deaf"]);
    for verb in [&["restart", "-t", "1", "deaf"][..], &["rm", "-f", "-t", "1", "deaf"]] {
        let out = s.run(verb);
        assert!(out.code == 0 && out.err.contains("and was killed"), "{out:?}");
    }
}
