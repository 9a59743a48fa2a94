//! Id maps (user_namespaces(7)). Runs in M, which derives every number from its own map.

use crate::at::{At, Res, failure};
use crate::small;
use bolt_shim::head::Existing;
use bolt_shim::launch::IdMap;
use bolt_shim::report::Step;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// A run of ids: `inside` of the new namespace is `outside` of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    inside: u32,
    outside: u32,
    count: u32,
}

/// The ids of the namespace that M is in from [`know`] on, which never change.
static EXISTING: OnceLock<Existing> = OnceLock::new();

/// M has entered its namespace, and keeps what exists there: `known`, where that is any, else what
/// the kernel says.
pub(crate) fn know(known: Existing) -> Res<&'static Existing> {
    let known = match known.uids.is_empty() || known.gids.is_empty() {
        false => known,
        true => Existing { uids: ask("uid_map")?, gids: ask("gid_map")? },
    };
    Ok(EXISTING.get_or_init(|| known))
}

/// What [`know`] has kept.
pub(crate) fn existing() -> Option<&'static Existing> {
    EXISTING.get()
}

/// What exists in our own namespace.
fn own(kind: &str) -> Res<Vec<(u32, u32)>> {
    match EXISTING.get() {
        Some(all) if kind == "uid_map" => Ok(all.uids.clone()),
        Some(all) => Ok(all.gids.clone()),
        None => ask(kind),
    }
}

fn ask(kind: &str) -> Res<Vec<(u32, u32)>> {
    Ok(read(&small::read(&format!("/proc/self/{kind}")).at(Step::IdMaps, kind)?))
}

/// (start, count) of each line of `/proc/self/{uid,gid}_map`.
fn read(text: &str) -> Vec<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let start = words.next()?.parse().ok()?;
            let count = words.nth(1)?.parse().ok()?;
            Some((start, count))
        })
        .collect()
}

/// What the shape wants, before it is cut to what exists.
fn wanted(shape: IdMap, id: u32) -> Vec<Extent> {
    let rest = u32::MAX - 1;
    match shape {
        IdMap::RootIsUser => vec![Extent { inside: 0, outside: 0, count: rest }],
        IdMap::NoMap => vec![Extent { inside: 0, outside: 1, count: rest - 1 }],
        IdMap::Range { first, size } => vec![Extent { inside: 0, outside: first, count: size }],
        IdMap::KeepId { .. } => {
            let mut map = vec![Extent { inside: id, outside: 0, count: 1 }];
            if id > 0 {
                map.push(Extent { inside: 0, outside: 1, count: id });
            }
            map.push(Extent { inside: id + 1, outside: id + 1, count: rest - id - 1 });
            map
        }
    }
}

/// Cuts `map` along the extents that exist: a nested extent across two of ours is EPERM.
fn cut(map: &[Extent], own: &[(u32, u32)]) -> Vec<Extent> {
    let mut result = Vec::new();
    for extent in map {
        for &(start, count) in own {
            let from = extent.outside.max(start);
            let to = extent.outside.saturating_add(extent.count).min(start.saturating_add(count));
            if from < to {
                let inside = extent.inside + (from - extent.outside);
                result.push(Extent { inside, outside: from, count: to - from });
            }
        }
    }
    result
}

fn text(map: &[Extent]) -> String {
    let mut text = String::new();
    for e in map {
        let _ = writeln!(text, "{} {} {}", e.inside, e.outside, e.count);
    }
    text
}

/// The group of terminals (systemd's uids-gids, Debian's base-passwd: tty).
const TTY: u32 = 5;

/// What who sets up a container has to know of its maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    /// The first that exists inside: 0 where it can be, else the kept one.
    pub(crate) uid: u32,
    /// The same of groups.
    pub(crate) gid: u32,
    /// The group 5 exists.
    pub(crate) tty: bool,
}

impl Ids {
    /// Those of our own namespace.
    pub(crate) fn own() -> Self {
        let mine = |kind: &str| {
            let whole = |(start, count)| Extent { inside: start, outside: start, count };
            own(kind).unwrap_or_default().into_iter().map(whole).collect::<Vec<_>>()
        };
        Ids::of(&mine("uid_map"), &mine("gid_map"))
    }

    /// Those of a child with maps of this shape.
    pub(crate) fn of_shape(shape: IdMap) -> Res<Self> {
        let [(_, uids), (_, gids)] = maps_of(shape)?;
        Ok(Ids::of(&uids, &gids))
    }

    fn of(uids: &[Extent], gids: &[Extent]) -> Self {
        let first = |map: &[Extent]| map.iter().map(|e| e.inside).min().unwrap_or(0);
        let has_tty = |e: &Extent| TTY.checked_sub(e.inside).is_some_and(|n| n < e.count);
        Ids { uid: first(uids), gid: first(gids), tty: gids.iter().any(has_tty) }
    }
}

/// Writes both maps of the child `pid`.
pub(crate) fn write(pid: i32, shape: IdMap) -> Res<Ids> {
    let maps = maps_of(shape)?;
    for (kind, map) in &maps {
        small::write(&format!("/proc/{pid}/{kind}"), &text(map)).at(Step::IdMaps, *kind)?;
    }
    let [(_, uids), (_, gids)] = maps;
    Ok(Ids::of(&uids, &gids))
}

