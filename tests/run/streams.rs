//! Standard streams without a terminal.

use crate::harness::image::noise;
use crate::harness::process::finish;
use crate::harness::user::IMAGE;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn output_and_errors_are_apart() {
    let s = session!();
    let out = s.once(&[], &["sh", "-c", "echo out; echo err >&2; printf no-newline"]);
    assert_eq!((out.out.as_str(), out.err.as_str()), ("out\nno-newline", "err\n"));
}

#[test]
fn standard_input() {
    let s = session!();
    let data = noise(9, 3_000_000);
    let mut command = s.bolt(&["run", "--rm", "-i", "--network", "none", IMAGE, "sha256sum"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&data).unwrap();
    let out = finish(child, Duration::from_secs(30), "-i");
    let path = s.file("data", &data);
    let want = crate::harness::run("sha256sum", &[&path]);
    assert_eq!(out.out.split(' ').next(), want.split(' ').next(), "{}", out.err);
    // Without -i there is nothing to read, whoever types.
    let mut child = s
        .bolt(&["run", "--rm", "--network", "none", IMAGE, "wc", "-c"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(b"hello");
    let out = finish(child, Duration::from_secs(30), "no -i");
    assert_eq!(out.out.trim(), "0");
}

/// runc and crun give them to him: programs log to `/dev/stdout`, which opens them anew.
#[test]
fn a_user_may_open_the_streams_anew() {
    let s = session!();
    let script = "echo out >/dev/stdout; echo err >/dev/stderr; stat -Lc %u /dev/stdout";
    for flags in [&["-u", "1000"][..], &["-u", "1000", "--log-driver", "none"], &[]] {
        let out = s.once(flags, &["sh", "-c", script]);
        let uid = if flags.is_empty() { "0" } else { "1000" };
        let want = (0, format!("out\n{uid}\n"), "err\n");
        assert_eq!((out.code, out.out.clone(), out.err.as_str()), want, "{flags:?}");
    }
    s.detached("x", &["-u", "1000"], "echo logged >/dev/stdout; exec sleep 1000");
    crate::harness::user::until("a line", || s.ok(&["logs", "x"]).contains("logged"));
    // A pipe of the caller's stays his, and so does a file.
    let bolt = s.program().display().to_string();
    let passthrough = format!("{bolt} run --rm --network none --log-driver passthrough -u 1000");
    let line = format!(
        "({bolt} exec -u 1000 x id -u; {passthrough} {IMAGE} id -u; echo b >/dev/stderr) 2>&1 | cat"
    );
    let out = finish(s.command("sh").args(["-c", &line]).spawn().unwrap(), PATIENCE, "pipe");
    assert_eq!(out.out, "1000\n1000\nb\n", "{out:?}");
    let file = s.file("mine", "");
    let line = format!("{passthrough} {IMAGE} id -u >{file}");
    let out = finish(s.command("sh").args(["-c", &line]).spawn().unwrap(), PATIENCE, "passthrough");
    assert_eq!((out.code, std::fs::read_to_string(&file).unwrap().as_str()), (0, "1000\n"));
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&file).unwrap());
    assert_eq!(owner, s.user.uid);
}

#[test]
fn a_hundred_megabytes_arrive_whole() {
    let s = session!();
    let script = "head -c 100000000 /dev/zero | tr '\\0' x; printf end";
    let mut child = s.spawn(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--log-driver",
        "none",
        IMAGE,
        "sh",
        "-c",
        script,
    ]);
    let mut pipe = child.stdout.take().unwrap();
    let (mut total, mut wrong, mut last) = (0, 0, Vec::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = pipe.read(&mut buffer).unwrap();
        if n == 0 {
            break;
        }
        wrong += buffer[..n].iter().filter(|b| **b != b'x').count();
        total += n;
        last.extend_from_slice(&buffer[n.saturating_sub(3)..n]);
        last.drain(..last.len().saturating_sub(3));
    }
    assert_eq!(finish(child, Duration::from_secs(30), "100 MB").code, 0);
    assert_eq!((total, wrong, last.as_slice()), (100_000_003, 3, &b"end"[..]));
}

#[test]
fn a_reader_that_leaves_ends_the_client_only() {
    let s = session!();
    let mut child = s.spawn(&[
        "run",
        "--network",
        "none",
        "--name",
        "x",
        IMAGE,
        "sh",
        "-c",
        "while :; do echo line; sleep 0.01; done",
    ]);
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut [0; 5]).unwrap();
    drop(pipe);
    finish(child, Duration::from_secs(20), "EPIPE");
    assert_eq!(s.inspect("x", ".State.Status"), "running");
}

/// `bolt run … | head -1`.
#[test]
fn who_reads_no_more_is_not_left_with_a_container_that_nobody_sees() {
    let s = session!();
    let head = |flags: &str| {
        let mut shell = s.command("sh");
        let program = s.program();
        let line = format!(
            "{{ {} run {flags} --network none {IMAGE} yes; echo $? >&2; }} | head -n 1",
            program.display()
        );
        finish(shell.args(["-c", &line]).spawn().unwrap(), Duration::from_secs(30), "head")
    };
    let out = head("--rm");
    assert_eq!((out.out.as_str(), out.err.as_str()), ("y\n", "141\n"));
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    let out = head("--name x");
    assert!(out.err.ends_with("container x runs on\n141\n"), "{out:?}");
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

/// The end of the output is a hint that the program ends, and no more than that.
#[test]
fn a_program_that_closes_its_output_keeps_its_name_and_records() {
    let s = session!();
    s.detached("x", &["--rm"], "exec >&- 2>&-; sleep 1000");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    assert_eq!(s.ok(&["ps", "--format", "{{.Names}}"]), "x");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}
