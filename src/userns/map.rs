//! Id maps as procfs shows them (user_namespaces(7)), and as a container's setting makes them.

use crate::container::config::Userns;

/// The id of what has none in a namespace (`/proc/sys/kernel/overflowuid`).
pub const NOBODY: u32 = 65534;

/// Of what the ids are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// uid_map.
    User,
    /// gid_map.
    Group,
}

/// Ids of one namespace in another's numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// From, to, how many.
    extents: Vec<(u32, u32, u32)>,
}

impl IdMap {
    /// From the reader's ids to those of the namespace whose uid_map or gid_map `text` is.
    pub fn inward(text: &str) -> Self {
        IdMap { extents: lines(text).map(|(inside, outside, n)| (outside, inside, n)).collect() }
    }

    /// From the ids of the namespace to those outside of it.
    pub fn outward(text: &str) -> Self {
        IdMap { extents: lines(text).collect() }
    }

    /// From uids, or gids, in P to those of a container made with `userns`, as its supervisor
    /// maps them.
    pub fn of_container(userns: Userns, kind: Kind) -> Self {
        let rest = u32::MAX - 1;
        IdMap {
            extents: match userns {
                Userns::Host => vec![(0, 0, rest)],
                Userns::NoMap => vec![(1, 0, rest - 1)],
                Userns::Auto { first, size } => vec![(first, 0, size)],
                Userns::KeepId { uid, gid } => {
                    let kept = if kind == Kind::User { uid } else { gid };
                    vec![(0, kept, 1), (1, 0, kept), (kept + 1, kept + 1, rest - kept - 1)]
                }
            },
        }
    }

    /// `None`: the id has no number there.
    pub fn get(&self, id: u32) -> Option<u32> {
        let (from, to, _) = self.extents.iter().find(|(from, _, n)| id.wrapping_sub(*from) < *n)?;
        Some(to + (id - from))
    }
}

/// Inside, outside, count of each line.
fn lines(text: &str) -> impl Iterator<Item = (u32, u32, u32)> {
    text.lines().filter_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(|n| n.parse().ok());
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        let text = "         0       1001          1\n         1     100000      65536\n";
        let (inward, outward) = (IdMap::inward(text), IdMap::outward(text));
        assert_eq!(inward.get(1001), Some(0));
        assert_eq!(inward.get(100_004), Some(5));
        assert_eq!(inward.get(5), None);
        assert_eq!(outward.get(0), Some(1001));
        assert_eq!(outward.get(70_000), None);
    }

    #[test]
    fn what_a_container_sees() {
        let seen = |userns, id| IdMap::of_container(userns, Kind::User).get(id);
        assert_eq!(seen(Userns::Host, 7), Some(7));
        assert_eq!(seen(Userns::NoMap, 0), None);
        assert_eq!(seen(Userns::NoMap, 1), Some(0));
        assert_eq!(seen(Userns::Auto { first: 4096, size: 10 }, 4099), Some(3));
        assert_eq!(seen(Userns::Auto { first: 4096, size: 10 }, 4106), None);
        let keep = Userns::KeepId { uid: 1000, gid: 5 };
        assert_eq!([0, 1, 1000, 1001].map(|id| seen(keep, id)), [1000, 0, 999, 1001].map(Some));
    }
}
