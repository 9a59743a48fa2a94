//! `bolt system check`: what is wrong among the containers and their volumes, and mending it.

use super::collection::{GONE, Named};
use super::config::{Config, MountKind, Origin};
use super::dir::{CONFIG, ContainerDir, Containers};
use super::error::{Error, io};
use super::name;
use super::volume::{VolumeError, Volumes};
use crate::store::{Problem, Store};
use crate::sys::dirs::Dirs;
use crate::sys::lock;
use crate::ui::print::causes;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long a creator may need to write the config.
const GRACE: Duration = Duration::from_secs(60);

/// Looks at every directory, name and volume. `repair` removes what killed commands left; what
/// holds a container's files is never removed. Inside P when repairing.
pub fn check(
    all: &Containers,
    dirs: &Dirs,
    store: &Store,
    repair: bool,
) -> Result<Vec<Problem>, Error> {
    let mut found = left_overs(all, &dirs.containers(), repair)?;
    found.extend(volumes(dirs, repair)?);
    for id in all.ids()? {
        let dir = match all.open_id(&id) {
            Err(Error::NotFound(_)) => continue,
            other => other?,
        };
        match dir.read_config() {
            Ok(config) => {
                found.extend(parts(&config, dirs, store).into_iter().map(damaged));
                found.extend(lost_name(all, &dir, &config.name, repair)?);
            }
            // Half made: told by `left_overs`.
            Err(Error::NotFound(_)) => continue,
            Err(e @ (Error::Damaged { .. } | Error::Version { .. })) => {
                found.push(damaged(format!(
                    "{}; 'bolt rm -f {}' removes it",
                    causes(&e),
                    &id[..12]
                )));
            }
            Err(e) => return Err(e),
        }
        if let Some(what) = state_fault(&dir)? {
            // A power cut does that to what ran, and the next start mends it.
            let text = format!("{what}; its next start, or end, writes it anew");
            found.push(Problem { text, repaired: false, harmless: true });
        }
    }
    // Once each has its own again.
    found.extend(names(all, &dirs.containers(), repair)?);
    Ok(found)
}

/// What is wrong with the record of what a container does.
fn state_fault(dir: &ContainerDir) -> Result<Option<String>, Error> {
    match dir.read_state() {
        Err(e @ (Error::Damaged { .. } | Error::Version { .. })) => Ok(Some(causes(&e))),
        // The copy in its lock says that it was started.
        Ok(fresh) if fresh.version == 0 && dir.snapshot()?.recorded.version != 0 => {
            Ok(Some(format!("state.json of container {} is gone", &dir.id()[..12])))
        }
        _ => Ok(None),
    }
}

/// A name that does not lead to the container that has it: somebody was killed who changed it.
fn lost_name(
    all: &Containers,
    dir: &ContainerDir,
    name: &str,
    repair: bool,
) -> Result<Option<Problem>, Error> {
    let text = format!("container {}: its name {name:?} does not lead to it", dir.id());
    Ok(match all.name_stands(dir, repair)? {
        Named::Well => None,
        Named::Lost => Some(damaged(text)),
        Named::Mended => Some(Problem { text, repaired: true, harmless: false }),
        Named::Taken(other) => Some(damaged(format!(
            "{text}, but to {other}; 'bolt rename {} NAME' gives it another",
            &dir.id()[..12]
        ))),
    })
}

fn damaged(text: String) -> Problem {
    Problem { text, repaired: false, harmless: false }
}

/// Directories without a config, and removals that were broken off.
fn left_overs(all: &Containers, path: &Path, repair: bool) -> Result<Vec<Problem>, Error> {
    let mut texts = Vec::new();
    for entry in read_dir(path)? {
        if entry.starts_with(GONE) {
            texts.push(format!("containers/{entry} is left over from a removal"));
        } else if entry.starts_with(".new-") && is_old(&path.join(&entry)) {
            texts.push(format!("containers/{entry} is left over from a crash"));
        } else if name::is_id(&entry)
            && !path.join(&entry).join(CONFIG).exists()
            && all.open_id(&entry).is_ok_and(|dir| dir.is_supervised().is_ok_and(|held| !held))
        {
            texts.push(format!("containers/{entry} has no {CONFIG}: its creation was broken off"));
        }
    }
    if repair && !texts.is_empty() {
        all.sweep()?;
    }
    // Nothing is wrong with what is listed: these wait for the next `rm` or `prune`.
    Ok(texts.into_iter().map(|text| Problem { text, repaired: repair, harmless: true }).collect())
}

