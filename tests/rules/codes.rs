//! Exit codes and what commands print: the rows about codes.

use crate::harness::process::{finish, signal};
use crate::harness::user::{IMAGE, Session, until};
use std::time::Duration;

/// Row "Exit 125 / 126 / 127".
#[test]
fn exit_125_126_127() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    let base = ["run", "--rm", "--network", "none"];
    let cases: &[(&[&str], i32)] = &[
        (&["--bogus", IMAGE, "true"], 125),
        (&["--pull", "never", "localhost/nosuch", "true"], 125),
        (&["--name", "x", IMAGE, "true"], 125),
        (&[IMAGE, "/etc"], 126),
        (&[IMAGE, "nosuch"], 127),
        (&[IMAGE, "/no/such"], 127),
    ];
    for (words, code) in cases {
        let out = s.run(&[&base[..], words].concat());
        assert_eq!((out.code, out.out.as_str()), (*code, ""), "run {words:?}: {out:?}");
        assert!(!out.err.is_empty(), "run {words:?}");
    }
    let cases: &[(&[&str], i32)] = &[
        (&["--bogus", "x", "true"], 125),
        (&["nosuch", "true"], 125),
        (&["x", "/etc"], 126),
        (&["x", "nosuch"], 127),
    ];
    for (words, code) in cases {
        let out = s.run(&[&["exec"], *words].concat());
        assert_eq!((out.code, out.out.as_str()), (*code, ""), "exec {words:?}: {out:?}");
    }
    assert_eq!(s.run(&["bogus"]).code, 125);
}

/// Row "Exit = payload code; signals 128+n".
#[test]
fn exit_is_the_payloads_and_signals_are_128_more() {
    let s = session!();
    for code in [0, 1, 42, 125, 255] {
        assert_eq!(s.once(&[], &["sh", "-c", &format!("exit {code}")]).code, code);
    }
    s.detached("x", &[], "exec sleep 1000");
    s.ok(&["kill", "x"]);
    assert_eq!(s.ok(&["wait", "x"]), "137");
    s.detached("y", &[], "trap '' TERM; echo up; while :; do sleep 0.05; done");
    until("up", || s.ok(&["logs", "y"]) == "up");
    s.ok(&["stop", "-t", "1", "y"]);
    assert_eq!(s.ok(&["wait", "y"]), "137");
    s.detached("z", &[], "exec sleep 1000");
    s.ok(&["kill", "-s", "HUP", "z"]);
    // sleep has no handler, and pid 1 without one ignores what comes from inside or outside but
    // SIGKILL (pid_namespaces(7)): what ends it is the kernel's own.
    assert_eq!(s.inspect("z", ".State.Running"), "true");
    // From inside, pid 1 ignores its own SIGKILL.
    let out = s.once(&[], &["sh", "-c", "kill -9 $$; echo still here; exit 4"]);
    assert_eq!((out.code, out.out.as_str()), (4, "still here\n"));
    // Below an init it is a process as any other.
    assert_eq!(s.once(&["--init"], &["sh", "-c", "kill -9 $$"]).code, 137);
    assert_eq!(s.once(&["--init"], &["sh", "-c", "kill -s USR1 $$"]).code, 138);
}

/// Row "`rm nosuch` = 1, `rm -f nosuch` = 0, …".
#[test]
fn rm_exists_and_inspect_of_what_is_not_there() {
    let s = session!();
    assert_eq!(s.run(&["rm", "nosuch"]).code, 1);
    assert_eq!(s.run(&["rm", "-f", "nosuch"]).code, 0);
    assert_eq!(s.run(&["container", "exists", "nosuch"]).code, 1);
    let out = s.run(&["inspect", "nosuch"]);
    assert!(out.code == 125 && out.err.contains("nosuch"), "{out:?}");
    for (noun, code) in [("image", 1), ("volume", 1)] {
        assert_eq!(s.run(&[noun, "exists", "nosuch"]).code, code, "{noun}");
    }
    s.ok(&["create", "--name", "x", IMAGE, "true"]);
    assert_eq!(s.run(&["container", "exists", "x"]).code, 0);
    // A store that cannot be read is no answer.
    let file = s.file("file", "");
    let mut broken = s.bolt(&["container", "exists", "x"]);
    let out = finish(
        broken.env("XDG_DATA_HOME", &file).spawn().unwrap(),
        Duration::from_secs(20),
        "a broken store",
    );
    assert!(out.code == 125 && out.err.contains(&file), "{out:?}");
}

/// Row "`--timeout n` kill -> exit 255".
#[test]
fn timeout_gives_255() {
    let s = session!();
    let out = s.once(&["--timeout", "1"], &["sleep", "30"]);
    assert_eq!(out.code, 255, "{out:?}");
    s.detached("x", &["--timeout", "1"], "exec sleep 30");
    assert_eq!(s.ok(&["wait", "x"]), "255");
    assert_eq!(s.once(&["--timeout", "30"], &["sh", "-c", "exit 3"]).code, 3);
}

/// Row "`wait` prints one code per line, in argument order; -1 for other conditions".
#[test]
fn wait_prints_one_code_a_line_in_the_order_of_its_arguments() {
    let s = session!();
    s.detached("slow", &[], "sleep 0.4; exit 7");
    s.detached("fast", &[], "exit 3");
    s.detached("up", &[], "exec sleep 1000");
    assert_eq!(s.ok(&["wait", "slow", "fast", "slow"]), "7\n3\n7");
    assert_eq!(s.ok(&["wait", "fast", "slow"]), "3\n7");
    // One that is not there ends it at once, whatever stands before it.
    let out = finish(s.spawn(&["wait", "up", "nosuch"]), Duration::from_secs(20), "wait");
    assert_eq!((out.code, &*out.out), (125, ""), "{out:?}");
    assert!(out.err.contains("nosuch"), "{out:?}");
    assert_eq!(s.ok(&["wait", "--ignore", "fast", "nosuch"]), "3\n-1");
    assert_eq!(s.ok(&["wait", "--condition", "running", "up"]), "-1");
    let either = ["wait", "--condition", "running", "--condition", "exited", "fast", "up"];
    assert_eq!(s.ok(&either), "3\n-1");
    assert_eq!(s.ok(&["wait", "--ignore", "nosuch", "fast"]), "-1\n3");
}

