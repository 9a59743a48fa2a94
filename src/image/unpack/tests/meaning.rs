//! What entries mean: owners, modes, times, whiteouts, attributes.

use super::build::{Head, Tar};
use super::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

fn xattr(path: &Path, name: &str) -> Option<String> {
    let mut value = [0u8; 256];
    let len = rustix::fs::lgetxattr(path, name, &mut value[..]).ok()?;
    Some(String::from_utf8_lossy(&value[..len]).into_owned())
}

#[test]
fn whiteouts_become_overlays() {
    let scratch = Scratch::new();
    let tar = Tar::new()
        .file(".wh.gone", "content that a whiteout should not have")
        .file("d/.wh..wh..opq", "")
        .file("d/.wh..wh.plnk", "")
        .file("d/new", "x")
        .end();
    let stats = scratch.unpack(&tar).unwrap();
    let meta = scratch.path("gone").symlink_metadata().unwrap();
    assert!(meta.file_type().is_char_device() && meta.rdev() == 0);
    assert_eq!(xattr(&scratch.path("d"), "user.overlay.opaque").as_deref(), Some("y"));
    assert_eq!(std::fs::read_dir(scratch.path("d")).unwrap().count(), 1);
    assert!(!stats.opaque_root);
    assert!(scratch.unpack(&Tar::new().file(".wh..wh..opq", "").end()).unwrap().opaque_root);
}

#[test]
fn a_directory_is_opaque_through_a_link_too() {
    let scratch = Scratch::new();
    scratch
        .unpack(&Tar::new().dir("d").symlink("l", "d").file("l/.wh..wh..opq", "").end())
        .unwrap();
    assert_eq!(xattr(&scratch.path("d"), "user.overlay.opaque").as_deref(), Some("y"));
}

#[test]
fn a_whiteout_hides_only_the_layers_below() {
    for whiteout_first in [true, false] {
        let scratch = Scratch::new();
        let with = |tar: Tar| tar.file("f", "x").file("d/f", "x");
        let hide = |tar: Tar| tar.file(".wh.f", "").file(".wh.d", "");
        let tar = match whiteout_first {
            true => with(hide(Tar::new())),
            false => hide(with(Tar::new())),
        };
        let stats = scratch.unpack(&tar.end()).unwrap();
        assert!(scratch.path("f").is_file() && scratch.path("d/f").is_file());
        assert_eq!(xattr(&scratch.path("d"), "user.overlay.opaque").as_deref(), Some("y"));
        assert!(stats.rebuildable);
    }
    let scratch = Scratch::new();
    scratch.unpack(&Tar::new().file(".wh.d", "").dir("d").end()).unwrap();
    assert_eq!(xattr(&scratch.path("d"), "user.overlay.opaque").as_deref(), Some("y"));
}

#[test]
fn modes_and_times_survive_children() {
    let scratch = Scratch::new();
    let mut root = Head::new("./", b'5');
    let mut closed = Head::new("d", b'5');
    let mut sticky = Head::new("tmp", b'5');
    let mut suid = Head::new("su", b'0');
    let mut wide = Head::new("wide", b'0');
    let tar = Tar::new()
        .entry(root.mode(0o711), b"")
        .entry(closed.mode(0o555), b"")
        .file("d/f", "x")
        .entry(sticky.mode(0o1777), b"")
        .entry(suid.mode(0o4755).owner(0, 0), b"")
        .entry(wide.mode(0o666), b"")
        .pax(&[("mtime", b"-1.25")])
        .symlink("l", "nowhere")
        .pax(&[("mtime", b"1000.000000007")])
        .entry(&Head::new("p", b'6'), b"")
        .end();
    scratch.unpack(&tar).unwrap();
    for (name, mode) in
        [("", 0o711), ("d", 0o555), ("tmp", 0o1777), ("su", 0o4755), ("wide", 0o666), ("p", 0o644)]
    {
        let meta = scratch.path(name).symlink_metadata().unwrap();
        assert_eq!(meta.mode() & 0o7777, mode, "{name}");
        let time = if name == "p" { (1000, 7) } else { (1000, 0) };
        assert_eq!((meta.mtime(), meta.mtime_nsec()), time, "{name}");
    }
    let link = scratch.path("l").symlink_metadata().unwrap();
    assert_eq!((link.mtime(), link.mtime_nsec()), (-2, 750_000_000));
}

#[test]
fn owners_are_applied_after_which_setuid_still_stands() {
    if !is_root() {
        println!("skipped: chown needs root");
        return;
    }
    let scratch = Scratch::new();
    let (mut file, mut dir, mut link) =
        (Head::new("f", b'0'), Head::new("d", b'5'), Head::new("l", b'2'));
    file.mode(0o6755).owner(1000, 100);
    dir.owner(7, 8);
    link.owner(9, 10).link("f");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::new()
        .pax(&[("SCHILY.xattr.security.capability", &capability)])
        .entry(&file, b"")
        .entry(&dir, b"")
        .entry(&link, b"")
        .end();
    let stats = scratch.unpack(&tar).unwrap();
    let meta = |name| scratch.path(name).symlink_metadata().unwrap();
    assert_eq!((meta("f").uid(), meta("f").gid(), meta("f").mode() & 0o7777), (1000, 100, 0o6755));
    assert_eq!((meta("d").uid(), meta("d").gid()), (7, 8));
    assert_eq!((meta("l").uid(), meta("l").gid()), (9, 10));
    assert_eq!(stats.xattrs_dropped, 0);
    let mut value = [0u8; 64];
    let path = scratch.path("f");
    assert_eq!(rustix::fs::getxattr(&path, "security.capability", &mut value[..]).unwrap(), 20);
}