/// Volumes half made or half removed.
fn volumes(dirs: &Dirs, repair: bool) -> Result<Vec<Problem>, Error> {
    if !dirs.volumes().exists() {
        return Ok(Vec::new());
    }
    let left = Volumes::open(dirs).and_then(|all| {
        let left = all.left_overs()?;
        if repair {
            all.sweep()?;
        }
        Ok(left)
    });
    let left = match left {
        Err(VolumeError::System(error)) => return Err(error),
        // Nothing else is asked of it.
        Err(_) => Vec::new(),
        Ok(left) => left,
    };
    let told = |name: String| Problem {
        text: format!("volumes/{name} is left over from a command that was killed"),
        repaired: repair,
        harmless: true,
    };
    Ok(left.into_iter().map(told).collect())
}

/// Names that lead nowhere, and second names.
fn names(all: &Containers, path: &Path, repair: bool) -> Result<Vec<Problem>, Error> {
    let dir = path.join("by-name");
    // Held by whoever takes a stale name over: no link changes between the look and the removal.
    let mend = dir.join(super::collection::MEND);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&mend);
    let shown = mend.display().to_string();
    let file = file.map_err(io("open", &*shown))?;
    lock::lock(&file, lock::Kind::Exclusive).map_err(io("lock", shown))?;
    let mut found = Vec::new();
    for entry in read_dir(&dir)? {
        let link = dir.join(&entry);
        let Ok(target) = fs::read_link(&link) else { continue };
        let id = target.to_str().and_then(super::name::from_link);
        let id = id.unwrap_or_else(|| target.display().to_string());
        let why = match all.open_id(&id) {
            // Free for anybody, and swept with the rest.
            Err(Error::NotFound(_)) if path.join([GONE, &id].concat()).exists() => {
                let repaired = repair && fs::remove_file(&link).is_ok();
                let text = format!("containers/by-name/{entry} is left over from a removal");
                found.push(Problem { text, repaired, harmless: true });
                continue;
            }
            Err(Error::NotFound(_)) => "which is gone".to_owned(),
            Ok(dir) => match dir.read_config() {
                Ok(config) if config.name != entry && all.leads_to(&config.name, &id)? => {
                    format!("which is called {:?}", config.name)
                }
                _ => continue,
            },
            Err(_) => continue,
        };
        let repaired = repair && fs::remove_file(&link).is_ok();
        let text = format!("containers/by-name/{entry} leads to {id}, {why}");
        found.push(Problem { text, repaired, harmless: false });
    }
    Ok(found)
}

/// Layers and volumes that a container needs and that are gone.
fn parts(config: &Config, dirs: &Dirs, store: &Store) -> Vec<String> {
    let mut gone = Vec::new();
    let id = config.short_id();
    match &config.origin {
        Origin::Image { driver, .. } if driver == "copy" => {
            if !dirs.containers().join(&config.id).join("root").is_dir() {
                gone.push(format!("container {id}: its copied root is gone"));
            }
        }
        Origin::Image { layers, layout, name, .. } => {
            let is_here = |chain: &String| match (layout.parse(), chain.parse()) {
                (Ok(layout), Ok(chain)) => store.has_layer(layout, &chain).unwrap_or(false),
                _ => false,
            };
            if let Some(chain) = layers.iter().find(|chain| !is_here(chain)) {
                gone.push(format!("container {id}: layer {chain} of image {name} is gone"));
            }
        }
        Origin::Directory(path) => {
            if !path.is_dir() {
                gone.push(format!("container {id}: its root {} is gone", path.display()));
            }
        }
    }
    let volumes = config.mounts.iter().filter(|mount| mount.kind == MountKind::Volume);
    for volume in volumes.filter(|m| !dirs.volumes().join(&m.source).join("_data").is_dir()) {
        gone.push(format!("container {id}: volume {} is gone", volume.source));
    }
    gone
}

fn is_old(path: &Path) -> bool {
    let made = fs::symlink_metadata(path).and_then(|stat| stat.modified());
    made.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > GRACE))
}

