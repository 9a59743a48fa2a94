//! What a naive writer does wrong.

use super::build::{Head, Tar};
use super::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

#[test]
fn dot_dot_does_not_escape() {
    for name in ["../outside/new", "a/../../outside/new", "/../outside/new", "a/b/../../../x"] {
        let text = Scratch::new().refusal(&Tar::new().file(name, "x").end());
        assert!(text.contains("entry 1") && text.contains(name), "{text}");
    }
}

#[test]
fn absolute_names_land_inside() {
    let scratch = Scratch::new();
    let target = format!("{}/new", scratch.outside().display());
    scratch.unpack(&Tar::new().file(&target, "x").end()).unwrap();
    assert!(scratch.path(&target[1..]).is_file());
}

#[test]
fn empty_and_nul_names_are_refused() {
    let scratch = Scratch::new();
    assert!(scratch.refusal(&Tar::new().file("", "x").end()).contains("empty"));
    let tar = Tar::new().pax(&[("path", b"a\0b")]).file("a", "x").end();
    assert!(scratch.refusal(&tar).contains("NUL"));
    assert!(scratch.refusal(&Tar::new().file("./", "").file(".", "x").end()).contains("root"));
}

#[test]
fn a_symlinked_parent_stays_inside() {
    // The target exists outside and not inside: there is nothing to follow.
    let scratch = Scratch::new();
    let outside = scratch.outside();
    let tar = Tar::new().symlink("l", outside.to_str().unwrap()).file("l/kept", "changed").end();
    assert!(scratch.refusal(&tar).contains("no directory of this layer"));
    // It climbs: the layer's root stops it, and the file lands inside.
    let scratch = Scratch::new();
    let tar = Tar::new().dir("outside").symlink("l", "../../../outside").file("l/kept", "in").end();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(scratch.path("outside/kept")).unwrap(), b"in");
}

#[test]
fn a_chain_of_symlinked_parents_stays_inside() {
    let scratch = Scratch::new();
    let tar = Tar::new()
        .symlink("a", ".")
        .symlink("a/b", "..")
        .symlink("a/b/c", "../..")
        .file("a/b/c/outside/kept", "x")
        .end();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(scratch.path("outside/kept")).unwrap(), b"x");
}

#[test]
fn magic_links_are_not_followed() {
    let scratch = Scratch::new();
    let tar = Tar::new().symlink("l", "/proc/self/root").file("l/tmp/x", "x").end();
    assert!(scratch.unpack(&tar).is_err());
}

#[test]
fn a_file_through_a_symlink_replaces_the_link() {
    let scratch = Scratch::new();
    let kept = scratch.outside().join("kept");
    let tar = Tar::new().symlink("l", kept.to_str().unwrap()).file("l", "mine").end();
    scratch.unpack(&tar).unwrap();
    assert!(scratch.path("l").symlink_metadata().unwrap().is_file());
}

#[test]
fn rustsec_2026_0067_chmod_does_not_go_through_a_symlink() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    let before = std::fs::metadata(&outside).unwrap().mode();
    let mut head = Head::new("l/", b'5');
    let tar = Tar::new().symlink("l", outside.to_str().unwrap()).entry(head.mode(0o7777), b"");
    scratch.unpack(&tar.end()).unwrap();
    assert_eq!(std::fs::metadata(&outside).unwrap().mode(), before);
    assert!(scratch.path("l").symlink_metadata().unwrap().is_dir());
}

#[test]
fn times_and_modes_set_at_the_end_do_not_go_through_a_symlink() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    let before = std::fs::metadata(&outside).unwrap();
    let mut head = Head::new("d", b'5');
    let tar = Tar::new().entry(head.mode(0o777), b"").symlink("d", outside.to_str().unwrap());
    scratch.unpack(&tar.end()).unwrap();
    let after = std::fs::metadata(&outside).unwrap();
    assert_eq!((before.mode(), before.mtime_nsec()), (after.mode(), after.mtime_nsec()));
}

