//! `--stop-timeout`: how long a payload has that does not end when it is asked to.

use crate::harness::user::{Session, until};
use std::time::{Duration, Instant};

/// Ends by nothing but SIGKILL.
const DEAF: &str = "trap '' TERM; echo ready; while :; do sleep 0.1; done";

/// Less than the ten seconds of a container that was given no time, and than the six after which
/// `stop` no longer waits for a supervisor that was to wait for one.
const ENOUGH: Duration = Duration::from_secs(5);

fn deaf(s: &Session, flags: &[&str]) -> String {
    let id = s.detached("x", flags, DEAF);
    until("ready", || s.ok(&["logs", "x"]) == "ready");
    id
}

#[test]
fn a_stop_waits_as_long_as_the_container_was_given() {
    let s = session!();
    for verb in ["stop", "restart"] {
        let id = deaf(&s, &["--stop-timeout", "1"]);
        assert_eq!(s.inspect("x", ".Config.StopTimeout"), "1");
        let begun = Instant::now();
        let out = s.run(&[verb, "x"]);
        let took = begun.elapsed();
        assert_eq!(out.code, 0, "{verb}: {out:?}");
        assert!(took >= Duration::from_secs(1) && took < ENOUGH, "{verb}: {took:?}");
        let told = format!("container {} did not end within 1 s of its stop signal", &id[..12]);
        assert!(out.err.contains(&told), "{verb}: {out:?}");
        if verb == "stop" {
            assert_eq!(s.inspect("x", ".State.ExitCode"), "137");
        }
        s.ok(&["rm", "-f", "-t", "0", "x"]);
    }
}

#[test]
fn a_time_that_is_typed_goes_before_the_containers() {
    let s = session!();
    deaf(&s, &["--stop-timeout", "1000"]);
    assert_eq!(s.inspect("x", ".Config.StopTimeout"), "1000");
    let begun = Instant::now();
    let out = s.run(&["stop", "-t", "1", "x"]);
    let took = begun.elapsed();
    assert_eq!(out.code, 0, "{out:?}");
    assert!(took >= Duration::from_secs(1) && took < ENOUGH, "{took:?}");
    assert_eq!(s.inspect("x", ".State.ExitCode"), "137");
}

/// Ten seconds, as with podman; nobody has to wait for them.
#[test]
fn a_container_that_was_given_no_time_has_ten_seconds() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    assert_eq!(s.inspect("x", ".Config.StopTimeout"), "10");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
