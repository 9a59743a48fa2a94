//! The root file system where the kernel mounts no overlay.

use crate::harness::user::{IMAGE, Session};
use std::os::unix::fs::MetadataExt;

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

/// Without fuse-overlayfs in PATH the layers are copied, inside the user namespace that the
/// supervisor makes: as the user's first container, nobody else has made it before.
#[test]
fn the_first_container_of_all_has_a_copied_root() {
    let s = session!();
    refuses_overlay(&s);
    let path = s.make_dir("path");
    for program in ["newuidmap", "newgidmap"] {
        std::os::unix::fs::symlink(
            format!("/usr/bin/{program}"),
            std::path::Path::new(&path).join(program),
        )
        .unwrap();
    }
    let bolt = |args: &[&str]| {
        let child = s.bolt(args).env("PATH", &path).spawn().unwrap();
        crate::harness::process::finish(child, std::time::Duration::from_secs(60), "run")
    };
    let out = bolt(&[
        "run",
        "--network",
        "none",
        "--name",
        "x",
        IMAGE,
        "sh",
        "-c",
        "echo w >/etc/w; id -u",
    ]);
    assert_eq!((out.code, out.out.trim()), (0, "0"), "{out:?}");
    assert_eq!(s.inspect("x", ".Driver"), "copy");
    let out = bolt(&["start", "-a", "x"]);
    assert_eq!(out.code, 0, "{out:?}");
    s.ok(&["rm", "x"]);
}
