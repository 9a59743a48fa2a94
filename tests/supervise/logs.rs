//! What was written, and when.

use crate::harness::process::finish;
use crate::harness::user::until;
use std::time::Duration;

#[test]
fn parts_of_a_log() {
    let s = session!();
    s.detached("x", &[], "for i in 1 2 3 4 5; do echo $i; done; echo err >&2; printf rest");
    s.ok(&["wait", "x"]);
    let out = s.run(&["logs", "x"]);
    assert_eq!(out.out.trim_end(), "1\n2\n3\n4\n5\nrest");
    assert_eq!(out.err, "err\n");
    assert_eq!(s.ok(&["logs", "--tail", "1", "x"]), "rest");
    assert_eq!(s.ok(&["logs", "--tail", "0", "x"]), "");
    let timed = s.ok(&["logs", "-t", "x"]);
    let first = timed.lines().next().unwrap();
    assert!(first.ends_with(" 1") && first.starts_with("20") && first.contains('T'), "{first}");
    assert_eq!(s.ok(&["logs", "--since", "1h", "x"]).lines().count(), 6);
    // As podman: a span of --until lies ahead.
    assert_eq!(s.ok(&["logs", "--until", "1h", "x"]).lines().count(), 6);
    assert_eq!(s.ok(&["logs", "--until", "-1h", "x"]), "");
    assert_eq!(s.ok(&["logs", "--since", "2100-01-01T00:00:00Z", "x"]), "");
    assert_eq!(s.run(&["logs", "--since", "bogus", "x"]).code, 125);
    assert_eq!(s.run(&["logs", "nosuch"]).code, 125);
}

#[test]
fn following_ends_with_the_container() {
    let s = session!();
    s.detached("x", &[], "echo 1; while [ ! -e /go ]; do sleep 0.02; done; echo 2; exit 3");
    let follow = s.spawn(&["logs", "-f", "x"]);
    std::thread::sleep(Duration::from_millis(200));
    s.ok(&["exec", "x", "touch", "/go"]);
    let out = finish(follow, Duration::from_secs(20), "logs -f");
    assert_eq!((out.code, out.out.as_str()), (0, "1\n2\n"));
}

#[test]
fn following_ends_at_a_time() {
    let s = session!();
    s.detached("x", &[], "echo 1; exec sleep 1000");
    until("it has begun", || s.ok(&["logs", "x"]) == "1");
    for time in ["1s", "-1h"] {
        let follow = s.spawn(&["logs", "-f", "--until", time, "x"]);
        let out = finish(follow, Duration::from_secs(20), "logs --until");
        let want = if time == "1s" { "1\n" } else { "" };
        assert_eq!((out.code, out.out.as_str()), (0, want), "{time}");
    }
}

#[test]
fn a_log_has_a_limit() {
    let s = session!();
    let id = s.detached(
        "x",
        &["--log-opt", "max-size=20k"],
        "i=0; while [ $i -lt 5000 ]; do echo line-$i; i=$((i+1)); done",
    );
    s.ok(&["wait", "x"]);
    let dir = s.data().join("containers").join(&id);
    let size: u64 = std::fs::read_dir(&dir)
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with("log"))
        .map(|e| e.metadata().unwrap().len())
        .sum();
    assert!(size <= 2 * 20 * 1024 + 4096, "{size}");
    let text = s.ok(&["logs", "x"]);
    assert!(text.ends_with("line-4999"), "{text}");
    // What is left is whole lines without a gap.
    let numbers: Vec<u32> =
        text.lines().filter_map(|l| l.strip_prefix("line-")?.parse().ok()).collect();
    assert!(numbers.windows(2).all(|w| w[1] == w[0] + 1));
}

#[test]
fn no_log_where_none_was_asked_for() {
    let s = session!();
    s.detached("x", &["--log-driver", "none"], "echo 1");
    s.ok(&["wait", "x"]);
    let out = s.run(&["logs", "x"]);
    assert!(out.out.is_empty(), "{out:?}");
}

#[test]
fn long_lines_and_any_bytes() {
    let s = session!();
    s.detached("x", &[], "head -c 50000 /dev/zero | tr '\\0' a; echo; printf 'b\\377c\\n'");
    s.ok(&["wait", "x"]);
    until("written", || s.bolt(&["logs", "x"]).output().unwrap().stdout.len() == 50_005);
    let out = s.bolt(&["logs", "x"]).output().unwrap().stdout;
    assert!(out[..50_000].iter().all(|b| *b == b'a'));
    assert_eq!(&out[50_000..], b"\nb\xffc\n");
}

/// A prompt, as podman shows it: at once, and as one line with what follows.
#[test]
fn the_beginning_of_a_line_is_seen_before_its_end() {
    let s = session!();
    let script = "printf part; while [ ! -e /go ]; do sleep 0.02; done; echo ' end'; echo 2";
    let id = s.detached("x", &[], script);
    until("the beginning is there", || s.run(&["logs", "x"]).out == "part");
    let log = s.data().join("containers").join(&id).join("log");
    assert!(std::fs::read_to_string(log).unwrap().ends_with(" stdout P part\n"));
    s.ok(&["exec", "x", "touch", "/go"]);
    s.ok(&["wait", "x"]);
    assert_eq!(s.ok(&["logs", "x"]), "part end\n2");
    assert_eq!(s.ok(&["logs", "--tail", "2", "x"]), "part end\n2");
}