#[test]
fn a_hard_link_does_not_leave_the_layer() {
    for target in ["../outside/kept", "/../outside/kept"] {
        let text = Scratch::new().refusal(&Tar::new().hard_link("h", target).end());
        assert!(text.contains("link target"), "{text}");
    }
    let scratch = Scratch::new();
    let kept = scratch.outside().join("kept");
    let text = scratch.refusal(&Tar::new().hard_link("h", kept.to_str().unwrap()).end());
    assert!(text.contains("is not in the layer"), "{text}");
    let outside = scratch.outside();
    let tar = Tar::new().symlink("l", outside.to_str().unwrap()).hard_link("h", "l/kept").end();
    assert!(scratch.refusal(&tar).contains("is not in the layer"));
}

#[test]
fn a_hard_link_to_a_symlink_links_the_link() {
    let scratch = Scratch::new();
    let kept = scratch.outside().join("kept");
    let mut head = Head::new("h", b'1');
    head.mode(0o7777).owner(7, 7).link("l");
    let tar = || Tar::new().symlink("l", kept.to_str().unwrap()).entry(&head, b"");
    scratch.unpack(&tar().end()).unwrap();
    assert!(scratch.path("l").is_symlink() && scratch.path("h").is_symlink());
    let scratch = Scratch::new();
    scratch.unpack(&tar().file("h", "x").end()).unwrap();
    assert!(scratch.path("h").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_hard_link_to_a_directory_or_itself() {
    let scratch = Scratch::new();
    assert!(scratch.refusal(&Tar::new().dir("d").hard_link("h", "d").end()).contains("directory"));
    assert!(scratch.refusal(&Tar::new().hard_link("h", "/").end()).contains("directory"));
    scratch.unpack(&Tar::new().file("f", "x").hard_link("f", "./f").end()).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), b"x");
}

#[test]
fn the_last_of_several_entries_wins() {
    let scratch = Scratch::new();
    let tar = Tar::new().file("f", "first, and longer").file("f", "second").end();
    let stats = scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), b"second");
    assert!(!stats.rebuildable);
}

#[test]
fn a_duplicate_does_not_write_into_a_hard_linked_file() {
    let scratch = Scratch::new();
    let tar = Tar::new().file("a", "a").hard_link("b", "a").file("b", "b").end();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(scratch.path("a")).unwrap(), b"a");
}

#[test]
fn types_replace_each_other() {
    let scratch = Scratch::new();
    let tar = Tar::new().dir("x").file("x/deep/f", "1").file("x", "file").end();
    scratch.unpack(&tar).unwrap();
    assert!(scratch.path("x").is_file());
    let scratch = Scratch::new();
    let tar = Tar::new().file("x", "file").dir("x").file("x/f", "1").end();
    scratch.unpack(&tar).unwrap();
    assert!(scratch.path("x/f").is_file());
}

#[test]
fn a_replaced_parent_is_not_written_into_through_the_cache() {
    let scratch = Scratch::new();
    let tar = Tar::new()
        .file("d/one", "1")
        .symlink("d", scratch.outside().to_str().unwrap())
        .file("d/kept", "2")
        .end();
    assert!(scratch.unpack(&tar).is_err());
}

#[test]
fn a_link_that_replaces_itself_through_itself_is_gone() {
    let scratch = Scratch::new();
    let tar = Tar::new().symlink("l", ".").file("l/l", "a file now").file("l/f", "x").end();
    assert!(scratch.refusal(&tar).contains("\"l\" above it"));
    assert!(!scratch.path("f").exists());
}

