//! Names beside the end of a container, and after somebody was killed who changed one.

use crate::harness::process::{finish, lives, signal};
use crate::harness::user::{IMAGE, Session, has, until};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// The second one has none of the container's streams: what its end waits for is its tracer alone.
const TWO: &str = "sleep 1000 >/dev/null 2>&1 & exec sleep 1000";
const KILL: i32 = 9;
const CONT: i32 = 18;
const STOP: i32 = 19;

/// A container whose namespaces the kernel cannot take apart: a process of it has ended and is
/// never fetched by who traces it.
struct Slow {
    id: String,
    monitor: u32,
    tracer: Child,
}

/// The processes of a container as the host counts them, without the first.
fn others(first: i32) -> Vec<u32> {
    let path = format!("/proc/{first}/task/{first}/children");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// strace(1) at that process, once it is there.
fn trace(s: &Session, pid: u32, flags: &[&str]) -> Child {
    let mut command = s.command("strace");
    let out = s.home().join(format!("trace-{pid}"));
    let pid_text = pid.to_string();
    command.arg("-o").arg(out).args(flags).args(["-p", &pid_text]);
    let child = command.spawn().unwrap();
    until("traced", || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.contains("TracerPid:\t0")
    });
    child
}

impl Slow {
    fn start(s: &Session, name: &str) -> Slow {
        let id = s.detached(name, &["--rm"], TWO);
        let (monitor, payload) = s.pids(&id);
        until("a second process", || !others(payload).is_empty());
        let tracer = trace(s, others(payload)[0], &["-e", "trace=none"]);
        signal(tracer.id(), STOP);
        signal(payload as u32, KILL);
        let config = s.data().join("containers").join(&id).join("config.json");
        until("it is cleaned up", || !config.exists() && link(s, name).is_none());
        Slow { id, monitor: monitor as u32, tracer }
    }

    fn end(self, s: &Session) {
        assert!(lives(self.monitor));
        signal(self.tracer.id(), CONT);
        finish(self.tracer, Duration::from_secs(20), "strace");
        until("the supervisor is gone", || !lives(self.monitor));
        assert!(!s.data().join("containers").join(self.id).exists());
    }
}

/// Where a name leads.
fn link(s: &Session, name: &str) -> Option<PathBuf> {
    std::fs::read_link(s.data().join("containers/by-name").join(name)).ok()
}

/// Nothing is left to say once all is mended.
fn assert_whole(s: &Session) {
    let repaired = s.run(&["system", "check", "--repair"]);
    assert_eq!(repaired.code, 0, "{repaired:?}");
    assert_eq!(s.ok(&["system", "check"]), "");
}

#[test]
fn a_name_freed_at_the_end_belongs_to_who_takes_it() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    let first = Slow::start(&s, "game");
    let second = s.detached("game", &["--replace"], "exec sleep 1000");
    first.end(&s);
    assert_eq!(s.inspect("game", ".Id"), second);
    assert_ne!(s.run(&["create", "--name", "game", IMAGE]).code, 0);
    s.ok(&["rm", "-f", "-t", "0", "game"]);
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// Traced and held up at that call, for two seconds or for ever.
fn held_up(s: &Session, what: &str, args: &[&str]) -> Command {
    let mut command = s.command("strace");
    command.arg("-o").arg(s.home().join("trace")).args(["-e", &format!("inject={what}")]);
    command.arg(s.program()).args(args);
    command
}

#[test]
fn a_rename_beside_the_end_leaves_nothing() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    let containers = s.data().join("containers");
    for slow in [false, true] {
        let id = s.detached("x", &["--rm"], TWO);
        let (monitor, payload) = s.pids(&id);
        until("a second process", || !others(payload).is_empty());
        let tracer = slow.then(|| trace(&s, others(payload)[0], &["-e", "trace=none"]));
        // It has read the record when the container ends, and not yet written its own.
        let what = "symlinkat:delay_exit=4000000";
        let rename = held_up(&s, what, &["rename", "x", "y"]).spawn().unwrap();
        until("it has begun", || link(&s, "y").is_some());
        if let Some(tracer) = &tracer {
            signal(tracer.id(), STOP);
        }
        signal(payload as u32, KILL);
        let out = finish(rename, Duration::from_secs(20), "rename");
        assert!(out.code != 0 && out.err.contains("no container"), "{out:?}");
        assert_eq!((link(&s, "x"), link(&s, "y")), (None, None));
        assert_eq!(s.ok(&["ps", "-aq"]), "");
        if let Some(tracer) = tracer {
            assert!(lives(monitor as u32) && containers.join(&id).exists());
            signal(tracer.id(), CONT);
            finish(tracer, Duration::from_secs(20), "strace");
        }
        until("the directory is gone", || !containers.join(&id).exists());
    }
    s.assert_quiet();
    assert_eq!(s.ok(&["system", "check"]), "");
}

