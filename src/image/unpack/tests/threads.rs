//! Small files are completed by a second thread: what comes behind them in the tar must find the
//! tree as if they were complete already.

use super::build::{Head, Tar};
use super::*;
use std::os::unix::fs::MetadataExt;

/// More than the batches that can be under way at once.
const MANY: usize = 300;

fn content(n: usize) -> String {
    format!("content of {n} ").repeat(n % 40)
}

#[test]
fn every_small_file_has_its_own_content_and_time() {
    let scratch = Scratch::new();
    let mut tar = Tar::new();
    for n in 0..MANY {
        tar = tar.file(&format!("d{}/f{n}", n / 7), &content(n));
        if n % 50 == 0 {
            tar = tar.file(&format!("large{n}"), &content(39).repeat(300));
        }
    }
    let stats = scratch.round_trip(&tar.end());
    let large = (content(39).len() * 300 * (MANY / 50)) as u64;
    assert_eq!(stats.bytes, large + (0..MANY).map(|n| content(n).len() as u64).sum::<u64>());
    for n in 0..MANY {
        let path = scratch.path(&format!("d{}/f{n}", n / 7));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content(n), "{n}");
        assert_eq!((path.metadata().unwrap().mode() & 0o7777, mtime(&path)), (0o644, 0o1750));
    }
}

#[test]
fn files_are_the_same_whatever_a_batch_may_hold() {
    let mut tar = Tar::new();
    for n in 0..MANY {
        tar = tar.file(&format!("f{n}"), &content(n));
    }
    let tar = tar.end();
    for descriptors in [0, 3, 7] {
        let scratch = Scratch::new();
        let limits = Limits { descriptors, ..Limits::default() };
        scratch.unpack_with(&tar, &own(), &limits).unwrap();
        for n in 0..MANY {
            let path = scratch.path(&format!("f{n}"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content(n), "{n}");
        }
    }
}

fn mtime(path: &Path) -> i64 {
    path.metadata().unwrap().mtime()
}

#[test]
fn links_and_replacements_see_the_files_before_them() {
    let scratch = Scratch::new();
    let mut tar = Tar::new();
    for n in 0..MANY {
        let (file, other) = (format!("f{n}"), format!("o{n}"));
        tar = tar.file(&file, &content(n)).hard_link(&other, &file);
        tar = match n % 4 {
            0 => tar.file(&file, "second"),
            1 => tar.dir(&file).file(&format!("{file}/below"), "third"),
            2 => tar.symlink(&file, &other),
            _ => tar,
        };
    }
    let stats = scratch.unpack(&tar.end()).unwrap();
    assert!(!stats.rebuildable);
    for n in 0..MANY {
        let read = |name: String| std::fs::read_to_string(scratch.path(&name)).unwrap();
        assert_eq!(read(format!("o{n}")), content(n), "{n}");
        match n % 4 {
            0 => assert_eq!(read(format!("f{n}")), "second"),
            1 => assert_eq!(read(format!("f{n}/below")), "third"),
            _ => assert_eq!(read(format!("f{n}")), content(n)),
        }
    }
}

#[test]
fn both_threads_count() {
    let scratch = Scratch::new();
    let mut tar = Tar::new();
    for n in 0..MANY {
        tar = tar.pax(&[("SCHILY.xattr.trusted.x", b"1")]).file(&format!("f{n}"), &content(n));
    }
    let stats = scratch.unpack(&tar.end()).unwrap();
    assert_eq!((stats.entries, stats.xattrs_dropped), (MANY as u64, MANY as u64));
}

/// An early file cannot be completed, later the tar is refused: the first of the two is told,
/// whichever thread met it.
#[test]
fn the_first_error_is_told() {
    let scratch = Scratch::new();
    // Longer than a name of an attribute may be (xattr(7)): the kernel refuses it.
    let name = format!("SCHILY.xattr.user.{}", "x".repeat(300));
    let mut tar = Tar::new();
    for n in 0..MANY {
        tar = match n {
            20 => tar.pax(&[(&name, b"1")]).file("f20", "x"),
            _ => tar.file(&format!("f{n}"), &content(n)),
        };
    }
    let tar = tar.entry(&Head::new("..", b'0'), b"").end();
    let error = scratch.unpack(&tar).unwrap_err();
    let first = "set an extended attribute of";
    assert!(
        matches!(error, UnpackError::Write { entry: 21, doing, .. } if doing == first),
        "{error}"
    );
}