/// What stands in uid_map and gid_map of a child with maps of this shape.
fn maps_of(shape: IdMap) -> Res<[(&'static str, Vec<Extent>); 2]> {
    let (uid, gid) = match shape {
        IdMap::KeepId { uid, gid } => (uid, gid),
        _ => (0, 0),
    };
    let map = |kind, id| {
        let map = cut(&wanted(shape, id), &own(kind)?);
        if let IdMap::Range { size, .. } = shape
            && map.iter().map(|e| e.count).sum::<u32>() != size
        {
            // P lacks some of them: what it lacks would be nobody's, or the files a neighbour's.
            return Err(failure(Step::IdMaps, kind, libc::ERANGE));
        }
        Ok((kind, map))
    };
    Ok([map("uid_map", uid)?, map("gid_map", gid)?])
}

/// The id in P that the container's root has; where root does not exist, the kept user's: 0.
pub(crate) fn root_in_p(shape: Option<IdMap>) -> (u32, u32) {
    let one = |id: u32, kind: &str| {
        let Some(shape) = shape else { return 0 };
        let map = cut(&wanted(shape, id), &own(kind).unwrap_or_default());
        map.iter().find(|e| e.inside == 0).map_or(0, |e| e.outside)
    };
    match shape {
        Some(IdMap::KeepId { uid, gid }) => (one(uid, "uid_map"), one(gid, "gid_map")),
        Some(IdMap::NoMap | IdMap::Range { .. }) => (one(0, "uid_map"), one(0, "gid_map")),
        _ => (0, 0),
    }
}

/// Whether the container has names for this user and group of P.
pub(crate) fn maps(shape: IdMap, (uid, gid): (u32, u32)) -> bool {
    let (kept_uid, kept_gid) = match shape {
        IdMap::KeepId { uid, gid } => (uid, gid),
        _ => (0, 0),
    };
    let has = |kept: u32, id: u32| {
        let map = wanted(shape, kept);
        map.iter().any(|e| id.checked_sub(e.outside).is_some_and(|n| n < e.count))
    };
    has(kept_uid, uid) && has(kept_gid, gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &[(u32, u32)] = &[(0, 1), (1, 65536)];

    #[test]
    fn a_nested_map_repeats_the_parents_extents() {
        assert_eq!(text(&cut(&wanted(IdMap::RootIsUser, 0), FULL)), "0 0 1\n1 1 65536\n");
    }

    #[test]
    fn keep_id_moves_the_user_and_shifts_the_rest() {
        let shape = IdMap::KeepId { uid: 1000, gid: 1000 };
        assert_eq!(text(&cut(&wanted(shape, 1000), FULL)), "1000 0 1\n0 1 1000\n1001 1001 64536\n");
    }

    #[test]
    fn the_first_ids_and_the_group_of_terminals_are_those_of_the_map() {
        let of = |shape, id, parent: &[(u32, u32)]| {
            let map = cut(&wanted(shape, id), parent);
            Ids::of(&map, &map)
        };
        let ids = |first, tty| Ids { uid: first, gid: first, tty };
        let keep = IdMap::KeepId { uid: 1000, gid: 1000 };
        let range = |size| IdMap::Range { first: 100, size };
        assert_eq!(of(IdMap::RootIsUser, 0, FULL), ids(0, true));
        assert_eq!(of(IdMap::RootIsUser, 0, &[(0, 1)]), ids(0, false));
        assert_eq!(of(keep, 1000, FULL), ids(0, true));
        assert_eq!(of(keep, 1000, &[(0, 1)]), ids(1000, false));
        assert_eq!(of(IdMap::NoMap, 0, FULL), ids(0, true));
        assert_eq!(of(range(5), 0, FULL), ids(0, false));
        assert_eq!(of(range(6), 0, FULL), ids(0, true));
        assert!(Ids::own().uid <= rustix::process::getuid().as_raw());
    }

    #[test]
    fn keep_id_in_a_one_id_parent_maps_the_user_alone() {
        let shape = IdMap::KeepId { uid: 1000, gid: 1000 };
        assert_eq!(text(&cut(&wanted(shape, 1000), &[(0, 1)])), "1000 0 1\n");
    }

    #[test]
    fn nomap_leaves_the_user_out() {
        assert_eq!(text(&cut(&wanted(IdMap::NoMap, 0), FULL)), "0 1 65536\n");
    }

    #[test]
    fn a_range_is_all_there_is() {
        let shape = IdMap::Range { first: 1025, size: 1024 };
        assert_eq!(text(&cut(&wanted(shape, 0), FULL)), "0 1025 1024\n");
        let two = [(0, 1), (1, 1500), (1501, 1000)];
        assert_eq!(text(&cut(&wanted(shape, 0), &two)), "0 1025 476\n476 1501 548\n");
    }

    #[test]
    fn an_owner_outside_of_the_map_is_told() {
        let range = IdMap::Range { first: 1025, size: 1024 };
        assert!(maps(range, (1025, 2048)));
        assert!(!maps(range, (0, 1025)) && !maps(range, (1025, 2049)));
        assert!(!maps(IdMap::NoMap, (0, 0)) && maps(IdMap::NoMap, (1, 1)));
        assert!(maps(IdMap::KeepId { uid: 5, gid: 6 }, (0, 0)) && maps(IdMap::RootIsUser, (0, 9)));
    }

    #[test]
    fn the_kernels_columns_are_read() {
        assert_eq!(
            read("         0       1000          1\n         1     100000      65536\n"),
            FULL
        );
    }
}
