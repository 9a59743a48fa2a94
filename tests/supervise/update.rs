//! `bolt update` and `--memory-reservation`. Limits that really hold are checked in the lab, where
//! there is cgroup v2 for an ordinary user, and in `cgroup::update`.

use crate::harness::process::{finish, signal};
use crate::harness::user::{IMAGE, Session, until};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

fn status(s: &Session) -> String {
    s.inspect("x", ".State.Status")
}

fn policy(s: &Session) -> String {
    s.inspect("x", ".HostConfig.RestartPolicy")
}

fn end_payload(s: &Session, id: &str) {
    signal(s.pids(id).1 as u32, 9);
}

/// A supervisor that was to start once has let go of its plan; it gets another.
#[test]
fn a_container_that_was_to_run_once_is_started_again() {
    let s = session!();
    let file = s.file("value", "canary");
    s.ok(&["secret", "create", "a", &file]);
    let flags = [
        "--secret=a",
        "--secret=a,type=env,target=VAR",
        "--user=1000",
        "--tmpfs=/scratch",
        "--read-only",
        "--ulimit=nofile=77:77",
        "-e=HELLO=you",
        "--init",
    ];
    let tell = "id -u; ulimit -n; echo $HELLO $VAR $(cat /run/secrets/a); touch /scratch/x; \
        touch /no 2>/dev/null || echo sealed; exec sleep 1000";
    let id = s.detached("x", &flags, tell);
    until("told", || s.ok(&["logs", "x"]).lines().count() == 4);
    let first = s.ok(&["logs", "x"]);
    assert_eq!(first, "1000\n77\nyou canary canary\nsealed");
    assert_eq!(s.ok(&["update", "--restart", "on-failure:2", "x"]), id);
    assert_eq!(policy(&s), "map[MaximumRetryCount:2 Name:on-failure]");
    for n in 1..=2 {
        end_payload(&s, &id);
        until("again", || s.inspect("x", ".RestartCount") == n.to_string());
        until("told", || s.ok(&["logs", "x"]).lines().count() == 4 * (n + 1));
    }
    assert_eq!(s.ok(&["logs", "x"]), [&*first; 3].join("\n"));
    assert_eq!(s.ok(&["exec", "x", "sh", "-c", "echo $VAR"]), "canary");
    end_payload(&s, &id);
    until("no third time", || status(&s) == "exited");
    let told = ["events", "--stream=false", "--filter", "event=update", "--format", "{{.Name}}"];
    assert_eq!(s.ok(&told), "x");
}

