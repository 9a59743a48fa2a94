//! The root file system where the kernel mounts no overlay.

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::user::{IMAGE, Session};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A store of which an earlier trial found that overlay does not work here.
fn refuses_overlay(s: &Session) {
    let store = s.data().join("store");
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let device = std::fs::metadata(&store).unwrap().dev();
    let tried = format!(
        r#"{{"version":1,"kernel":"{kernel}","device":{device},"refusal":"mount an overlay: EINVAL"}}"#
    );
    let made = s.file("driver.json", tried);
    std::fs::copy(made, store.join("driver.json")).unwrap();
}

/// The same `bolt` where the file of fuse-overlayfs is no program: in a mount namespace of root's.
fn without_fuse(s: &Session, args: &[&str]) -> Out {
    let bolt = s.bolt(args);
    let mut command = Command::new("unshare");
    let script =
        "[ ! -e /usr/bin/fuse-overlayfs ] || mount --bind /dev/null /usr/bin/fuse-overlayfs
        exec setpriv --reuid \"$UID_OF\" --regid \"$GID_OF\" --init-groups \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(s.program()).args(args);
    command.env_clear().current_dir(s.home()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    for (key, value) in bolt.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    let home = std::fs::metadata(s.home()).unwrap();
    command.env("UID_OF", home.uid().to_string()).env("GID_OF", home.gid().to_string());
    finish(command.spawn().unwrap(), Duration::from_secs(60), &format!("{args:?}"))
}

/// overlayfs lies over something: an image that has nothing is given nothing to lie over.
#[test]
fn an_image_without_layers_runs_what_a_volume_brings() {
    let s = session!();
    let image = TestImage::without_layers();
    s.pull(&image);
    let name = image.source();
    let none = s.run(&["run", "--rm", "--network", "none", &name, "/busybox", "true"]);
    assert!(none.code == 127 && none.err.contains("/busybox: not found"), "{none:?}");
    let volume = ["-v", "/bin/busybox:/busybox:ro"];
    let script = "/busybox stat -c %a /; echo x >/written";
    let mut args = vec!["run", "--name", "x", "--network", "none"];
    args.extend(volume.iter().chain(&[name.as_str(), "/busybox", "sh", "-c", script]));
    assert_eq!(s.ok(&args), "755");
    assert!(s.ok(&["diff", "x"]).contains("A /written"));
    s.ok(&["start", "-a", "x"]);
    assert!(s.run(&["export", "x"]).out.contains("written"));
    s.ok(&["rm", "x"]);
    s.ok(&["system", "check"]);
}

/// What no user and no path can be is refused by its name, and what the kernel refuses is told in
/// a message that a packet can carry.
#[test]
fn endless_words_of_an_image_are_told_in_short() {
    let s = session!();
    let long = |letter: &str| letter.repeat(100_000);
    for (field, value, flag, says) in [
        ("user", long("u"), ["--user", "root"], "its User has 100000 bytes"),
        ("workingdir", format!("/{}", long("w")), ["--workdir", "/"], "its WorkingDir has 100001"),
        ("entrypoint", format!("/{}", long("e")), ["--entrypoint", ""], "eee... (100001 bytes)"),
    ] {
        let image = TestImage::busybox();
        image.configure(field, &value);
        s.pull(&image);
        let out = s.run(&["run", "--rm", "--network", "none", &image.source(), "true"]);
        assert!(out.code >= 125 && out.err.contains(says), "{field}: {}", out.code);
        assert!(out.err.len() < 700, "{field}: {}", out.err.len());
        let other = ["run", "--rm", "--network", "none", flag[0], flag[1], &image.source(), "true"];
        s.ok(&other);
    }
}

/// The layers are copied inside the user namespace that the supervisor makes: as the user's
/// first container, nobody else has made it before.
#[test]
fn the_first_container_of_all_has_a_copied_root() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can hide fuse-overlayfs");
    }
    refuses_overlay(&s);
    let script = "echo w >/etc/w; id -u";
    let out =
        without_fuse(&s, &["run", "--network", "none", "--name", "x", IMAGE, "sh", "-c", script]);
    assert_eq!((out.code, out.out.trim()), (0, "0"), "{out:?}");
    assert_eq!(s.inspect("x", ".Driver"), "copy");
    let out = without_fuse(&s, &["start", "-a", "x"]);
    assert_eq!(out.code, 0, "{out:?}");
    s.ok(&["rm", "x"]);
}