/// Row "`-d`": the id, and the errors of a start.
#[test]
fn detached_prints_the_id_once_the_payload_runs() {
    let s = session!();
    let id = s.detached("x", &[], "exec sleep 1000");
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
    // It has been executed: no moment in which it is something else.
    let command = std::fs::read(format!("/proc/{}/cmdline", s.pids(&id).1)).unwrap();
    assert!(command.starts_with(b"sh\0") || command.starts_with(b"sleep\0"), "{command:?}");
    for (words, code) in [(&["nosuch"][..], 127), (&["/etc"], 126)] {
        let base = ["run", "-d", "--rm", "--network", "none", IMAGE];
        let out = s.run(&[&base[..], words].concat());
        assert_eq!((out.code, out.out.as_str()), (code, ""), "{out:?}");
        assert!(out.err.contains(words[0]), "{out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq", "--no-trunc"]), id);
}

/// `bolt ARGS` in the foreground, once its payload has said that it is there.
fn in_front(s: &Session, name: &str, flags: &[&str], script: &str) -> std::process::Child {
    let base = ["run", "--network", "none", "--name", name];
    let child = s.spawn(&[&base[..], flags, &[IMAGE, "sh", "-c", script]].concat());
    until("ready", || s.run(&["logs", name]).out.contains("ready"));
    child
}

/// Row "attach/detach". The default keys, and a terminal's: `run::terminal::detaching_leaves_it_running`.
#[test]
fn detach_keys_and_sig_proxy() {
    let s = session!();
    let script = "trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done";
    let child = in_front(&s, "w", &[], script);
    signal(child.id(), 10);
    assert_eq!(finish(child, Duration::from_secs(20), "proxied").code, 5);
    let child = in_front(&s, "x", &["--sig-proxy=false"], script);
    signal(child.id(), 10);
    assert_eq!(finish(child, Duration::from_secs(20), "not proxied").code, -10);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    // attach passes them on too.
    let mut attached = s.spawn(&["attach", "--no-stdin", "x"]);
    std::thread::sleep(Duration::from_millis(200));
    // SIGSTOP stops the client alone.
    signal(attached.id(), 19);
    std::thread::sleep(Duration::from_millis(100));
    let (_, payload) = s.pids(&s.inspect("x", ".Id"));
    let stat = std::fs::read_to_string(format!("/proc/{payload}/stat")).unwrap();
    assert!(!stat.contains(") T "), "{stat}");
    signal(attached.id(), 18);
    signal(attached.id(), 10);
    let code = crate::harness::process::wait(&mut attached, Duration::from_secs(20), "attach");
    assert_eq!(code, 5);
    let bad = s.run(&["attach", "--detach-keys", "ctrl-", "x"]);
    assert!(bad.code == 125 && bad.err.contains("ctrl-"), "{bad:?}");
}

/// The same row: `""` disables them, others take their place.
#[test]
fn detach_keys_can_be_others_or_none() {
    let s = session!();
    if !crate::harness::user::has("setsid") {
        skip!("no setsid");
    }
    let terminal = |args: &[&str]| {
        let mut command = s.command("setsid");
        command.arg("--ctty").arg(s.program()).args(args);
        crate::harness::pty::Terminal::start(command, 24, 80)
    };
    let run = ["run", "-it", "--network", "none", "--name", "x", "--detach-keys"];
    let mut t = terminal(&[&run[..], &["", IMAGE, "sh"]].concat());
    t.keys(b"echo one-$((1 + 1))\n");
    t.expect("one-2");
    t.keys(b"\x10\x11\x15echo two-$((1 + 2))\n");
    t.expect("two-3");
    t.keys(b"exit 6\n");
    assert_eq!(t.end(), 6);
    s.ok(&["rm", "x"]);
    let mut t = terminal(&[&run[..], &["ctrl-a,z", IMAGE, "sh"]].concat());
    t.keys(b"echo one-$((1 + 1))\n");
    t.expect("one-2");
    t.keys(b"\x01z");
    assert_eq!(t.end(), 0);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
}

/// The same row, for exec: the program is not hung up on, and does not wait for a reader.
#[test]
fn an_exec_is_left_by_its_keys() {
    let s = session!();
    if !crate::harness::user::has("setsid") {
        skip!("no setsid");
    }
    s.ok(&["run", "-d", "--network", "none", "--name", "x", IMAGE, "sleep", "1000"]);
    let mut command = s.command("setsid");
    command.arg("--ctty").arg(s.program()).args(["exec", "-it", "x", "sh"]);
    let mut t = crate::harness::pty::Terminal::start(command, 24, 80);
    t.keys(b"echo one-$((1 + 1))\n");
    t.expect("one-2");
    // Far more than a terminal holds.
    t.keys(b"read x; seq 100000; seq 100000 > /dev/tty; echo done > /tmp/done; exec sleep 900\n");
    t.keys(b"go\n\x10\x11");
    assert_eq!(t.end(), 0);
    let is_done = || s.run(&["exec", "x", "cat", "/tmp/done"]).code == 0;
    crate::harness::user::until("it writes on", is_done);
    let top = s.ok(&["top", "x", "args"]);
    assert!(top.contains("sleep 900"), "{top}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