fn read_dir(path: &Path) -> Result<Vec<String>, Error> {
    let shown = || path.display().to_string();
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(io("list", shown()))? {
        let entry = entry.map_err(io("list", shown()))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::name::to_link;
    use super::super::testing::{config, dirs};
    use super::*;
    use crate::sys::atomic::Sync;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_crashes_leave_is_found_and_mended() {
        let scratch = Scratch::new("check");
        let dirs = dirs(scratch.path());
        let all = Containers::open(&dirs).unwrap();
        let store = Store::open(&dirs.store()).unwrap();
        let made = all.create(None, Some("whole")).unwrap();
        let mut whole = config(made.id(), "whole");
        whole.origin = Origin::Directory(scratch.path().to_owned());
        made.write_config(&whole, Sync::Fast).unwrap();
        drop(made);
        assert_eq!(check(&all, &dirs, &store, false).unwrap(), []);

        drop(all.create(None, Some("half")).unwrap());
        let path = dirs.containers();
        fs::create_dir(path.join(format!(".gone-{}", "a".repeat(64)))).unwrap();
        symlink(to_link(&"b".repeat(64)).unwrap(), path.join("by-name/lost")).unwrap();
        let found = check(&all, &dirs, &store, false).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|p| !p.repaired));
        let found = check(&all, &dirs, &store, true).unwrap();
        assert_eq!((found.len(), found.iter().all(|p| p.repaired)), (3, true), "{found:?}");
        assert_eq!(check(&all, &dirs, &store, false).unwrap(), []);
        assert!(all.find("whole").is_ok());
    }

    #[test]
    fn lost_names_and_second_names_are_found_and_mended() {
        let scratch = Scratch::new("check");
        let dirs = dirs(scratch.path());
        let all = Containers::open(&dirs).unwrap();
        let store = Store::open(&dirs.store()).unwrap();
        let names = dirs.containers().join("by-name");
        let add = |name: &str| {
            let made = all.create(None, Some(name)).unwrap();
            let mut config = config(made.id(), name);
            config.origin = Origin::Directory(scratch.path().to_owned());
            made.write_config(&config, Sync::Fast).unwrap();
            made.id().to_owned()
        };
        let texts = |repair: bool| {
            let found = check(&all, &dirs, &store, repair).unwrap();
            found.into_iter().map(|p| (p.text, p.repaired)).collect::<Vec<_>>()
        };
        // The link moved, the config did not.
        let moved = add("old");
        fs::rename(names.join("old"), names.join("new")).unwrap();
        let lost = format!("container {moved}: its name \"old\" does not lead to it");
        assert_eq!(texts(false), [(lost.clone(), false)]);
        let second = format!("containers/by-name/new leads to {moved}, which is called \"old\"");
        assert_eq!(texts(true), [(lost, true), (second, true)]);
        assert_eq!(texts(false), []);
        assert_eq!(all.find("old").unwrap().id(), moved);
        // Another has the name by now.
        fs::remove_file(names.join("old")).unwrap();
        let other = add("old");
        for repair in [false, true] {
            let advice = format!("'bolt rename {} NAME' gives it another", &moved[..12]);
            let text = format!(
                "container {moved}: its name \"old\" does not lead to it, but to {other}; {advice}"
            );
            assert_eq!(texts(repair), [(text, false)]);
        }
        assert_eq!(all.find("old").unwrap().id(), other);
        // That is gone, but for its name.
        fs::remove_dir_all(dirs.containers().join(&other)).unwrap();
        assert!(texts(true).iter().all(|(_, repaired)| *repaired));
        assert_eq!(all.find("old").unwrap().id(), moved);
        assert_eq!(texts(false), []);
    }

    /// A removal hides the directory before it takes the name away, and may be killed in between.
    #[test]
    fn a_name_that_a_killed_removal_left_is_harmless_and_goes_with_the_rest() {
        let scratch = Scratch::new("check");
        let dirs = dirs(scratch.path());
        let all = Containers::open(&dirs).unwrap();
        let store = Store::open(&dirs.store()).unwrap();
        let id = all.create(None, Some("x")).unwrap().id().to_owned();
        let place = |name: &str| dirs.containers().join(name);
        fs::rename(place(&id), place(&format!("{GONE}{id}"))).unwrap();
        let found = check(&all, &dirs, &store, false).unwrap();
        assert!(found.len() == 2 && found.iter().all(|p| p.harmless), "{found:?}");
        all.sweep().unwrap();
        assert!(check(&all, &dirs, &store, false).unwrap().is_empty());
        assert_eq!(
            fs::read_link(place("by-name/x")).unwrap_err().kind(),
            std::io::ErrorKind::NotFound
        );
        // Without that trace nobody knows how it came about.
        let id = all.create(None, Some("x")).unwrap().id().to_owned();
        fs::remove_dir_all(place(&id)).unwrap();
        let found = check(&all, &dirs, &store, false).unwrap();
        assert!(found.len() == 1 && !found[0].harmless, "{found:?}");
    }

    #[test]
    fn missing_parts_are_named() {
        let scratch = Scratch::new("check");
        let dirs = dirs(scratch.path());
        let store = Store::open(&dirs.store()).unwrap();
        let mut config = config(&"c".repeat(64), "c");
        config.origin = Origin::Image {
            name: "localhost/game:1".into(),
            id: String::new(),
            manifest: String::new(),
            layers: vec![format!("sha256:{}", "d".repeat(64))],
            layout: "root".into(),
            driver: "overlay".into(),
        };
        config.mounts = vec![super::super::config::Mount {
            kind: MountKind::Volume,
            source: "saves".into(),
            target: "/saves".into(),
            options: Vec::new(),
        }];
        let gone = parts(&config, &dirs, &store).join("\n");
        assert!(gone.contains("localhost/game:1") && gone.contains("volume saves"), "{gone}");
    }
}
