//! Headers of which two readers could see two trees: Go's `archive/tar` reads them as here.

use super::build::{Head, Tar};
use super::*;

/// Names and contents of all files of the layer, `/` behind directories.
fn files(tar: &[u8]) -> Vec<String> {
    let scratch = Scratch::new();
    scratch.unpack(tar).unwrap();
    let mut found = Vec::new();
    let mut todo = vec![scratch.path("")];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(scratch.path("")).unwrap().display().to_string();
            if path.is_dir() {
                found.push(format!("{name}/"));
                todo.push(path);
            } else {
                found.push(format!("{name}={}", std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// A file of that type whose content is the header of another one.
fn with_a_header_inside(kind: u8, name: &str) -> Vec<u8> {
    let inner = Tar::new().file("evil", "").unended();
    Tar::new().entry(Head::new(name, kind).size(512), &inner).end()
}

#[test]
fn a_slash_makes_a_directory_of_a_file_without_type_alone() {
    for kind in [b'0', b'7'] {
        let scratch = Scratch::new();
        scratch.unpack(&with_a_header_inside(kind, "etc/foo/")).unwrap();
        assert!(scratch.path("etc/foo").is_file() && !scratch.path("evil").exists());
    }
    assert_eq!(files(&with_a_header_inside(0, "etc/foo/")), ["etc/", "etc/foo/", "evil="]);
    let named = Tar::new().pax(&[("path", b"etc/foo/")]);
    let tar = named.entry(Head::new("x", b'0').size(4), b"text").end();
    assert_eq!(files(&tar), ["etc/", "etc/foo=text"]);
}

#[test]
fn a_global_header_ends_what_waits_for_an_entry() {
    let global = |tar: Tar| {
        let body = build::record("comment", b"x");
        tar.entry(Head::new("g", b'g').size(body.len() as u64), &body)
    };
    let long_name = |tar: Tar| tar.entry(Head::new("././@LongLink", b'L').size(5), b"evil\0");
    let inner = Tar::new().file("evil", "").unended();
    let sized = Tar::new().pax(&[("size", b"1024")]);
    for tar in [
        global(Tar::new().pax(&[("path", b"evil")])).file("good", ""),
        global(long_name(Tar::new())).file("good", ""),
        global(sized).entry(&Head::new("good", b'0'), b""),
    ] {
        assert_eq!(files(&tar.end()), ["good="]);
    }
    let shown = global(Tar::new().pax(&[("size", b"512")])).file("good", "").raw(&inner);
    assert_eq!(files(&shown.end()), ["evil=", "good="]);
}

#[test]
fn the_magic_alone_decides_about_a_prefix() {
    let named = |magic: &[u8], prefix: &[u8]| {
        let mut head = Head::new("name", b'0');
        head.put(257, magic).put(345, prefix);
        files(&Tar::new().entry(&head, b"").end())
    };
    let in_prefix = ["pfx/", "pfx/name="];
    assert_eq!(named(b"ustar\x0000", b"pfx"), in_prefix);
    assert_eq!(named(b"ustar\0\0\0", b"pfx"), in_prefix);
    assert_eq!(named(b"ustar\0zz", b"pfx"), in_prefix);
    assert_eq!(named(b"\0\0\0\0\0\0\0\0", b"pfx"), ["name="]);
    assert_eq!(named(b"ustar  z", b"pfx"), ["name="], "neither GNU nor ustar");
    // GNU has times there; what is none was written by an old Go, when it is ASCII.
    assert_eq!(named(b"ustar  \0", b"pfx"), in_prefix);
    assert_eq!(named(b"ustar  \0", b"00000001750\x0000000001750\0"), ["name="]);
    assert_eq!(named(b"ustar  \0", "pf\u{e9}x".as_bytes()), ["name="]);
    // star: 131 bytes, and its own mark at the end.
    let mut head = Head::new("name", b'0');
    head.put(345, &[b'p'; 155]).put(508, b"tar\0");
    let all = files(&Tar::new().entry(&head, b"").end());
    assert_eq!(all, [format!("{}/", "p".repeat(131)), format!("{}/name=", "p".repeat(131))]);
}

#[test]
fn a_sparse_name_counts_for_sparse_files_alone() {
    let tar = Tar::new().pax(&[("GNU.sparse.name", b"evil")]).file("good", "");
    assert_eq!(files(&tar.end()), ["good="]);
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.name", b"evil"), ("GNU.sparse.numblocks", b"0"), ("GNU.sparse.size", b"9")];
    assert_eq!(files(&Tar::new().pax(records).file("good", "").end()), ["good="]);
    let records: &[(&str, &[u8])] =
        &[("GNU.sparse.major", b"01"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9")];
    let refusal = Scratch::new().refusal(&Tar::new().pax(records).file("good", "").end());
    assert!(refusal.contains("sparse format is not known"), "{refusal}");
    let records: &[(&str, &[u8])] = &[
        ("GNU.sparse.name", b"real"),
        ("GNU.sparse.size", b"4"),
        ("GNU.sparse.realsize", b"5"),
        ("GNU.sparse.numblocks", b"1"),
        ("GNU.sparse.map", b"0,4"),
    ];
    assert_eq!(files(&Tar::new().pax(records).file("stored", "text").end()), ["real=text"]);
    for blocks in [&[][..], &[("GNU.sparse.numblocks", &b"2"[..])]] {
        let map = [("GNU.sparse.size", &b"4"[..]), ("GNU.sparse.map", b"0,4")];
        let tar = Tar::new().pax(&[&map, blocks].concat()).file("stored", "text").end();
        let refusal = Scratch::new().refusal(&tar);
        assert!(refusal.contains("not as long as it says"), "{refusal}");
    }
}

/// As many as one header holds: each compared with all others, they took seconds.
#[test]
fn tens_of_thousands_of_attributes_are_read() {
    let names: Vec<String> = (0..38_000).map(|n| format!("SCHILY.xattr.t{n}")).collect();
    let records: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    let stats = Scratch::new().unpack(&Tar::new().pax(&records).file("f", "").end()).unwrap();
    assert_eq!(stats.xattrs_dropped, 38_000);
}
