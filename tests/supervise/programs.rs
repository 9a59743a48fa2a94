//! `exec`.

use crate::harness::pty::Terminal;
use crate::harness::user::{has, until};
use std::io::Write;
use std::process::Stdio;

#[test]
fn codes_and_settings() {
    let s = session!();
    s.detached("x", &["-e", "FROM=run", "-w", "/srv", "-u", "player"], "exec sleep 1000");
    let cases: &[(&[&str], i32)] = &[
        (&["x", "true"], 0),
        (&["x", "sh", "-c", "exit 9"], 9),
        (&["x", "sh", "-c", "kill -9 $$"], 137),
        (&["x", "nosuch"], 127),
        (&["x", "/etc/passwd"], 126),
        (&["nosuch", "true"], 125),
        (&["-u", "nosuch", "x", "true"], 125),
        (&["-w", "/nope", "x", "true"], 127),
        (&["-w", "/etc/passwd", "x", "true"], 126),
    ];
    for (args, code) in cases {
        let out = s.run(&[&["exec"], *args].concat());
        assert_eq!(out.code, *code, "{args:?}: {out:?}");
    }
    let get = |flags: &[&str], script: &str| {
        let mut args = vec!["exec"];
        args.extend(flags);
        args.extend(["x", "sh", "-c", script]);
        s.ok(&args)
    };
    assert_eq!(get(&["-e", "A=1"], "echo $A $FROM; pwd; id -un"), "1 run\n/srv\nplayer");
    assert_eq!(get(&["-u", "0", "-w", "/tmp"], "id -u; pwd"), "0\n/tmp");
    assert_eq!(get(&["-u", "0:44"], "id -g"), "44");
    let status =
        "grep -E '^(Seccomp|CapBnd|CapEff|NoNewPrivs):' /proc/self/status | tr -s '\\n\\t' '  '";
    assert_eq!(
        get(&["-u", "0"], status).trim(),
        "CapEff: 00000000800405fb CapBnd: 00000000800405fb NoNewPrivs: 0 Seccomp: 2"
    );
    assert!(get(&["--privileged", "-u", "0"], "grep CapEff /proc/self/status").contains("1fffff"));
    // It is in every namespace of the container.
    for ns in ["pid", "mnt", "net", "ipc", "uts", "user", "cgroup"] {
        let link = format!("readlink /proc/self/ns/{ns}; readlink /proc/1/ns/{ns}");
        let both = get(&[], &link);
        let mut lines = both.lines();
        assert_eq!(lines.next(), lines.next(), "{ns}");
    }
}

#[test]
fn streams() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    let out = s.run(&["exec", "x", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((out.out.as_str(), out.err.as_str()), ("out\n", "err\n"));
    let mut child = s.bolt(&["exec", "-i", "x", "wc", "-c"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&vec![b'x'; 1_000_000]).unwrap();
    let out = crate::harness::process::finish(child, std::time::Duration::from_secs(20), "exec -i");
    assert_eq!(out.out.trim(), "1000000");
    let big = s.bolt(&["exec", "x", "head", "-c", "20000000", "/dev/zero"]).output().unwrap();
    assert_eq!(big.stdout.len(), 20_000_000);
    s.ok(&["exec", "-d", "x", "sh", "-c", "sleep 0.1; touch /made"]);
    until("made", || s.run(&["exec", "x", "test", "-e", "/made"]).code == 0);
}

#[test]
fn many_at_once() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    let children: Vec<_> = (0..20)
        .map(|n| {
            let word = format!("exit {n}");
            (n, s.spawn(&["exec", "x", "sh", "-c", &word]))
        })
        .collect();
    for (n, child) in children {
        let out =
            crate::harness::process::finish(child, std::time::Duration::from_secs(20), "exec");
        assert_eq!(out.code, n, "{out:?}");
    }
    // A killed client leaves nothing in the way of the next.
    let mut child = s.spawn(&["exec", "x", "sleep", "1000"]);
    std::thread::sleep(std::time::Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(s.ok(&["exec", "x", "echo", "hi"]), "hi");
}

#[test]
fn a_terminal() {
    let s = session!();
    if !has("setsid") {
        skip!("no setsid");
    }
    s.detached("x", &[], "exec sleep 1000");
    let mut command = s.command("setsid");
    command.arg("--ctty").arg(s.program()).args(["exec", "-it", "x", "sh"]);
    let mut t = Terminal::start(command, 25, 90);
    t.keys(b"stty size; tty\n");
    t.expect("25 90");
    t.expect("/dev/pts/");
    t.resize(30, 120);
    t.keys(b"sleep 0.3; stty size\n");
    t.expect("30 120");
    t.keys(b"exit 21\n");
    assert_eq!(t.end(), 21);
}

#[test]
fn all_programs_end_with_the_container() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    s.ok(&["exec", "-d", "x", "sleep", "2000"]);
    s.ok(&["exec", "-d", "x", "setsid", "sleep", "2000"]);
    s.ok(&["stop", "-t", "0", "x"]);
    until("nothing runs", || {
        crate::harness::process::belonging_to(s.dir().to_str().unwrap()).is_empty()
    });
}
