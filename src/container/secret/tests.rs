//! Secrets that are kept, listed, replaced and removed, and what is refused.

use super::super::testing::dirs;
use super::*;
use crate::sys::scratch::Scratch;
use std::os::unix::fs::{PermissionsExt, symlink};

fn store() -> (Scratch, Secrets) {
    let scratch = Scratch::new("secrets");
    let all = Secrets::open(&dirs(scratch.path())).unwrap();
    (scratch, all)
}

fn make(all: &Secrets, name: &str, value: &[u8]) -> Result<Record, SecretError> {
    all.create(name, &Secret::new(value.to_vec()), BTreeMap::new(), Over::Nobody)
}

#[test]
fn secrets_are_made_once_found_and_removed() {
    let (scratch, all) = store();
    let made = make(&all, "db", b"\x00\xffpass\n").unwrap();
    assert!(matches!(make(&all, "db", b"x"), Err(SecretError::Exists(_))));
    for wanted in ["db", &made.id, &made.id[..7]] {
        let (record, value) = all.value(wanted).unwrap();
        assert_eq!((record, value.bytes()), (made.clone(), &b"\x00\xffpass\n"[..]));
    }
    let dir = scratch.path().join("data/secrets");
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("db"))), (0o700, 0o600));
    assert!(matches!(all.find("../secrets/db"), Err(SecretError::NotFound(_))));
    assert!(matches!(all.find(""), Err(SecretError::NotFound(_))));
    all.remove("db").unwrap();
    assert!(matches!(all.remove("db"), Err(SecretError::NotFound(_))));
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
}

#[test]
fn one_takes_anothers_place_where_that_is_wanted() {
    let (scratch, all) = store();
    let over = |name: &str, value: &[u8]| {
        all.create(name, &Secret::new(value.to_vec()), BTreeMap::new(), Over::Anybody).unwrap()
    };
    let first = over("db", b"old");
    assert_eq!(first.updated(), first.created);
    let second = over("db", b"new");
    assert!(second.id != first.id && second.updated() > first.created);
    assert_eq!(second.created, first.created);
    assert_eq!(all.value("db").unwrap().1.bytes(), b"new");
    assert!(matches!(all.find(&first.id), Err(SecretError::NotFound(_))));
    let dir = scratch.path().join("data/secrets");
    std::fs::write(dir.join("torn"), "{").unwrap();
    over("torn", b"whole");
    assert_eq!(all.value("torn").unwrap().1.bytes(), b"whole");
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), 2);
}

#[test]
fn names_and_sizes_are_podmans() {
    let (_scratch, all) = store();
    for good in ["a", "0.x", "A-b_c.9", &"x".repeat(64)] {
        assert!(make(&all, good, b"v").is_ok(), "{good}");
    }
    let bad = ["", "-a", ".a", "_a", "a-", "a/b", "a b", "a,b", "ä", "a\n", "..", "a="];
    for bad in bad.into_iter().chain([&*"x".repeat(65)]) {
        assert!(matches!(make(&all, bad, b"v"), Err(SecretError::BadName(_))), "{bad:?}");
    }
    for size in [0, MOST, MOST + 1] {
        assert!(matches!(make(&all, "n", &vec![1; size]), Err(SecretError::Size(_))));
    }
    make(&all, "n", &vec![1; MOST - 1]).unwrap();
    assert_eq!(all.value("n").unwrap().1.bytes().len(), MOST - 1);
}

/// One of an id that others share is asked for, and a name goes before an id.
#[test]
fn an_id_may_be_short_but_not_shared() {
    let (_scratch, all) = store();
    let ids: Vec<String> =
        (0..17).map(|n| make(&all, &format!("n{n}"), b"v").unwrap().id).collect();
    // Seventeen ids and sixteen digits.
    let twice = |first: &&String| ids.iter().filter(|id| id[..1] == first[..1]).count() > 1;
    let first = &ids.iter().find(twice).unwrap()[..1];
    assert!(matches!(all.find(first), Err(SecretError::Ambiguous { .. })));
    make(&all, first, b"v").unwrap();
    assert_eq!(all.find(first).unwrap().name, first);
}

#[test]
fn what_lies_there_instead_is_neither_followed_nor_waited_for() {
    let (scratch, all) = store();
    let dir = scratch.path().join("data/secrets");
    std::fs::write(scratch.path().join("other"), "{}\nfound").unwrap();
    symlink(scratch.path().join("other"), dir.join("link")).unwrap();
    rustix::fs::mkfifoat(CWD, dir.join("pipe"), 0o600.into()).unwrap();
    std::fs::write(dir.join("text"), "no record").unwrap();
    std::fs::create_dir(dir.join("dir")).unwrap();
    make(&all, "torn", b"value").unwrap();
    let whole = std::fs::read(dir.join("torn")).unwrap();
    std::fs::write(dir.join("torn"), &whole[..whole.len() - 2]).unwrap();
    std::fs::write(dir.join("moved"), &whole).unwrap();
    for odd in ["link", "pipe", "text", "dir", "torn", "moved"] {
        assert!(matches!(all.value(odd), Err(SecretError::Damaged(_))), "{odd}");
        assert!(matches!(make(&all, odd, b"v"), Err(SecretError::Exists(_))), "{odd}");
    }
    assert_eq!((all.list().unwrap().len(), all.taken().unwrap().len()), (1, 6));
    all.remove("link").unwrap();
    assert!(scratch.path().join("other").exists());
    // Left by a creator that was killed.
    let left = [".gone.1.0.tmp", ".fresh.1.0.tmp"].map(|name| dir.join(name));
    left.iter().for_each(|path| std::fs::write(path, "half").unwrap());
    let long_ago = SystemTime::now() - GRACE * 2;
    File::options().write(true).open(&left[0]).unwrap().set_modified(long_ago).unwrap();
    make(&all, "new", b"v").unwrap();
    assert!(!left[0].exists() && left[1].exists());
    let place = dirs(scratch.path()).secrets();
    std::fs::rename(&place, scratch.path().join("elsewhere")).unwrap();
    symlink(scratch.path().join("elsewhere"), &place).unwrap();
    let opened = Secrets::open(&dirs(scratch.path()));
    assert!(matches!(opened, Err(SecretError::Place(_))));
}

#[test]
fn one_of_many_makers_wins() {
    let (scratch, _all) = store();
    let won: Vec<bool> = std::thread::scope(|scope| {
        let one = |n: u8| {
            let dirs = dirs(scratch.path());
            scope.spawn(move || make(&Secrets::open(&dirs).unwrap(), "n", &[n + 1; 9]).is_ok())
        };
        let all: Vec<_> = (0..50).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    let value = Secrets::open(&dirs(scratch.path())).unwrap().value("n").unwrap().1;
    let winner = won.iter().position(|won| *won).unwrap() as u8 + 1;
    assert_eq!(value.bytes(), [winner; 9]);
}
