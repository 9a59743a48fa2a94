//! `-t` through a real terminal.

use crate::harness::process::signal;
use crate::harness::pty::Terminal;
use crate::harness::user::{IMAGE, Session, has, until};
use std::time::{Duration, Instant};

fn terminal(s: &Session, args: &[&str]) -> Terminal {
    let mut command = s.command("setsid");
    command.arg("--ctty").arg(s.program()).args(args);
    Terminal::start(command, 33, 99)
}

#[test]
fn a_shell_in_a_terminal() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    let mut t = terminal(&s, &["run", "--rm", "-it", "--network", "none", IMAGE, "sh"]);
    t.keys(b"tty; stty size; echo T$TERM-end\n");
    t.expect("/dev/pts/");
    t.expect("33 99");
    t.expect("Txterm-end");
    t.resize(44, 111);
    t.keys(b"sleep 0.3; stty size\n");
    t.expect("44 111");
    // Ctrl-C goes to what runs in the foreground, not to the shell.
    t.keys(b"sleep 1000\n");
    std::thread::sleep(Duration::from_millis(300));
    t.keys(b"\x03");
    t.keys(b"echo still-$((40 + 2))\n");
    t.expect("still-42");
    t.keys(b"exit 12\n");
    assert_eq!(t.end(), 12);
}

/// ttyname(3) leads to it: who may not open it cannot ask for a password, or run tmux.
#[test]
fn the_terminal_is_its_users() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    s.detached("x", &["--userns", "keep-id:uid=77,gid=78"], "exec sleep 1000");
    for words in [
        &["run", "--rm", "-t", "--network", "none", "-u", "1000", IMAGE][..],
        &["run", "--rm", "-t", "--network", "none", "--userns", "keep-id", IMAGE],
        &["exec", "-t", "x"],
        &["exec", "-t", "-u", "1000", "x"],
        &["exec", "-t", "-u", "0", "x"],
    ] {
        let script = ["sh", "-c", "echo op''en >$(tty); stat -c '%g %a' $(tty)"];
        let mut t = terminal(&s, &[words, &script].concat());
        t.expect("open");
        t.expect("5 620");
        assert_eq!(t.end(), 0, "{words:?}");
    }
}

/// The end of the input comes while the shell changes the terminal's mode, which forgets it.
#[test]
fn a_shell_without_input_ends() {
    let s = session!();
    for n in 0..12 {
        let out = s.run(&["run", "--rm", "-it", "--network", "none", IMAGE, "sh"]);
        assert!(out.code == 0 && out.out.contains('#'), "round {n}: {out:?}");
    }
    s.detached("x", &[], "exec sleep 1000");
    for n in 0..12 {
        let out = s.run(&["exec", "-it", "x", "sh"]);
        assert!(out.code == 0 && out.out.contains('#'), "exec, round {n}: {out:?}");
    }
}

/// Before the terminal is raw its keys are signals, which must not part a launcher from its
/// container.
#[test]
fn ctrl_c_at_the_very_start_leaves_nothing_that_runs() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    let script = "trap 'exit 7' INT; while :; do sleep 0.02; done";
    for n in 0..24 {
        let args = ["run", "--rm", "-it", "--network", "none", IMAGE, "sh", "-c", script];
        let mut t = terminal(&s, &args);
        std::thread::sleep(Duration::from_millis(n * 2));
        let end = Instant::now() + Duration::from_secs(15);
        // Nobody hears the first one where it comes before the trap.
        while t.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "round {n}: it does not end");
            t.keys(b"\x03");
            std::thread::sleep(Duration::from_millis(100));
        }
        until("nothing runs", || s.ok(&["ps", "-aq"]).is_empty());
    }
}

#[test]
fn detaching_leaves_it_running() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    let mut t = terminal(&s, &["run", "-it", "--network", "none", "--name", "x", IMAGE, "sh"]);
    t.keys(b"echo one-$((1 + 1))\n");
    t.expect("one-2");
    t.keys(b"\x10\x11");
    assert_eq!(t.end(), 0);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    let mut t = terminal(&s, &["attach", "x"]);
    t.keys(b"echo two-$((1 + 2))\n");
    t.expect("two-3");
    t.keys(b"exit 4\n");
    assert_eq!(t.end(), 4);
    assert_eq!(s.inspect("x", ".State.ExitCode"), "4");
}

#[test]
fn signals_reach_a_program_with_a_terminal() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    let script =
        "trap 'exit 7' TERM; trap 'exit 8' USR1; echo rea''dy; while :; do sleep 0.05; done";
    let program = ["--network", "none", IMAGE, "sh", "-c", script];
    for (number, code) in [(15, 7), (10, 8)] {
        let mut t = terminal(&s, &[&["run", "--rm", "-it"], &program[..]].concat());
        t.expect("ready");
        signal(t.child.id(), number);
        assert_eq!(t.end(), code);
    }
    s.ok(&[&["create", "-t", "--name", "x"], &program[..]].concat());
    let mut t = terminal(&s, &["start", "-a", "x"]);
    t.expect("ready");
    signal(t.child.id(), 15);
    assert_eq!(t.end(), 7);
    let flags = ["run", "-it", "--name", "y", "--sig-proxy=false"];
    let mut t = terminal(&s, &[&flags, &program[..]].concat());
    t.expect("ready");
    signal(t.child.id(), 15);
    assert_eq!(t.end(), 143);
    assert_eq!(s.inspect("y", ".State.Status"), "running");
}

/// As podman warns; the container runs all the same.
#[test]
fn a_terminal_without_one_to_type_at_is_told() {
    let s = session!();
    let warns = |flags: &[&str]| {
        let out = s.once(flags, &["true"]);
        assert_eq!(out.code, 0, "{flags:?}: {out:?}");
        out.err.contains("the input device is not a TTY")
    };
    assert!(warns(&["-it"]));
    assert!(!warns(&["-t"]) && !warns(&["-i"]));
}
