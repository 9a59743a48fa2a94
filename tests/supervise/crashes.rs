//! The supervisor is killed, directories go, the environment is another one.

use crate::harness::process::{finish, is_stopped, lives, signal};
use crate::harness::user::{IMAGE, Session, until};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn status(s: &Session, name: &str) -> String {
    s.inspect(name, ".State.Status")
}

/// A container `x` whose payload runs as that user of its own, become so within: what a
/// supervisor could have bound to its own death, a change of user forgets (PR_SET_PDEATHSIG(2const)).
fn orphanable(s: &Session, user: u32) -> String {
    let su = "exec su player -c 'echo up; exec sleep 1000'";
    let script = if user == 0 { "echo up; exec sleep 1000" } else { su };
    let id = s.detached("x", &["--replace"], script);
    until("up", || s.ok(&["logs", "x"]) == "up");
    id
}

#[test]
fn a_killed_supervisor_leaves_an_orphan_that_can_be_removed() {
    let s = session!();
    for user in [0, 1000] {
        let id = orphanable(&s, user);
        let (monitor, payload) = s.pids(&id);
        signal(monitor as u32, 9);
        until("the supervisor is gone", || !lives(monitor as u32));
        assert!(lives(payload as u32));
        assert_eq!(status(&s, "x"), "orphaned");
        assert!(s.ok(&["ps"]).to_lowercase().contains("orphaned"));
        let out = s.run(&["rm", "x"]);
        assert_eq!(out.code, 2, "{out:?}");
        s.ok(&["rm", "-f", "-t", "0", "x"]);
        assert!(!lives(payload as u32));
        assert_eq!(s.ok(&["ps", "-aq"]), "");
        assert!(!s.data().join("containers").join(&id).exists());
        s.assert_quiet();
    }
}

#[test]
fn an_orphan_can_be_stopped_started_and_replaced() {
    let s = session!();
    let orphan = || {
        let id = orphanable(&s, 1000);
        let (monitor, payload) = s.pids(&id);
        signal(monitor as u32, 9);
        until("orphaned", || status(&s, "x") == "orphaned");
        payload as u32
    };
    let payload = orphan();
    s.ok(&["stop", "-t", "1", "x"]);
    assert!(!lives(payload));
    assert_eq!(status(&s, "x"), "exited");
    s.ok(&["start", "x"]);
    assert_eq!(status(&s, "x"), "running");
    // --replace ends an orphan too.
    let payload = orphan();
    s.detached("x", &["--replace"], "exec sleep 1000");
    assert!(!lives(payload));
    let payload = orphan();
    s.ok(&["restart", "-t", "0", "x"]);
    assert!(!lives(payload));
    assert_eq!(status(&s, "x"), "running");
}

const STOP: i32 = 19;
const CONT: i32 = 18;

/// To a process that may have ended.
fn signal_if_there(pid: u32, number: i32) {
    let signal = rustix::process::Signal::from_named_raw(number).unwrap();
    let _ =
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), signal);
}

#[test]
fn a_stopped_supervisor_is_continued() {
    let s = session!();
    let script = "trap 'exit 7' TERM; while :; do sleep 0.05; done";
    let verbs: [&[&str]; 5] = [
        &["exec", "x", "true"],
        &["stop", "-t", "1", "x"],
        &["kill", "x"],
        &["rm", "-f", "-t", "0", "x"],
        &["run", "-d", "--network", "none", "--name", "x", "--replace", IMAGE, "true"],
    ];
    for verb in verbs {
        let id = s.detached("x", &["--replace"], script);
        let monitor = s.pids(&id).0 as u32;
        signal(monitor, STOP);
        until("it stands", || is_stopped(monitor));
        s.ok(verb);
    }
    s.ok(&["rm", "-f", "x"]);
    s.assert_quiet();
}

/// One that is stopped again and again answers nobody.
#[test]
fn a_supervisor_that_does_not_answer_is_ended() {
    let s = session!();
    for verb in [&["stop", "-t", "0", "x"][..], &["kill", "x"], &["rm", "-f", "-t", "0", "x"]] {
        let id = s.detached("x", &["--replace"], "exec sleep 1000");
        let (monitor, payload) = s.pids(&id);
        let over = AtomicBool::new(false);
        let out = std::thread::scope(|scope| {
            scope.spawn(|| {
                while lives(monitor as u32) && !over.load(Ordering::Relaxed) {
                    signal_if_there(monitor as u32, STOP);
                    std::thread::sleep(Duration::from_micros(50));
                }
            });
            let out = s.run(verb);
            over.store(true, Ordering::Relaxed);
            out
        });
        assert_eq!(out.code, 0, "{verb:?}: {out:?}");
        // It may have told the end, and been stopped while it cleaned up.
        signal_if_there(monitor as u32, CONT);
        until("the supervisor is gone", || !lives(monitor as u32));
        assert!(!lives(payload as u32), "{verb:?}");
        if verb[0] != "rm" {
            assert_eq!(status(&s, "x"), "exited");
        }
    }
    s.assert_quiet();
}