/// `bolt ARGS` is killed at the first of that call, at the second, and so on until it makes no
/// more of them.
fn killed_at_each(s: &Session, call: &str, args: &[&str], after: impl Fn()) {
    for n in 1..100 {
        let what = format!("{call}:signal=KILL:when={n}");
        let child = held_up(s, &what, args).spawn().unwrap();
        let out = finish(child, Duration::from_secs(20), "strace");
        after();
        if out.code == 0 {
            assert!(n > 1, "{call} is never made");
            return;
        }
    }
    panic!("{call} for ever");
}

#[test]
fn a_killed_rename_is_completed_or_mended() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    let id = s.ok(&["create", "--name", "old", "--network", "none", IMAGE, "true"]);
    for call in ["symlinkat", "renameat", "unlinkat"] {
        for way in ["again", "another", "check"] {
            killed_at_each(&s, call, &["rename", &id, "new"], || {
                assert!(["old", "new"].contains(&&*s.inspect(&id, ".Name")));
                match way {
                    "check" => assert_whole(&s),
                    "another" => drop(s.ok(&["rename", &id, "other"])),
                    _ if s.inspect(&id, ".Name") == "old" => drop(s.ok(&["rename", &id, "new"])),
                    _ => {}
                }
                let name = s.inspect(&id, ".Name");
                assert_eq!(s.inspect(&name, ".Id"), id);
                assert_whole(&s);
                if name != "old" {
                    s.ok(&["rename", &id, "old"]);
                }
                assert_whole(&s);
            });
        }
    }
}

#[test]
fn a_killed_removal_leaves_no_container_without_a_name() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    let create = ["create", "--replace", "--name", "x", "--network", "none", IMAGE, "true"];
    for call in ["renameat", "unlinkat"] {
        s.ok(&create);
        killed_at_each(&s, call, &["rm", "-f", "x"], || {
            for id in s.ok(&["ps", "-aq", "--no-trunc"]).lines() {
                assert_eq!(s.inspect("x", ".Id"), id);
            }
            s.ok(&create);
            assert_whole(&s);
        });
        s.ok(&["rm", "-f", "x"]);
    }
}

/// The supervisor of `--rm`, at each file that it removes.
#[test]
fn a_supervisor_killed_while_it_removes_leaves_no_container_without_a_name() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    // A file of a subordinate id needs P to be removed.
    let script = "mkdir /tmp/d && echo x >/tmp/d/f && chown -R 1000 /tmp/d && exec sleep 1000";
    let containers = s.data().join("containers");
    for n in 1..100 {
        let id = s.detached("x", &["--rm"], script);
        let (monitor, payload) = s.pids(&id);
        let inject = format!("inject=unlinkat:signal=KILL:when={n}");
        let tracer = trace(&s, monitor as u32, &["-e", &inject]);
        signal(payload as u32, KILL);
        finish(tracer, Duration::from_secs(20), "strace");
        until("the supervisor is gone", || !lives(monitor as u32));
        for id in s.ok(&["ps", "-aq", "--no-trunc"]).lines() {
            assert_eq!(s.inspect("x", ".Id"), id, "killed at {n}");
        }
        let over = !containers.join(&id).exists();
        if n % 2 == 0 {
            assert_whole(&s);
        }
        s.ok(&["create", "--replace", "--name", "x", "--network", "none", IMAGE, "true"]);
        s.ok(&["rm", "x"]);
        assert_whole(&s);
        if over {
            assert!(n > 3, "it is killed at every file");
            return;
        }
    }
    panic!("it removes for ever");
}
