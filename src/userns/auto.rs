//! `--userns auto`: a range of the user's subordinate ids for one container (podman-run(1)).
//!
//! Ranges are counted in P, where the subordinate ids are 1…, and given out lowest first, so that
//! containers one after the other share one id layout of their image. A range is taken as long
//! as a container's config names it; the lock that guards the choice is held until that is
//! written.

use crate::container::config::Userns;
use crate::container::dir::Containers;
use crate::container::list::{self, Entry};
use crate::sys::dirs::Dirs;
use anyhow::Context;
use std::fs::File;

/// Ids of a container whose image needs no more (containers-storage.conf(5),
/// `auto-userns-min-size`).
pub const SMALLEST: u32 = 1024;

/// A range that is this process' to give away, until the guard is dropped.
#[derive(Debug)]
pub struct Reserved {
    /// [`Userns::Auto`].
    pub userns: Userns,
    _guard: File,
}

/// Not enough subordinate ids are left.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--userns auto: no {size} consecutive subordinate ids are free: {total} are {user}'s, and {containers} containers have {taken} of them; remove some of those, or let root add the line {user}:START:{size} with ids of nobody else to /etc/subuid and /etc/subgid"
)]
pub struct NoRange {
    size: u32,
    total: u32,
    taken: u32,
    containers: usize,
    user: String,
}

/// Reserves `size` ids that no container has but the one with the id `except`, which is about to
/// be replaced.
///
/// Errors: no subordinate ids at all, [`NoRange`], and what reading the containers says.
pub fn reserve(
    dirs: &Dirs,
    containers: &Containers,
    size: u32,
    except: Option<&str>,
) -> anyhow::Result<Reserved> {
    let total = total(dirs)?;
    let guard = super::lock_file(dirs, "auto")?;
    let list = list::read(containers)?;
    if let Some(damaged) = list.damaged.into_iter().next() {
        // It may have any range.
        return Err(damaged).context("--userns auto: a container's range cannot be read");
    }
    let taken = taken(&list.entries, except);
    let first = free(&taken, total, size).ok_or_else(|| NoRange {
        size,
        total,
        taken: taken.iter().map(|(_, size)| size).sum(),
        containers: taken.len(),
        user: dirs.user().to_owned(),
    })?;
    Ok(Reserved { userns: Userns::Auto { first, size }, _guard: guard })
}

/// Whether the ids of a container are still the user's: /etc/subuid may have changed.
pub fn check(dirs: &Dirs, first: u32, size: u32) -> anyhow::Result<()> {
    let total = total(dirs)?;
    let last = first.saturating_add(size) - 1;
    anyhow::ensure!(
        last <= total,
        "--userns auto: the container has the subordinate ids {first} to {last}, and {} has only {total} by now; create it again",
        dirs.user()
    );
    Ok(())
}

/// How many subordinate ids there are for both uids and gids.
fn total(dirs: &Dirs) -> anyhow::Result<u32> {
    anyhow::ensure!(
        dirs.uid != 0,
        "--userns auto: root has no subordinate ids here; use it as another user"
    );
    let counts = super::counts(dirs);
    let (uids, gids) =
        counts.map_err(|none| anyhow::anyhow!("--userns auto: {none}; see 'bolt doctor'"))?;
    Ok(uids.min(gids))
}

/// First id and size of every range that a container has.
fn taken(entries: &[Entry], except: Option<&str>) -> Vec<(u32, u32)> {
    let others = entries.iter().filter(|e| except != Some(e.config.id.as_str()));
    let range = |entry: &Entry| match entry.config.userns {
        Userns::Auto { first, size } => Some((first, size)),
        _ => None,
    };
    others.filter_map(range).collect()
}

/// The first id of the lowest gap of `size` ids in 1…`total`.
fn free(taken: &[(u32, u32)], total: u32, size: u32) -> Option<u32> {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let mut from = 1u32;
    for (first, count) in taken {
        if first >= from && first - from >= size {
            break;
        }
        from = from.max(first.saturating_add(count));
    }
    let last = from.checked_add(size)?.checked_sub(1)?;
    (last <= total).then_some(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::config::Config;
    use crate::container::testing::{config, containers};
    use crate::sys::atomic::Sync;

    #[test]
    fn the_lowest_gap_that_fits_is_given() {
        let free = |taken: &[(u32, u32)], size| free(taken, 65536, size);
        assert_eq!(free(&[], 1024), Some(1));
        assert_eq!(free(&[(1, 1024)], 1024), Some(1025));
        assert_eq!(free(&[(2049, 1024), (1, 1024)], 1024), Some(1025));
        assert_eq!(free(&[(2049, 1024), (1, 1024)], 1025), Some(3073));
        assert_eq!(free(&[(1025, 1024)], 1024), Some(1));
        assert_eq!(free(&[(1, 65536)], 1), None);
        assert_eq!(free(&[], 65536), Some(1));
        assert_eq!(free(&[], 65537), None);
        assert_eq!(free(&[(1, 1)], 65536), None);
        // Records of another time may overlap.
        assert_eq!(free(&[(1, 2000), (500, 100)], 1024), Some(2001));
        assert_eq!(free(&[(1, u32::MAX)], 1024), None);
    }

    #[test]
    fn a_container_that_is_replaced_gives_its_range() {
        let (_scratch, all) = containers();
        for (name, userns) in [
            ("old", Userns::Auto { first: 1, size: 1024 }),
            ("new", Userns::Auto { first: 1025, size: 2048 }),
            ("plain", Userns::NoMap),
        ] {
            let dir = all.create(None, Some(name)).unwrap();
            let config = Config { userns, ..config(dir.id(), name) };
            dir.write_config(&config, Sync::Fast).unwrap();
        }
        let list = list::read(&all).unwrap().entries;
        let mut all = taken(&list, None);
        all.sort();
        assert_eq!(all, [(1, 1024), (1025, 2048)]);
        let old = list.iter().find(|e| e.config.name == "old").unwrap().config.id.clone();
        assert_eq!(taken(&list, Some(&old)), [(1025, 2048)]);
        assert_eq!(taken(&list, Some("old")).len(), 2, "a name may be another's by now");
    }
}