#[test]
fn a_mode_set_at_the_end_does_not_reach_another_directory() {
    let scratch = Scratch::new();
    let (mut wide, mut narrow) = (Head::new("l/d", b'5'), Head::new("victim", b'5'));
    let tar = Tar::new()
        .dir("e")
        .symlink("l", "e")
        .entry(wide.mode(0o777), b"")
        .symlink("e/d", "../victim")
        .entry(narrow.mode(0o700), b"")
        .end();
    scratch.unpack(&tar).unwrap();
    assert_eq!(scratch.path("victim").metadata().unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_file_as_parent_is_refused() {
    let text = Scratch::new().refusal(&Tar::new().file("f", "x").file("f/g/h", "x").end());
    assert!(text.contains("entry 2") && text.contains("\"f\" above it"), "{text}");
}

#[test]
fn links_in_place_of_dev_proc_and_etc_are_only_text() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    let target = outside.to_str().unwrap();
    let tar = Tar::new()
        .symlink("dev", target)
        .symlink("proc", target)
        .dir("etc")
        .symlink("etc/resolv.conf", &format!("{target}/kept"))
        .end();
    scratch.unpack(&tar).unwrap();
    for name in ["dev", "proc", "etc/resolv.conf"] {
        assert!(scratch.path(name).is_symlink());
    }
}

#[test]
fn whiteouts_of_no_name_or_with_slashes_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", ".wh./x", ".wh.a/../../outside/kept"] {
        let scratch = Scratch::new();
        assert!(scratch.unpack(&Tar::new().file(name, "").end()).is_err(), "{name}");
    }
    // Cleaned first: this hides `kept` at the top of the layer.
    let scratch = Scratch::new();
    scratch.unpack(&Tar::new().file("a/../.wh.kept", "").end()).unwrap();
    assert!(scratch.path("kept").symlink_metadata().unwrap().file_type().is_char_device());
}

#[test]
fn a_whiteout_through_a_symlink_stays_inside() {
    let scratch = Scratch::new();
    let outside = scratch.outside();
    let target = outside.to_str().unwrap();
    for name in ["l/.wh.kept", "l/.wh..wh..opq"] {
        let tar = Tar::new().symlink("l", target).file(name, "").end();
        assert!(scratch.unpack(&tar).is_err(), "{name}");
    }
}

#[test]
fn a_forged_whiteout_device_is_left_out() {
    let scratch = Scratch::new();
    let mut head = Head::new("gone", b'3');
    let stats = scratch.unpack(&Tar::new().entry(head.device(0, 0), b"").end()).unwrap();
    assert_eq!(stats.devices_skipped, 1);
    assert!(!scratch.path("gone").exists());
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let mut huge = Head::new("f", b'0');
    huge.put(124, &[0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5]);
    let mut negative = Head::new("f", b'0');
    negative.put(124, &[0xff; 12]);
    let mut minus = Head::new("f", b'0');
    minus.put(124, b"-0000000010\0");
    for head in [huge, negative, minus] {
        let text = Scratch::new().refusal(&Tar::new().entry(&head, b"hello").end());
        assert!(text.contains("entry 1") && text.contains("number"), "{text}");
    }
    let mut eib = Head::new("f", b'0');
    eib.put(124, &[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let text = Scratch::new().refusal(&Tar::new().entry(&eib, b"").end());
    assert!(text.contains("limit"), "{text}");
    for value in ["-1", "18446744073709551616", "1e3", ""] {
        let tar = Tar::new().pax(&[("size", value.as_bytes())]).file("f", "").file("g", "").end();
        assert_eq!(Scratch::new().unpack(&tar).is_ok(), value.is_empty(), "{value:?}");
    }
}

#[test]
fn rustsec_2026_0068_pax_size_decides_where_the_next_header_is() {
    // The header says 0, pax says 512: what looks like a header is content.
    let mut inner = Head::new("smuggled", b'0');
    let inner = Tar::new().entry(inner.mode(0o777), b"").unended();
    let tar = Tar::new().pax(&[("size", b"512")]).entry(&Head::new("f", b'0'), &inner);
    let scratch = Scratch::new();
    scratch.unpack(&tar.file("after", "x").end()).unwrap();
    assert_eq!(std::fs::read(scratch.path("f")).unwrap(), inner);
    assert!(!scratch.path("smuggled").exists() && scratch.path("after").exists());
}

#[test]
fn pax_size_does_not_count_for_extension_headers() {
    // A reader that applies it to the long name in between reads one block more or less.
    let mut long = Head::new("././@LongLink", b'L');
    let tar = Tar::new()
        .pax(&[("size", b"5")])
        .entry(long.size(6), b"named\0")
        .entry(&Head::new("f", b'0'), b"12345")
        .file("after", "x")
        .end();
    let scratch = Scratch::new();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::read(scratch.path("named")).unwrap(), b"12345");
    assert!(scratch.path("after").exists());
}

#[test]
fn sizes_on_entries_without_content_are_ignored() {
    let smuggled = Tar::new().file("smuggled", "").unended();
    for kind in *b"123456" {
        let mut head = Head::new("x", kind);
        head.size(512).link("t");
        let tar = Tar::new().file("t", "").entry(&head, &smuggled).end();
        let scratch = Scratch::new();
        scratch.unpack(&tar).unwrap();
        // As in Go, the next block is the next header.
        assert!(scratch.path("smuggled").exists(), "{}", kind as char);
    }
}

#[test]
fn attributes_that_steer_the_overlay_are_dropped() {
    let names = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "user.overlay.redirect",
        "user.overlay.metacopy",
        "user.overlay.whiteout",
        "user.bolt.owner",
        "security.selinux",
        "system.posix_acl_access",
    ];
    let keys: Vec<String> = names.iter().map(|n| format!("SCHILY.xattr.{n}")).collect();
    let mut records: Vec<(&str, &[u8])> = keys.iter().map(|k| (k.as_str(), &b"y"[..])).collect();
    records.push(("SCHILY.xattr.user.mine", b"a\nb"));
    let scratch = Scratch::new();
    let tar = Tar::new().pax(&records).dir("d").pax(&records).file("f", "x").end();
    let stats = scratch.unpack(&tar).unwrap();
    assert_eq!(stats.xattrs_dropped, 2 * names.len() as u64);
    for file in ["d", "f"] {
        let mut list = vec![0u8; 1000];
        let len = rustix::fs::listxattr(scratch.path(file), &mut list[..]).unwrap();
        let list = String::from_utf8_lossy(&list[..len]).into_owned();
        assert_eq!(list.trim_end_matches('\0'), "user.mine", "{file}");
    }
}