#[test]
fn keep_id_gives_what_has_no_entry_to_the_images_root() {
    if !is_root() {
        println!("skipped: chown needs root");
        return;
    }
    let scratch = Scratch::new();
    let owners = Owners::keep_id(1000, 1000, 65537);
    let mut mine = Head::new("a/b/mine", b'0');
    let tar = Tar::new().entry(mine.owner(1000, 1000), b"").file("a/b/roots", "").end();
    scratch.unpack_with(&tar, &owners, &Limits::default()).unwrap();
    for (name, uid) in [("", 1), ("a", 1), ("a/b", 1), ("a/b/mine", 0), ("a/b/roots", 1)] {
        let meta = scratch.path(name).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (uid, uid), "{name}");
    }
}

#[test]
fn owners_without_an_id_are_kept_aside() {
    let scratch = Scratch::new();
    let (mut file, mut dir, mut link) =
        (Head::new("f", b'0'), Head::new("d", b'5'), Head::new("l", b'2'));
    file.mode(0o444).owner(1000, 100);
    dir.mode(0o500).owner(7, 0);
    link.owner(9, 10).link("f");
    let tar =
        Tar::new().entry(&file, b"").entry(&dir, b"").entry(&link, b"").file("roots", "").end();
    let stats = scratch.unpack_with(&tar, &Owners::single(), &Limits::default()).unwrap();
    assert_eq!(xattr(&scratch.path("f"), OWNER_XATTR).as_deref(), Some("1000:100"));
    assert_eq!(xattr(&scratch.path("d"), OWNER_XATTR).as_deref(), Some("7:0"));
    assert_eq!(xattr(&scratch.path("roots"), OWNER_XATTR), None);
    assert_eq!((stats.owners_kept, stats.owners_lost), (2, 1));
    assert_eq!(scratch.path("f").metadata().unwrap().mode() & 0o7777, 0o444);
    assert_eq!(scratch.path("d").metadata().unwrap().mode() & 0o7777, 0o500);
}

#[test]
fn devices_are_made_or_counted() {
    let tar = Tar::new().entry(Head::new("null", b'3').device(1, 3), b"").end();
    let scratch = Scratch::new();
    let stats = scratch.unpack_with(&tar, &Owners::single(), &Limits::default()).unwrap();
    assert_eq!((stats.devices_skipped, scratch.path("null").exists()), (1, false));
    if !is_real_root() {
        println!("skipped: mknod needs root");
        return;
    }
    scratch.unpack(&tar).unwrap();
    assert_eq!(scratch.path("null").metadata().unwrap().rdev(), rustix::fs::makedev(1, 3));
}

#[test]
fn trailing_bytes_belong_to_the_tar() {
    let mut tar = Tar::new().file("f", "x").end();
    tar.extend_from_slice(b"something behind the end");
    assert_eq!(Scratch::new().round_trip(&tar).tar_bytes, tar.len() as u64);
    // No end at all is how some writers do it, and Go reads it.
    Scratch::new().round_trip(&Tar::new().file("f", "x").unended());
}

#[test]
fn a_record_whose_content_was_replaced_says_so() {
    let scratch = Scratch::new();
    let tar = Tar::new().file("f", "1").file("f", "2").end();
    let mut record = Vec::new();
    let limits = Limits::default();
    let stats =
        unpack_layer(&tar[..], scratch.fd.as_fd(), &own(), &limits, Some(&mut record)).unwrap();
    assert!(!stats.rebuildable);
    let result = rebuild(record.as_slice(), scratch.fd.as_fd(), &mut Vec::new());
    assert!(matches!(result, Err(RebuildError::Lost)), "{result:?}");
}

#[test]
fn a_record_does_not_read_outside() {
    let scratch = Scratch::new();
    let tar = Tar::new().file("f", "kept").end();
    let mut record = Vec::new();
    let limits = Limits::default();
    unpack_layer(&tar[..], scratch.fd.as_fd(), &own(), &limits, Some(&mut record)).unwrap();
    std::fs::remove_file(scratch.path("f")).unwrap();
    std::os::unix::fs::symlink(scratch.outside().join("kept"), scratch.path("f")).unwrap();
    let result = rebuild(record.as_slice(), scratch.fd.as_fd(), &mut Vec::new());
    assert!(matches!(result, Err(RebuildError::File { .. })), "{result:?}");
}

#[test]
fn a_real_overlay_understands_the_whiteouts() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let (lower, upper, at) = (Scratch::new(), Scratch::new(), Scratch::new());
    let tar = Tar::new().file("gone", "1").file("d/old", "1").file("kept", "1").end();
    lower.unpack(&tar).unwrap();
    let tar = Tar::new().file(".wh.gone", "").file("d/.wh..wh..opq", "").file("d/new", "2").end();
    upper.unpack(&tar).unwrap();
    let data =
        format!("userxattr,lowerdir={}:{}", upper.path("").display(), lower.path("").display());
    let data = std::ffi::CString::new(data).unwrap();
    if mount("none", at.path(""), "overlay", MountFlags::empty(), data.as_c_str()).is_err() {
        println!("skipped: mounting needs root and an overlay");
        return;
    }
    let names = |dir: &str| {
        let entries = std::fs::read_dir(at.path(dir)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let seen = (names(""), names("d"));
    unmount(at.path(""), UnmountFlags::DETACH).unwrap();
    assert_eq!(seen.0, ["d", "kept"]);
    assert_eq!(seen.1, ["new"]);
}

#[test]
fn a_tar_may_end_without_the_padding_of_its_last_file() {
    let mut tar = Tar::new().file("f", "content").unended();
    tar.truncate(512 + "content".len());
    let scratch = Scratch::new();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read_to_string(scratch.path("f")).unwrap(), "content");
}
