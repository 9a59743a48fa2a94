//! The root file system where the kernel mounts no overlay.

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