/// As a supervisor leaves it that is killed before the program begins.
#[test]
fn a_start_that_was_cut_off_is_no_success() {
    let s = session!();
    let id = s.detached("x", &[], "true");
    s.ok(&["wait", "x"]);
    let file = s.data().join("containers").join(&id).join("state.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("\"exited\"", "\"starting\"");
    let began = text.find("\"started\":").unwrap();
    let rest = text.find(",\"exit\"").unwrap();
    let text = [&text[..began], "\"started\":0,\"finished\":0", &text[rest..]].concat();
    std::fs::write(&file, text).unwrap();
    assert_eq!(s.ok(&["wait", "x"]), "255");
    assert_eq!(s.ok(&["ps", "-a", "--format", "{{.Status}}"]), "Exited (255)");
}

#[test]
fn an_orphan_with_an_uplink_takes_it_along() {
    let s = session!();
    if !crate::harness::user::has("pasta") {
        skip!("no pasta");
    }
    let id = s.ok(&["run", "-d", "--name", "x", IMAGE, "su", "player", "-c", "exec sleep 1000"]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    signal(s.pids(&id).0 as u32, 9);
    until("orphaned", || status(&s, "x") == "orphaned");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    s.assert_quiet();
}

#[test]
fn the_runtime_directory_may_go() {
    let s = session!();
    s.detached("x", &[], "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done");
    until("up", || s.ok(&["logs", "x"]) == "up");
    std::fs::remove_dir_all(s.runtime()).unwrap();
    assert_eq!(status(&s, "x"), "running");
    s.ok(&["exec", "x", "true"]);
    std::fs::create_dir(s.runtime()).unwrap();
    std::os::unix::fs::chown(s.runtime(), Some(s.user.uid), Some(s.user.gid)).unwrap();
    s.ok(&["exec", "x", "true"]);
    s.ok(&["stop", "x"]);
    assert_eq!(s.inspect("x", ".State.ExitCode"), "3");
}

#[test]
fn another_environment_finds_the_same_containers() {
    let s = session!();
    let id = s.detached("x", &[], "exec sleep 1000");
    let other = s.dir().join("home/other-run");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::chown(&other, Some(s.user.uid), Some(s.user.gid)).unwrap();
    let changes: [&dyn Fn(&mut std::process::Command); 2] = [
        &|c| {
            c.env_remove("XDG_RUNTIME_DIR");
        },
        &|c| {
            c.env("XDG_RUNTIME_DIR", &other);
        },
    ];
    for change in changes {
        for args in [&["ps", "-q", "--no-trunc"][..], &["exec", "x", "echo", "hi"], &["logs", "x"]]
        {
            let mut command = s.bolt(args);
            change(&mut command);
            let out = command.output().unwrap();
            let text = String::from_utf8_lossy(&out.stdout);
            let errors = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{args:?}: {text}{errors}");
            match args[0] {
                "ps" => assert_eq!(text.trim(), id),
                "exec" => assert_eq!(text.trim(), "hi"),
                _ => {}
            }
        }
        let mut command = s.bolt(&["stop", "-t", "0", "x"]);
        change(&mut command);
        assert!(command.output().unwrap().status.success());
        let mut command = s.bolt(&["start", "x"]);
        change(&mut command);
        let out = command.output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(s.ok(&["exec", "x", "echo", "hi"]), "hi");
    }
}

#[test]
fn a_container_removed_at_its_end_leaves_nothing() {
    let s = session!();
    let before = files(&s);
    let cid = s.home().join("cid");
    for _ in 0..3 {
        s.detached("x", &["--rm", "--cidfile", cid.to_str().unwrap(), "-v", "/v"], "sleep 0.05");
        until("gone", || s.ok(&["ps", "-aq"]).is_empty());
        s.detached("x", &["--rm"], "exec sleep 1000");
        s.ok(&["stop", "-t", "0", "x"]);
        until("gone", || s.ok(&["ps", "-aq"]).is_empty());
    }
    s.assert_quiet();
    until("no file more than before", || files(&s) == before);
}

/// Everything below containers/, volumes/ and the runtime directory.
fn files(s: &Session) -> Vec<String> {
    // What is made once and stays is made first.
    s.ok(&["volume", "ls", "-q"]);
    s.script(&[], "true");
    let mut paths = Vec::new();
    for dir in [s.data().join("containers"), s.data().join("volumes"), s.runtime()] {
        let list = crate::harness::run("find", &[dir.to_str().unwrap()]);
        paths.extend(list.lines().map(str::to_owned));
    }
    paths.sort();
    paths
}

/// The end is told to a launcher that sleeps (^Z of its shell), however much output waits for it.
#[test]
fn a_suspended_launcher_hears_the_end() {
    let s = session!();
    let quiet = "echo up; trap 'exit 9' TERM; while :; do sleep 0.05; done";
    let loud = "trap 'exit 9' TERM; while :; do cat /bin/busybox; done";
    for script in [quiet, loud] {
        let args = ["run", "--name", "x", "--network", "none", IMAGE, "sh", "-c", script];
        let child = s.spawn(&args);
        until("running", || s.run(&["inspect", "x"]).code == 0 && status(&s, "x") == "running");
        signal(child.id(), 19);
        // Its queues fill.
        std::thread::sleep(Duration::from_millis(300));
        s.ok(&["stop", "-t", "1", "x"]);
        until("the supervisor is gone", || status(&s, "x") == "exited");
        std::thread::sleep(Duration::from_millis(1500));
        signal(child.id(), 18);
        let out = finish(child, Duration::from_secs(20), script);
        let want: i32 = s.inspect("x", ".State.ExitCode").parse().unwrap();
        assert_eq!((out.code, out.err.as_str()), (want, ""), "{script}");
        s.ok(&["rm", "x"]);
    }
}

/// `bolt run --rm` with that program in the supervisor's place.
fn with_shim(s: &Session, shim: &str) -> crate::harness::process::Out {
    let mut run = s.bolt(&["run", "--rm", "--network", "none", IMAGE, "true"]);
    let child = run.env("BOLT_SHIM", shim).spawn().unwrap();
    finish(child, Duration::from_secs(20), shim)
}

#[test]
fn a_supervisor_that_dies_without_a_word_is_told_and_leaves_nothing() {
    let s = session!();
    let out = with_shim(&s, "/bin/true");
    assert_eq!(out.code, 125, "{out:?}");
    assert!(out.err.contains("bolt-shim died while it set the container up"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    let left: Vec<_> = std::fs::read_dir(s.data().join("containers"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "by-name")
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(s.ok(&["run", "--rm", "--network", "none", IMAGE, "echo", "next"]), "next");
}

#[test]
fn a_supervisor_that_is_no_program_is_named_with_the_reason() {
    let s = session!();
    let out = with_shim(&s, "/etc/passwd");
    assert_eq!(out.code, 125, "{out:?}");
    assert!(out.err.contains("start /etc/passwd: Permission denied"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    assert_eq!(s.ok(&["run", "--rm", "--network", "none", IMAGE, "echo", "next"]), "next");
}

/// `bolt run -d --name x` under strace(1), which kills it when it makes the call that `instant`
/// picks of the lines of an undisturbed run.
fn killed_at(s: &Session, calls: &str, instant: impl Fn(&str) -> bool) {
    let traced = |inject: Option<String>| {
        let trace = s.home().join("trace");
        let mut command = s.command("strace");
        command.arg("-o").arg(&trace).args(["-e", &format!("trace={calls}")]);
        command.args(inject.iter().flat_map(|inject| ["-e", inject]));
        command.arg(s.program());
        command.args(["run", "-d", "--network", "none", "--name", "x", IMAGE, "sleep", "1000"]);
        let out = finish(command.spawn().unwrap(), Duration::from_secs(60), "strace");
        (out.code, std::fs::read_to_string(trace).unwrap())
    };
    let (code, trace) = traced(None);
    assert_eq!(code, 0, "{trace}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    let lines: Vec<&str> = trace.lines().collect();
    let line = lines.iter().rposition(|l| instant(l)).unwrap_or_else(|| panic!("never: {trace}"));
    let call = lines[line].split_once('(').unwrap().0;
    let when = lines[..=line].iter().filter(|l| l.starts_with(&format!("{call}("))).count();
    let (code, trace) = traced(Some(format!("inject={call}:signal=KILL:when={when}")));
    assert!(code != 0, "{trace}");
}

/// Between its words `Planned` and `Written` `bolt` may be killed while its supervisor has the plan
/// already: the program must not run, and what nobody can find must not stay.
#[test]
fn a_launcher_that_is_killed_between_plan_and_record() {
    let s = session!();
    if !crate::harness::user::has("strace") {
        skip!("no strace");
    }
    let containers = s.data().join("containers");
    let count = || std::fs::read_dir(&containers).unwrap().count();
    let over = || {
        s.ok(&["system", "check"]);
        s.detached("x", &[], "true");
        s.ok(&["rm", "-f", "-t", "0", "--all"]);
        s.assert_quiet();
    };
    s.detached("other", &[], "exec sleep 1000");
    let before = count();
    killed_at(&s, "rename,renameat,renameat2", |l| l.contains("\"config.json\""));
    until("nothing is left of it", || count() == before);
    assert_eq!(s.ok(&["ps", "-aq"]).lines().count(), 1);
    over();
    // Written down, but the supervisor was never told: a container like any other, that does not
    // run. One that makes P is written down while newuidmap works.
    for alone in [false, true] {
        if !alone {
            s.detached("other", &[], "exec sleep 1000");
        }
        killed_at(&s, "sendmsg", |l| l.starts_with("sendmsg("));
        until("nothing runs", || matches!(&*status(&s, "x"), "created" | "exited"));
        assert_eq!(s.inspect("x", ".State.Pid"), "0");
        s.ok(&["rm", "x"]);
        over();
    }
}