/// ext4 and btrfs say ENOSPC for it, which is no full disk: nobody shall be told to free some.
#[test]
fn more_attributes_than_the_file_system_has_room_for_are_told_as_that() {
    let long = [b'v'; 1000];
    let keys: Vec<String> = (0..200).map(|n| format!("SCHILY.xattr.user.{n}")).collect();
    let records: Vec<(&str, &[u8])> = keys.iter().map(|k| (k.as_str(), &long[..])).collect();
    let tar = Tar::new().pax(&records).file("f", "x").end();
    let Err(error) = Scratch::new().unpack(&tar) else {
        println!("skipped: this file system has room");
        return;
    };
    let refused =
        matches!(&error, UnpackError::Refused { reason, .. } if reason.contains("no room"));
    let other = matches!(&error, UnpackError::Write { source, .. }
        if source.raw_os_error() != Some(libc::ENOSPC));
    assert!(refused || other, "{error:?}");
}

#[test]
fn damaged_headers_are_refused() {
    let good = Tar::new().file("f", "hello").end();
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    assert!(Scratch::new().refusal(&flipped).contains("checksum"));
    for cut in [1, 511, 513, 600, 1000] {
        let text = Scratch::new().refusal(&good[..cut]);
        assert!(text.contains("middle of entry"), "{cut}: {text}");
    }
    let lone = Tar::new().raw(&[0; 512]).file("f", "x").end();
    assert!(Scratch::new().refusal(&lone).contains("zero block"));
    let dangling = Tar::new().pax(&[("path", b"x")]).end();
    assert!(Scratch::new().refusal(&dangling).contains("middle of entry"));
    let unknown = Tar::new().entry(&Head::new("f", b'M'), b"").end();
    assert!(Scratch::new().refusal(&unknown).contains("type 'M'"));
}

