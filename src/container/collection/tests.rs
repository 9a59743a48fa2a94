//! Names, races and leftovers of [`super::Containers`].

use super::super::name::to_link;
use super::super::testing::{config, containers, dirs};
use super::*;
use crate::sys::scratch::Scratch;
use std::os::unix::fs::symlink;

fn add(all: &Containers, name: &str) -> ContainerDir {
    let mut dir = all.create(None, Some(name)).unwrap();
    dir.write_config(&config(dir.id(), name), atomic::Sync::Fast).unwrap();
    dir.unlock();
    dir
}

/// Without a supervisor.
fn rename(all: &Containers, dir: &ContainerDir, to: &str) -> Result<(), Error> {
    all.rename(dir, to, || Ok(())).map(drop)
}

fn with_id(all: &Containers, digits: &str, name: &str) -> String {
    let id = format!("{digits:0<64}");
    let dir = all.create(Some(&id), Some(name)).unwrap();
    dir.write_config(&config(&id, name), atomic::Sync::Fast).unwrap();
    id
}

#[test]
fn find_takes_name_then_id_then_unique_prefix() {
    let (_scratch, all) = containers();
    let one = with_id(&all, "abc1", "one");
    let two = with_id(&all, "abc2", "abc1");
    let find = |wanted: &str| all.find(wanted).map(|d| d.id().to_owned());
    assert_eq!(find("one").unwrap(), one);
    assert_eq!(find("abc1").unwrap(), two, "a name wins over the start of an id");
    assert_eq!(find(&one).unwrap(), one);
    assert_eq!(find("abc2").unwrap(), two);
    assert!(matches!(find("abc"), Err(Error::Ambiguous { ids, .. }) if ids.len() == 2));
    for unknown in ["nosuch", "f", "", "..", "../x", "by-name", "a/b", ".mend"] {
        assert!(matches!(find(unknown), Err(Error::NotFound(_))), "{unknown:?}");
    }
}

#[test]
fn a_taken_name_is_named_with_its_owner() {
    let (_scratch, all) = containers();
    let first = add(&all, "game");
    match all.create(None, Some("game")) {
        Err(Error::NameInUse { name, id }) => {
            assert_eq!((name.as_str(), id.as_str()), ("game", first.id()));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(all.ids().unwrap().len(), 1, "the loser leaves nothing");
}

#[test]
fn a_name_is_taken_while_its_creator_works() {
    let (_scratch, all) = containers();
    let _held = all.create(None, Some("game")).unwrap();
    assert!(matches!(all.create(None, Some("game")), Err(Error::NameInUse { .. })));
    assert_eq!(all.sweep().unwrap(), 0);
}

#[test]
fn names_of_nothing_are_mended() {
    let (scratch, all) = containers();
    let link = scratch.path().join("data/containers/by-name/game");
    symlink(to_link(&"0".repeat(64)).unwrap(), &link).unwrap();
    assert!(matches!(all.find("game"), Err(Error::NotFound(_))));
    drop(all.create(None, Some("game")).unwrap());
    // Its creator is gone without a config: the name is free again.
    let dir = add(&all, "game");
    assert_eq!(all.ids().unwrap(), [dir.id()]);
    // Not one of our links at all.
    symlink("/etc", link.with_file_name("odd")).unwrap();
    assert!(matches!(all.find("odd"), Err(Error::NotFound(_))));
    assert!(matches!(all.create(None, Some("odd")), Err(Error::NameInUse { .. })));
}

#[test]
fn one_of_many_threads_gets_a_name() {
    let (scratch, all) = containers();
    let base = dirs(scratch.path());
    for round in 0..20 {
        let name = format!("n{round}");
        if round % 2 == 0 {
            let link = scratch.path().join("data/containers/by-name").join(&name);
            symlink(to_link(&"0".repeat(64)).unwrap(), link).unwrap();
        }
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Containers::open(&base).unwrap().create(None, Some(&name))))
                .collect();
            let results: Vec<_> = tries.into_iter().map(|t| t.join().unwrap()).collect();
            results.iter().filter(|r| r.is_ok()).count()
        });
        assert_eq!(won, 1, "{name}");
    }
    all.sweep().unwrap();
}

