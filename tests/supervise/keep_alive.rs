//! Containers without a program of their own: `--keep-alive`, and `--replace=exited`.

use crate::harness::user::{Session, until};

const IDLE: [&str; 7] =
    ["run", "-d", "--network", "none", "--keep-alive", "--entrypoint=", "--name"];

fn idle(s: &Session, name: &str, flags: &[&str]) -> String {
    s.ok(&[&IDLE, &[name][..], flags, &["v1"]].concat())
}

fn status(s: &Session, name: &str) -> String {
    s.inspect(name, ".State.Status")
}

#[test]
fn it_stays_until_what_was_left_in_it_has_ended() {
    let s = session!();
    idle(&s, "k", &[]);
    assert_eq!(s.ok(&["exec", "k", "cat", "/proc/1/comm"]), "bolt-init");
    // Somebody looks in; and a program that could not be started was not there.
    s.ok(&["exec", "k", "true"]);
    assert_eq!(s.run(&["exec", "-d", "k", "nosuch"]).code, 127);
    assert_eq!(status(&s, "k"), "running");
    // The first leaves a child behind, which the second outlives.
    s.ok(&["exec", "-d", "k", "sh", "-c", "sleep 1 & exec sleep 0.2"]);
    s.ok(&["exec", "-d", "k", "sh", "-c", "exec sleep 0.5"]);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(status(&s, "k"), "running");
    until("the end of k", || status(&s, "k") == "exited");
    assert_eq!(s.inspect("k", ".State.ExitCode"), "0");
    // It has forgotten that by its next start.
    s.ok(&["start", "k"]);
    s.ok(&["exec", "k", "true"]);
    assert_eq!(status(&s, "k"), "running");
}

#[test]
fn a_stop_asks_every_program_in_it() {
    let s = session!();
    let dir = s.make_dir("told");
    idle(&s, "k", &["-v", &format!("{dir}:/told")]);
    for (n, wait) in [("a", "-d"), ("b", "-i")] {
        let script = format!(
            "trap 'touch /told/{n}; exit' TERM; touch /told/up-{n}; while :; do sleep 0.05; done"
        );
        let mut exec = s.bolt(&["exec", wait, "k", "sh", "-c", &script]);
        let child = exec.stdin(std::process::Stdio::piped()).spawn().unwrap();
        std::thread::spawn(move || child.wait_with_output());
    }
    let there = |n: &str| std::path::Path::new(&dir).join(n).exists();
    until("both programs", || there("up-a") && there("up-b"));
    let begin = std::time::Instant::now();
    s.ok(&["stop", "k"]);
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    assert!(there("a") && there("b"));
    assert_eq!((status(&s, "k"), s.inspect("k", ".State.ExitCode")), ("exited".into(), "0".into()));
    // Without any program in it, and with one that does not listen.
    s.ok(&["start", "k"]);
    s.ok(&["stop", "k"]);
    s.ok(&["start", "k"]);
    s.ok(&["exec", "-d", "k", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]);
    s.ok(&["stop", "-t", "1", "k"]);
    assert_eq!(s.inspect("k", ".State.ExitCode"), "137");
}

#[test]
fn a_command_is_run_as_ever() {
    let s = session!();
    let out = s.run(&["run", "--rm", "--entrypoint=", "v1"]);
    assert!(out.code == 125 && out.err.contains("or use --keep-alive"), "{out:?}");
    let out = s.once(&["--keep-alive"], &["sh", "-c", "exit 7"]);
    assert_eq!(out.code, 7, "{out:?}");
}

#[test]
fn only_what_has_ended_is_replaced() {
    let s = session!();
    let run = ["run", "-d", "--network", "none", "--name", "n", "--replace=exited", "v1"];
    let run = |command: &[&str]| s.run(&[&run, command].concat());
    let first = run(&["sleep", "1000"]);
    assert_eq!(first.code, 0, "{first:?}");
    let out = run(&["true"]);
    let id = first.out.trim();
    let want = format!(
        "bolt: the name \"n\" is in use by container {id}, which is running: stop it first\n"
    );
    assert_eq!((out.code, out.err), (125, want));
    s.ok(&["stop", "-t", "0", "n"]);
    let second = run(&["sleep", "1000"]);
    assert!(second.code == 0 && second.out != first.out, "{second:?}");
    assert_eq!(s.run(&["container", "exists", id]).code, 1);
    // As podman has it, and never another container whose id begins like that.
    let short = &second.out[..12];
    s.ok(&["run", "-d", "--network", "none", "--name", short, "--replace", "v1", "true"]);
    assert_eq!(s.run(&["container", "exists", second.out.trim()]).code, 0);
    s.ok(&["run", "-d", "--network", "none", "--name", "n", "--replace=true", "v1", "true"]);
    assert_eq!(s.run(&["container", "exists", second.out.trim()]).code, 1);
}