#[test]
fn a_restart_policy_is_taken_back() {
    let s = session!();
    s.detached("x", &["--restart", "always"], "exit 3");
    until("it goes round", || s.inspect("x", ".RestartCount") != "0");
    s.ok(&["update", "--restart", "no", "x"]);
    until("it has ended", || status(&s) == "exited");
    assert_eq!(
        (policy(&s), s.inspect("x", ".State.ExitCode")),
        ("map[MaximumRetryCount:0 Name:no]".into(), "3".into())
    );
    // Of one that does not run it holds from the next start on.
    s.ok(&["container", "update", "--restart", "unless-stopped", "x"]);
    s.ok(&["start", "x"]);
    until("round again", || s.inspect("x", ".RestartCount") != "0");
    s.ok(&["stop", "-t", "0", "x"]);
    // And to and fro.
    let id = s.detached("x", &["--replace"], "exec sleep 1000");
    for policy in ["always", "no", "unless-stopped", "never", "always"] {
        assert_eq!(s.ok(&["update", "--restart", policy, "x"]), id);
    }
    end_payload(&s, &id);
    until("again", || s.inspect("x", ".RestartCount") == "1");
    s.ok(&["update", "--restart", "no", "x"]);
    end_payload(&s, &id);
    until("ended", || status(&s) == "exited");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    s.detached("gone", &["--rm"], "exec sleep 1000");
    let before = s.inspect("x", "json .HostConfig");
    for (flags, why) in [
        (&["nosuch"][..], "no container with name or ID"),
        (&["--restart", "sometimes", "x"], "\"sometimes\" is not known"),
        (&["--restart", "on-failure:x", "x"], "is not known"),
        (&["--restart", "always", "gone"], "contradict each other"),
        (&["-m", "many", "x"], "many"),
        (&["-m", "20m", "--memory-swap", "10m", "x"], "--memory-swap 10485760: less than"),
        (&["-m", "20m", "--memory-reservation", "30m", "x"], "--memory-reservation 31457280: more"),
        (&["--cpus=-1", "x"], "--cpus -1"),
        (&["--cpuset-cpus", "", "x"], "--cpuset-cpus"),
        (&["--cpuset-mems", "1-0", "x"], "--cpuset-mems 1-0"),
        (&["--cpus=1", "--cpu-period=20000", "x"], "--cpu-period is the same limit"),
        (&["--cpus=1", "--cpu-quota=20000", "x"], "--cpu-quota is the same limit"),
        (&["--cpu-quota=9", "x"], "--cpu-quota 9"),
        (&["--restart", "always", "--pids-limit", "-7", "x"], "--pids-limit -7"),
        (&[], "CONTAINER"),
        (&["x"], "nothing to update"),
    ] {
        let out = s.run(&[&["update"], flags].concat());
        assert!(out.code == 125 && out.out.is_empty() && out.err.contains(why), "{why}: {out:?}");
    }
    assert_eq!(s.inspect("x", "json .HostConfig"), before);
    let out = s.once(&["-m", "20m", "--memory-reservation", "30m"], &["true"]);
    assert!(out.code == 125 && out.err.contains("--memory-reservation"), "{out:?}");
}

/// Where a limit cannot hold that is told and not written down; the rest is.
#[test]
fn a_limit_that_is_denied_is_not_recorded() {
    let s = session!();
    let id = s.detached("x", &[], "exec sleep 1000");
    s.ok(&["create", "--network=none", "--name", "off", "--cgroups=disabled", IMAGE, "true"]);
    for stop in [false, true] {
        if stop {
            s.ok(&["stop", "-t", "0", "x"]);
        }
        let policy = if stop { "no" } else { "always" };
        let out =
            s.run(&["update", "--restart", policy, "-m", "64m", "--memory-reservation", "8m", "x"]);
        let recorded = s.inspect("x", ".HostConfig.Memory");
        if out.code == 0 {
            assert_eq!((recorded.as_str(), out.out.trim_end()), ("67108864", &*id), "{out:?}");
        } else {
            assert!(out.code == 125 && out.err.contains("denied: --memory: "), "{out:?}");
            assert!(out.err.contains("denied: --memory-reservation: "), "{out:?}");
            assert_eq!((recorded.as_str(), out.out.as_str()), ("0", ""));
        }
        assert_eq!(s.inspect("x", ".HostConfig.RestartPolicy.Name"), policy);
    }
    let out = s.run(&["update", "--cpus", "1", "off"]);
    assert!(out.code == 125 && out.err.contains("denied: --cpus: the container was"), "{out:?}");
    assert_eq!(s.inspect("off", ".HostConfig.NanoCpus"), "0");
}

/// What a service manager gave for one start cannot be had for another.
#[test]
fn a_container_with_a_managers_socket_is_not_promised_another_start() {
    let s = session!();
    let path = s.runtime().join("manager");
    let socket = UnixDatagram::bind(&path).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).unwrap();
    let words = ["run", "-d", "--network=none", "--name=x", IMAGE, "sleep", "1000"];
    let mut run = s.bolt(&words);
    run.env("NOTIFY_SOCKET", &path);
    let out = finish(run.spawn().unwrap(), Duration::from_secs(20), "run");
    assert_eq!(out.code, 0, "{out:?}");
    let out = s.run(&["update", "--restart", "always", "x"]);
    assert!(out.code == 125 && out.err.contains("denied: --restart: its supervisor"), "{out:?}");
    assert_eq!(policy(&s), "map[MaximumRetryCount:0 Name:no]");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    drop(socket);
    std::fs::remove_file(path).unwrap();
}
