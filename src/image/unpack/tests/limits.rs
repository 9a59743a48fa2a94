//! One bomb for each limit.

use super::build::{Head, Tar};
use super::*;

fn limited(tar: &[u8], limits: Limits) -> String {
    let scratch = Scratch::new();
    match scratch.unpack_with(tar, &own(), &limits) {
        Err(e @ (UnpackError::Limit { .. } | UnpackError::Refused { .. })) => e.to_string(),
        Err(e @ UnpackError::Header { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn entries() {
    let mut tar = Tar::new();
    for n in 0..6 {
        tar = tar.file(&format!("f{n}"), "");
    }
    let text = limited(&tar.end(), Limits { entries: 5, ..Limits::default() });
    assert_eq!(text, "entry 6 of the layer passes the limit of 5 entries");
    // Extension headers without an end count too.
    let mut tar = Tar::new();
    for _ in 0..6 {
        tar = tar.pax(&[("comment", b"x")]);
    }
    limited(&tar.end(), Limits { entries: 5, ..Limits::default() });
    // One entry with many parents.
    let tar = Tar::new().file("1/2/3/4/5/6/7", "").end();
    limited(&tar, Limits { entries: 5, ..Limits::default() });
}

#[test]
fn bytes() {
    let tar = Tar::new().file("f", &"x".repeat(10_000)).end();
    limited(&tar, Limits { bytes: 5000, ..Limits::default() });
    let text = limited(&tar, Limits { ratio_floor: 5000, ..Limits::for_blob(1) });
    assert!(text.contains("5000 bytes for the size of its blob"), "{text}");
}

#[test]
fn bytes_of_holes() {
    let mut head = Head::new("f", b'0');
    let tar = Tar::new()
        .pax(&[
            ("GNU.sparse.major", b"0"),
            ("GNU.sparse.minor", b"1"),
            ("GNU.sparse.numblocks", b"0"),
            ("GNU.sparse.map", b""),
            ("GNU.sparse.size", b"9223372036854775807"),
        ])
        .entry(head.size(0), b"")
        .end();
    limited(&tar, Limits::default());
}

#[test]
fn paths() {
    let long = "d/".repeat(3000);
    let tar = Tar::new().pax(&[("path", long.as_bytes())]).file("f", "").end();
    assert!(limited(&tar, Limits::default()).contains("512 directories"));
    let long = format!("{}/", "d".repeat(250)).repeat(20);
    let tar = Tar::new().pax(&[("path", long.as_bytes())]).file("f", "").end();
    assert!(limited(&tar, Limits::default()).contains("4095 bytes"));
    let tar = Tar::new().pax(&[("path", &[b'n'; 256])]).file("f", "").end();
    assert!(limited(&tar, Limits::default()).contains("255 bytes"));
    let tar = Tar::new().pax(&[("linkpath", &[b'n'; 4096])]).symlink("f", "x").end();
    assert!(limited(&tar, Limits::default()).contains("link target"));
}

#[test]
fn extension_bodies() {
    let mut head = Head::new("x", b'x');
    let tar = Tar::new().entry(head.size(1 << 40), b"").end();
    assert!(limited(&tar, Limits::default()).contains("pax header"));
    let mut head = Head::new("x", b'L');
    let tar = Tar::new().entry(head.size(1 << 40), b"").end();
    assert!(limited(&tar, Limits::default()).contains("bytes of a path"));
}

#[test]
fn attributes() {
    let value = vec![b'v'; (64 << 10) + 1];
    let tar = Tar::new().pax(&[("SCHILY.xattr.user.a", &value)]).file("f", "").end();
    assert!(limited(&tar, Limits::default()).contains("extended attribute"));
}

#[test]
fn pieces() {
    let limits = || Limits { extents: 3, ..Limits::default() };
    let mut records: Vec<(&str, &[u8])> = vec![("GNU.sparse.size", b"100")];
    for _ in 0..4 {
        records.extend([("GNU.sparse.offset", &b"0"[..]), ("GNU.sparse.numbytes", &b"0"[..])]);
    }
    limited(&Tar::new().pax(&records).file("f", "").end(), limits());
    let records: [(&str, &[u8]); 3] =
        [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    let mut head = Head::new("f", b'0');
    limited(&Tar::new().pax(&records).entry(head.size(512), b"4\n0\n").end(), limits());
}

#[test]
fn remembered_directories() {
    let mut tar = Tar::new();
    for n in 0..100 {
        tar = tar.dir(&format!("directory-{n}"));
    }
    let text = limited(&tar.end(), Limits { remembered: 1000, ..Limits::default() });
    assert!(text.contains("directory names"), "{text}");
}