#[test]
fn extension_headers_of_one_kind_replace_each_other() {
    let tar = Tar::new()
        .pax(&[("path", b"first"), ("SCHILY.xattr.user.a", b"1")])
        .pax(&[("mtime", b"5")])
        .file("own", "x")
        .end();
    let scratch = Scratch::new();
    scratch.unpack(&tar).unwrap();
    assert_eq!(std::fs::metadata(scratch.path("own")).unwrap().mtime(), 5);
}

#[test]
fn global_headers_apply_to_nothing() {
    let body = super::build::record("path", b"taken");
    let mut head = Head::new("pax_global_header", b'g');
    let tar = Tar::new().entry(head.size(body.len() as u64), &body).file("own", "x").end();
    let scratch = Scratch::new();
    scratch.unpack(&tar).unwrap();
    assert!(scratch.path("own").exists() && !scratch.path("taken").exists());
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    for (map, size, data) in [
        ("0,5,3,5", "100", 10),
        ("0,5,200,5", "100", 10),
        ("18446744073709551615,5,0,5", "100", 10),
        ("0,5", "100", 10),
        ("0,5,5", "100", 5),
    ] {
        let mut head = Head::new("f", b'0');
        let blocks = (map.split(',').count() / 2).to_string();
        let tar = Tar::new()
            .pax(&[
                ("GNU.sparse.numblocks", blocks.as_bytes()),
                ("GNU.sparse.map", map.as_bytes()),
                ("GNU.sparse.size", size.as_bytes()),
            ])
            .entry(head.size(data), &[b'x'; 10][..data as usize])
            .end();
        assert!(Scratch::new().unpack(&tar).is_err(), "{map}");
    }
    let one = |map: &str| {
        let mut head = Head::new("f", b'0');
        let records: [(&str, &[u8]); 3] = [
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"100"),
        ];
        Tar::new().pax(&records).entry(head.size(512), map.as_bytes()).end()
    };
    for map in ["99999999999999\n", "1\n0\n", "x\n", "2\n0\n0\n"] {
        assert!(Scratch::new().unpack(&one(map)).is_err(), "{map:?}");
    }
}

/// Flips bytes in headers and makes their checksums right again: whatever comes out, nothing is
/// written outside, nothing panics, and what was accepted rebuilds exactly.
#[test]
fn mutated_headers_stay_inside() {
    let long = [b'n'; 200];
    let tar = Tar::new()
        .dir("d")
        .file("d/f", "hello")
        .symlink("d/l", "../../outside")
        .hard_link("h", "d/f")
        .pax(&[("path", &long), ("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")])
        .file("x", "content")
        .pax(&[
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.map", b"0,2,10,3"),
            ("GNU.sparse.size", b"20"),
        ])
        .file("sparse", "12345")
        .file("d/.wh.gone", "")
        .end();
    // xorshift64: the same mutations in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let bytes = *b"./\0\x80\xff01234567xgLKS \n=,";
    let mut accepted = 0;
    for _ in 0..1500 {
        let mut tar = tar.clone();
        for _ in 0..=random(3) {
            let at = random(tar.len());
            tar[at] = bytes[random(bytes.len())];
        }
        for header in tar.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let scratch = Scratch::new();
        let (mut record, limits) = (Vec::new(), Limits::default());
        let result = unpack_layer(&tar[..], scratch.fd.as_fd(), &own(), &limits, Some(&mut record));
        scratch.assert_outside_untouched();
        if result.is_ok_and(|stats| stats.rebuildable) {
            let mut again = Vec::new();
            match rebuild(record.as_slice(), scratch.fd.as_fd(), &mut again) {
                Ok(()) => assert!(again == tar),
                // A mode without the owner's read bit; inside P there is CAP_DAC_OVERRIDE.
                Err(RebuildError::File { source, .. })
                    if !is_root() && source.kind() == std::io::ErrorKind::PermissionDenied => {}
                Err(e) => panic!("{e}"),
            }
            accepted += 1;
        }
    }
    assert!(accepted > 100, "only {accepted} were lawful");
}
