//! From creation to removal: the rows about what becomes of containers.

use crate::harness::image::TestImage;
use crate::harness::process::signal;
use crate::harness::run;
use crate::harness::user::{IMAGE, Session, until};
use std::path::Path;

fn volumes(s: &Session) -> String {
    s.ok(&["volume", "ls", "-q"])
}

/// Row "`--rm` + `-d`".
#[test]
fn rm_with_detach_is_the_supervisors_work() {
    let s = session!();
    let cid = s.home().join("cid");
    let flags = ["--rm", "--cidfile", cid.to_str().unwrap(), "-v", "/data", "-v", "kept:/kept"];
    let id = s.detached("x", &flags, "while [ ! -e /go ]; do sleep 0.02; done");
    assert!(cid.exists());
    assert_eq!(volumes(&s).lines().count(), 2);
    // Nobody but the supervisor is there when it ends, which may be before touch does.
    s.run(&["exec", "x", "touch", "/go"]);
    let directory = s.data().join("containers").join(&id);
    until("the directory goes", || !directory.exists());
    until("the id file goes", || !cid.exists());
    until("the anonymous volume goes", || volumes(&s) == "kept");
    assert_eq!(s.run(&["container", "exists", "x"]).code, 1);
    let told = ["events", "--stream=false", "--filter", "type=volume", "--format", "{{.Status}}"];
    until("its end is told", || s.ok(&told) == "create\ncreate\nremove");
}

/// Row "`--replace`".
#[test]
fn replace_removes_the_namesake_and_never_fails_without_one() {
    let s = session!();
    let first = s.detached("x", &["--replace"], "exec sleep 1000");
    let (_, payload) = s.pids(&first);
    let second = s.detached("x", &["--replace"], "exec sleep 1000");
    assert_ne!(first, second);
    assert!(!crate::harness::process::lives(payload as u32));
    s.ok(&["stop", "-t", "0", "x"]);
    let third = s.ok(&["create", "--replace", "--name", "x", IMAGE, "true"]);
    assert_eq!(s.ok(&["ps", "-aq", "--no-trunc"]), third);
}

/// Row "`--cidfile`", as podman's main has it.
#[test]
fn cidfile_is_64_digits_and_goes_with_the_container() {
    let s = session!();
    let path = s.file("cid", "what an earlier run left here, longer than any id is: ".repeat(3));
    let id = s.detached("x", &["--cidfile", &path], "exec sleep 1000");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), id);
    assert_eq!(id.len(), 64);
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    assert!(!Path::new(&path).exists());
    for round in 0..2 {
        let out = s.once(&["--cidfile", &path], &["true"]);
        assert_eq!(out.code, 0, "{round}: {out:?}");
        assert!(!Path::new(&path).exists(), "{round}");
    }
    // Scripts stop and remove by it.
    s.detached("y", &["--cidfile", &path], "exec sleep 1000");
    s.ok(&["stop", "-t", "0", "--cidfile", &path]);
    s.ok(&["rm", "--cidfile", &path]);
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// Row "`--pull newer`".
#[test]
fn pull_newer_compares_digests_and_bears_errors() {
    let s = session!();
    let port = crate::harness::registry::free_port();
    let gone = format!("127.0.0.1:{port}/v1");
    s.ok(&["tag", IMAGE, &gone]);
    let image = TestImage::new(&[]);
    let source = image.source();
    let old = s.pull(&image);
    let args = ["run", "--rm", "-q", "--network", "none", "--pull", "newer", &source];
    let newest = |words: &[&str]| s.run(&[&args[..], words].concat());
    // The same digest: nothing is pulled.
    assert_eq!(newest(&["/bin/busybox", "true"]).code, 0);
    assert_eq!(
        s.ok(&["images", "-aq", "--no-trunc", "--filter", &format!("id={old}")]).lines().count(),
        1
    );
    image.add(|root| std::fs::write(root.join("new"), "").unwrap());
    image.open_to_all();
    let out = newest(&["/bin/busybox", "test", "-e", "/new"]);
    assert_eq!(out.code, 0, "{out:?}");
    assert_ne!(s.ok(&["images", "-q", "--no-trunc"]).lines().next().unwrap(), old);
    // An error of the pull, with the image here, is none of the run.
    let words = ["run", "--rm", "--network", "none", "--retry", "0", "--pull"];
    let run = |policy: &str, name: &str| s.run(&[&words[..], &[policy, name, "true"]].concat());
    let out = run("newer", &gone);
    let lines: Vec<_> = out.err.lines().collect();
    assert!(out.code == 0 && lines.len() == 1, "{out:?}");
    assert!(lines[0].starts_with("bolt: warning: ") && lines[0].contains("refused"), "{out:?}");
    let quiet = s.run(&[&words[..], &["newer", "-q", &gone, "true"]].concat());
    assert_eq!((quiet.code, &*quiet.err), (0, ""));
    assert_eq!(run("always", &gone).code, 125);
    let other = format!("127.0.0.1:{port}/nosuch");
    assert_eq!(run("newer", &other).code, 125);
}