#[test]
fn rename_moves_the_link_and_the_config() {
    let (_scratch, all) = containers();
    let dir = add(&all, "old");
    add(&all, "taken");
    for taken in ["taken", "old"] {
        let said = rename(&all, &dir, taken).unwrap_err().to_string();
        let id = all.find(taken).unwrap().id().to_owned();
        let wanted = format!("the name {taken:?} is already in use by {id}; give a name that");
        assert!(said.starts_with(&wanted) && !said.contains("--replace"), "{said}");
    }
    assert!(matches!(rename(&all, &dir, "a b"), Err(Error::BadName(_))));
    rename(&all, &dir, "new").unwrap();
    assert_eq!(all.find("new").unwrap().read_config().unwrap().name, "new");
    assert!(all.find("old").is_err());
}

#[test]
fn a_rename_and_a_removal_at_once_leave_no_name_of_nothing() {
    let (scratch, all) = containers();
    let names = scratch.path().join("data/containers/by-name");
    for _ in 0..200 {
        let mut dir = add(&all, "a");
        let other = all.find("a").unwrap();
        std::thread::scope(|scope| {
            let renamed = scope.spawn(|| rename(&all, &other, "b"));
            all.remove(&mut dir).unwrap();
            // Before, or not at all.
            assert!(matches!(renamed.join().unwrap(), Ok(()) | Err(Error::NotFound(_))));
        });
        for name in ["a", "b"] {
            assert!(names.join(name).symlink_metadata().is_err(), "{name} is left");
        }
    }
}

#[test]
fn removal_takes_name_and_files() {
    let (_scratch, all) = containers();
    let mut dir = add(&all, "game");
    std::fs::create_dir_all(dir.path().join("upper/deep")).unwrap();
    let mut other = all.find("game").unwrap();
    assert!(other.try_lock().unwrap());
    assert!(matches!(all.remove(&mut dir), Err(Error::Busy(_))));
    other.unlock();
    all.remove(&mut dir).unwrap();
    assert!(!dir.path().exists());
    assert!(all.find("game").is_err());
    assert!(matches!(other.try_lock(), Err(Error::NotFound(_))), "the second remover is told");
    add(&all, "game");
}

#[test]
fn sweep_removes_what_killed_commands_left() {
    let (scratch, all) = containers();
    let kept = add(&all, "kept");
    drop(all.create(None, Some("half")).unwrap());
    let root = scratch.path().join("data/containers");
    std::fs::create_dir(root.join(format!("{GONE}x"))).unwrap();
    std::fs::create_dir(root.join(format!("{NEW}young"))).unwrap();
    assert_eq!(all.sweep().unwrap(), 2);
    assert_eq!(all.ids().unwrap(), [kept.id()]);
    assert!(root.join(format!("{NEW}young")).exists());
    assert!(all.find("half").is_err());
}

#[test]
fn generated_names_are_taken_and_found_again() {
    let scratch = Scratch::new("generated");
    let all = Containers::open(&dirs(scratch.path())).unwrap();
    let dir = all.create(None, None).unwrap();
    let name = all.name_of(dir.id()).unwrap().unwrap();
    assert!(name.contains('_'), "{name}");
    assert_eq!(all.find(&name).unwrap().id(), dir.id());
    assert!(matches!(all.create(Some("abc"), None), Err(Error::BadId(_))));
}

fn with_names(scratch: &Scratch) -> std::path::PathBuf {
    scratch.path().join("data/containers/by-name")
}

