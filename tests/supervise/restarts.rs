//! Restart policies.

use crate::harness::user::{Session, until};
use std::time::{Duration, Instant};

fn count(s: &Session) -> u32 {
    s.inspect("x", ".RestartCount").parse().unwrap()
}

#[test]
fn on_failure() {
    let s = session!();
    s.detached("x", &["--restart", "on-failure:2", "-v", "vol:/v"], "echo run >>/v/runs; exit 3");
    until("over", || s.inspect("x", ".State.Status") == "exited" && count(&s) == 2);
    assert_eq!(s.inspect("x", ".State.ExitCode"), "3");
    let runs = std::fs::read_to_string(s.data().join("volumes/vol/_data/runs")).unwrap();
    assert_eq!(runs.lines().count(), 3);
    s.detached("y", &["--restart", "on-failure"], "exit 0");
    assert_eq!(s.ok(&["wait", "y"]), "0");
    assert_eq!(s.inspect("y", ".RestartCount"), "0");
}

#[test]
fn always_waits_longer_and_longer() {
    let s = session!();
    s.detached("x", &["--restart", "always"], "exit 0");
    let start = Instant::now();
    until("four restarts", || count(&s) >= 4);
    // 100 ms doubled each time would be 1.5 s; a loop without any wait is done in a blink.
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    s.ok(&["stop", "-t", "0", "x"]);
    let before = count(&s);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(count(&s), before);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
}

#[test]
fn a_killed_payload_comes_back_and_a_stopped_one_does_not() {
    let s = session!();
    let id = s.detached("x", &["--restart", "unless-stopped"], "exec sleep 1000");
    let payload = s.pids(&id).1;
    crate::harness::process::signal(payload as u32, 9);
    until("restarted", || count(&s) == 1 && s.inspect("x", ".State.Status") == "running");
    assert_ne!(s.pids(&id).1, payload);
    assert_eq!(s.ok(&["exec", "x", "echo", "hi"]), "hi");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
    // What was written stays over a restart by hand.
    s.ok(&["start", "x"]);
    s.ok(&["exec", "x", "touch", "/kept"]);
    s.ok(&["restart", "-t", "0", "x"]);
    assert_eq!(s.run(&["exec", "x", "test", "-e", "/kept"]).code, 0);
}