/// Row "`--userns=keep-id`".
#[test]
fn keep_id_overrides_the_images_user() {
    let s = session!();
    let image = TestImage::busybox();
    let layout = image.source();
    let name = layout.trim_start_matches("oci:");
    run("umoci", &["config", "--image", name, "--config.user", "4242:4343"]);
    let id = s.pull(&image);
    let base = ["run", "--rm", "--network", "none"];
    let sh = |flags: &[&str], script: &str| {
        s.ok(&[&base[..], flags, &[&id, "sh", "-c", script]].concat())
    };
    assert_eq!(sh(&[], "id -u; id -g"), "4242\n4343");
    let own = format!("{}\n{}", s.user.uid, s.user.gid);
    assert_eq!(sh(&["--userns", "keep-id"], "id -u; id -g"), own);
    // A file of his is his, and passwd knows him.
    let file = s.file("mine", "");
    let mount = format!("{file}:/mine");
    let flags = ["--userns", "keep-id", "-v", &mount];
    assert_eq!(sh(&flags, "stat -c %u /mine"), s.user.uid.to_string());
    let entry = format!(":{}:{}:", s.user.uid, s.user.gid);
    assert!(sh(&flags, "cat /etc/passwd").contains(&entry));
    assert_eq!(sh(&["--userns", "keep-id", "-u", "0"], "id -u"), "0");
}

/// Row "`--restart`". Back after a boot through a unit: `supervise::units`, and the lab.
#[test]
fn restart_is_not_for_what_was_stopped_or_killed_by_hand() {
    let s = session!();
    for policy in ["always", "unless-stopped", "on-failure"] {
        for verb in [&["stop", "-t", "0", "x"][..], &["kill", "x"], &["kill", "-s", "9", "x"]] {
            s.detached("x", &["--replace", "--restart", policy], "exec sleep 1000");
            s.ok(verb);
            assert_eq!(s.ok(&["wait", "x"]), "137", "{policy} {verb:?}");
            std::thread::sleep(std::time::Duration::from_millis(250));
            assert_eq!(s.inspect("x", ".State.Status"), "exited", "{policy} {verb:?}");
        }
    }
    let id = s.detached("x", &["--replace", "--restart", "always"], "exec sleep 1000");
    signal(s.pids(&id).1 as u32, 9);
    until("it is back", || s.inspect("x", ".RestartCount") == "1");
    until("it runs", || s.inspect("x", ".State.Status") == "running");
    assert_eq!(s.ok(&["ps", "--format", "{{.Restarts}}"]), "1");
    let boots = |name: &str| {
        let filters = ["--filter", "should-start-on-boot=true", "--filter"];
        s.ok(&[&["ps", "-aq", "--no-trunc"], &filters[..], &[&format!("name={name}")]].concat())
    };
    // `always` is started after a boot though it was stopped; `unless-stopped` is not.
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(boots("x"), id);
    let other = s.detached("y", &["--restart", "unless-stopped"], "exec sleep 1000");
    assert_eq!(boots("y"), other);
    s.ok(&["stop", "-t", "0", "y"]);
    assert_eq!(boots("y"), "");
}

/// Row "State after reboot": another boot id makes running ones exited. The event of a boot:
/// `the_first_event_says_that_the_machine_was_started` beside `container/events.rs`.
#[test]
fn after_a_reboot_nothing_runs() {
    let s = session!();
    let id = s.detached("x", &["--restart", "always"], "exec sleep 1000");
    let file = s.data().join("containers").join(&id).join("state.json");
    let running = std::fs::read_to_string(&file).unwrap();
    s.ok(&["stop", "-t", "0", "x"]);
    // As the machine's end leaves it: nobody wrote the end down, and the pid is another's now.
    let mut state: serde_json::Value = serde_json::from_str(&running).unwrap();
    assert_eq!(state["status"], "running");
    state["boot"] = "another-boot".into();
    state["pid"] = std::process::id().into();
    std::fs::write(&file, state.to_string()).unwrap();
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
    assert_eq!(s.ok(&["ps", "-q"]), "");
    assert_eq!(s.ok(&["ps", "-aq", "--filter", "should-start-on-boot=true"]), &id[..12]);
    s.ok(&["start", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
}