/// What a rename leaves that is killed after its first step, and after its second.
#[test]
fn a_rename_that_was_broken_off_is_completed_by_the_next() {
    for (written, to) in [(false, "new"), (false, "other"), (true, "new"), (true, "other")] {
        let (scratch, all) = containers();
        let dir = add(&all, "old");
        symlink(to_link(dir.id()).unwrap(), with_names(&scratch).join("new")).unwrap();
        if written {
            dir.write_config(&config(dir.id(), "new"), atomic::Sync::Fast).unwrap();
        }
        for name in ["old", "new"] {
            assert_eq!(all.find(name).unwrap().id(), dir.id());
        }
        if (written, to) != (true, "new") {
            rename(&all, &dir, to).unwrap();
        }
        assert_eq!(
            (all.find(to).unwrap().id(), dir.read_config().unwrap().name),
            (dir.id(), to.into())
        );
    }
}

/// Earlier versions moved the link first: killed then, they left a config of the old name.
#[test]
fn a_container_that_has_lost_its_name_gets_one() {
    for (link, to) in [(Some("new"), "new"), (Some("new"), "other"), (None, "old"), (None, "new")] {
        let (scratch, all) = containers();
        let dir = add(&all, "old");
        let names = with_names(&scratch);
        std::fs::remove_file(names.join("old")).unwrap();
        if let Some(link) = link {
            symlink(to_link(dir.id()).unwrap(), names.join(link)).unwrap();
        }
        rename(&all, &dir, to).unwrap();
        assert_eq!(all.find(to).unwrap().read_config().unwrap().name, to);
    }
    let (scratch, all) = containers();
    let dir = add(&all, "old");
    std::fs::remove_file(with_names(&scratch).join("old")).unwrap();
    let next = add(&all, "old");
    assert!(matches!(rename(&all, &dir, "old"), Err(Error::Renamed { id, .. }) if id == next.id()));
    rename(&all, &dir, "new").unwrap();
    assert_eq!(all.find("old").unwrap().id(), next.id(), "a name of another stays");
    assert_eq!(all.find("new").unwrap().id(), dir.id());
}

#[test]
fn a_rename_that_cannot_be_told_changes_nothing() {
    let (_scratch, all) = containers();
    let dir = add(&all, "old");
    let refused = all.rename(&dir, "new", || Err(Error::Busy(String::new())));
    assert!(matches!(refused, Err(Error::Busy(_))));
    assert_eq!(all.find("old").unwrap().read_config().unwrap().name, "old");
    assert!(matches!(all.find("new"), Err(Error::NotFound(_))));
}

/// A supervisor takes record and name away (`--rm`) while a rename is on its way.
#[test]
fn a_rename_beside_the_end_of_a_container_leaves_no_name_and_no_record() {
    for early in [true, false] {
        let (scratch, all) = containers();
        let dir = add(&all, "old");
        let gone = all.rename(&dir, "new", || {
            // The rest of the directory is on its way.
            let file = if early { CONFIG } else { LOCK };
            std::fs::remove_file(dir.path().join(file)).map_err(io("remove", file))
        });
        assert!(matches!(gone, Err(Error::NotFound(_))), "{gone:?}");
        assert!(!dir.path().join(CONFIG).exists());
        let left: Vec<_> = std::fs::read_dir(with_names(&scratch)).unwrap().collect();
        assert_eq!(left.len(), 1, "the lock alone: {left:?}");
    }
}

/// One who is killed between the two steps of a removal leaves no container without a name.
#[test]
fn a_removal_hides_the_files_before_it_frees_the_name() {
    let (scratch, all) = containers();
    let mut dir = add(&all, "game");
    // The rename of the directory cannot be done.
    let root = scratch.path().join("data/containers");
    let in_the_way = root.join(format!("{GONE}{}", dir.id()));
    std::fs::create_dir(&in_the_way).unwrap();
    std::fs::write(in_the_way.join("file"), "").unwrap();
    all.remove(&mut dir).unwrap_err();
    assert_eq!(all.find("game").unwrap().id(), dir.id());
    std::fs::remove_dir_all(in_the_way).unwrap();
    all.remove(&mut dir).unwrap();
    assert!(all.find("game").is_err());
}
