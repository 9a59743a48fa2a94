//! `cp` both ways, `rename`, `inspect`.

use crate::harness::user::IMAGE;
use std::path::Path;

#[test]
fn copies_both_ways() {
    let s = session!();
    s.detached("x", &["-v", "vol:/v"], "echo inner >/tmp/inner; exec sleep 1000");
    crate::harness::user::until("written", || {
        s.run(&["exec", "x", "test", "-s", "/tmp/inner"]).code == 0
    });
    let file = s.file("outer", "outer\n");
    let out = s.home().join("out");
    let out = out.to_str().unwrap();
    for running in [true, false] {
        s.ok(&["cp", &file, "x:/tmp/from-outside"]);
        s.ok(&["cp", "x:/tmp/inner", out]);
        assert_eq!(std::fs::read_to_string(out).unwrap(), "inner\n");
        std::fs::remove_file(out).unwrap();
        s.ok(&["cp", "x:/tmp/from-outside", out]);
        assert_eq!(std::fs::read_to_string(out).unwrap(), "outer\n");
        std::fs::remove_file(out).unwrap();
        // A file of the image that was never touched.
        s.ok(&["cp", "x:/srv/data", out]);
        assert_eq!(std::fs::read_to_string(format!("{out}/file")).unwrap(), "from the image\n");
        std::fs::remove_dir_all(out).unwrap();
        let missing = s.run(&["cp", "x:/no/such", out]);
        assert!(missing.code == 125 && missing.err.contains("/no/such"), "{missing:?}");
        if running {
            assert_eq!(s.ok(&["exec", "x", "cat", "/tmp/from-outside"]), "outer");
            s.ok(&["exec", "x", "rm", "/tmp/from-outside"]);
            s.ok(&["stop", "-t", "0", "x"]);
        }
    }
    s.ok(&["start", "x"]);
    assert_eq!(s.ok(&["exec", "x", "cat", "/tmp/from-outside"]), "outer");
}

/// In a container without the user's id what is copied in belongs to its root all the same.
#[test]
fn copies_belong_to_the_containers_root() {
    let s = session!();
    let file = s.file("outer", "outer\n");
    for mode in ["host", "nomap", "auto"] {
        s.detached("x", &["--replace", "--userns", mode], "exec sleep 1000");
        s.ok(&["cp", &file, "x:/tmp/running"]);
        s.ok(&["stop", "-t", "0", "x"]);
        s.ok(&["cp", &file, "x:/tmp/stopped"]);
        s.ok(&["start", "x"]);
        let owners = s.ok(&["exec", "x", "stat", "-c", "%u:%g", "/tmp/running", "/tmp/stopped"]);
        assert_eq!(owners, "0:0\n0:0", "{mode}");
    }
}

#[test]
fn copies_of_a_stopped_container_over_fuse() {
    let s = session!();
    let Some(fuse) = ["/usr/bin/fuse-overlayfs"].into_iter().find(|p| Path::new(p).exists()) else {
        crate::skip!("no fuse-overlayfs");
    };
    let opens = s.command("/bin/sh").args(["-c", ": <>/dev/fuse"]).status().unwrap();
    if !opens.success() {
        crate::skip!(format!("{fuse}: the user may not open /dev/fuse"));
    }
    let id = s.ok(&["create", "--name", "x", "--network", "none", IMAGE, "sleep", "1000"]);
    let config = s.data().join("containers").join(&id).join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(config, text.replace("\"overlay\"", "\"fuse-overlayfs\"")).unwrap();
    s.ok(&["start", "x"]);
    s.ok(&[
        "exec",
        "x",
        "sh",
        "-c",
        "rm /srv/data/file; echo new >/srv/data/new; grep -q fuse /proc/self/mounts",
    ]);
    s.ok(&["stop", "-t", "0", "x"]);
    let out = s.home().join("out");
    let out = out.to_str().unwrap();
    s.ok(&["cp", "x:/srv/data", out]);
    assert_eq!(std::fs::read_to_string(format!("{out}/new")).unwrap(), "new\n");
    assert!(!Path::new(out).join("file").exists(), "what was removed stays so");
    let file = s.file("outer", "outer\n");
    s.ok(&["cp", &file, "x:/srv/data/file"]);
    s.ok(&["start", "x"]);
    assert_eq!(s.ok(&["exec", "x", "cat", "/srv/data/file", "/srv/data/new"]), "outer\nnew");
}

/// A link within the container leads nowhere but within.
#[test]
fn copies_stay_within() {
    let s = session!();
    let secret = s.file("secret", "secret");
    for running in [true, false] {
        s.detached(
            "x",
            &["--replace"],
            &format!(
                "ln -s {secret} /link; ln -s {} /dir; echo up; exec sleep 1000",
                s.home().display()
            ),
        );
        crate::harness::user::until("up", || s.ok(&["logs", "x"]) == "up");
        if !running {
            s.ok(&["stop", "-t", "0", "x"]);
        }
        let out = s.home().join("out");
        let copied = s.run(&["cp", "x:/link", out.to_str().unwrap()]);
        let read = std::fs::read_to_string(&out).unwrap_or_default();
        assert_ne!(read, "secret", "{copied:?}");
        let _ = std::fs::remove_file(&out);
        let file = s.file("plain", "plain");
        s.run(&["cp", &file, "x:/dir/escaped"]);
        assert!(!s.home().join("escaped").exists());
    }
}

#[test]
fn renamed_while_it_runs() {
    let s = session!();
    let id = s.detached("x", &["--rm"], "exec sleep 1000");
    s.ok(&["rename", "x", "y"]);
    assert_eq!(s.ok(&["ps", "--format", "{{.Names}}"]), "y");
    assert_eq!(s.ok(&["exec", "y", "echo", "hi"]), "hi");
    assert_ne!(s.run(&["inspect", "x"]).code, 0);
    s.detached("x", &[], "exec sleep 1000");
    assert_ne!(s.run(&["rename", "y", "x"]).code, 0);
    // --rm takes the new name along.
    s.ok(&["stop", "-t", "0", "y"]);
    crate::harness::user::until("gone", || s.run(&["inspect", &id]).code != 0);
    s.detached("y", &[], "exec sleep 1000");
}

#[test]
fn inspect_tells_what_was_asked_for() {
    let s = session!();
    let flags =
        ["-e", "A=1", "-l", "k=v", "--hostname", "zork", "--restart", "on-failure:3", "-w", "/tmp"];
    let id = s.detached("x", &flags, "exit 7");
    let text = s.ok(&["inspect", "x"]);
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let one = &all[0];
    assert_eq!(one["Id"], id.as_str());
    assert_eq!(one["Name"], "x");
    assert_eq!(one["Config"]["Hostname"], "zork");
    assert_eq!(one["Config"]["WorkingDir"], "/tmp");
    assert_eq!(one["Config"]["Labels"]["k"], "v");
    assert!(one["Config"]["Env"].as_array().unwrap().contains(&"A=1".into()), "{text}");
    assert_eq!(one["HostConfig"]["RestartPolicy"]["Name"], "on-failure");
    for (field, want) in [(".Id", id.as_str()), (".Name", "x"), (".Config.Hostname", "zork")] {
        assert_eq!(s.inspect("x", field), want, "{field}");
    }
    assert_eq!(s.run(&["inspect", "nosuch"]).code, 125);
    assert!(text.contains(IMAGE));
}
