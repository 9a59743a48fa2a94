//! Which ids on disk stand for the image's ids.

/// `len` ids of the image from `image` on are those from `here` on for the unpacking process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// First id in the image.
    pub image: u32,
    /// First id in this process' user namespace.
    pub here: u32,
    /// How many.
    pub len: u32,
}

/// Who may own files, and whether device nodes can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owners {
    /// Map of uids; empty: nothing is chowned.
    pub uids: Vec<Extent>,
    /// Map of gids.
    pub gids: Vec<Extent>,
    /// Real root can make device nodes; a user namespace cannot.
    pub can_mknod: bool,
}

impl Owners {
    /// Ids as they are: `root` (real root, all ids) and `root-is-user` (`len` ids mapped in P).
    pub fn identity(len: u32, can_mknod: bool) -> Self {
        let all = vec![Extent { image: 0, here: 0, len }];
        Owners { uids: all.clone(), gids: all, can_mknod }
    }

    /// `user-is-user`: the image's `uid` and `gid` are id 0 here (the user himself), the ids
    /// below them move up by one; `len` ids are mapped here.
    pub fn keep_id(uid: u32, gid: u32, len: u32) -> Self {
        let extents = |own: u32| {
            let all = [
                Extent { image: own, here: 0, len: 1 },
                Extent { image: 0, here: 1, len: own.min(len.saturating_sub(1)) },
                Extent {
                    image: own.saturating_add(1),
                    here: own.saturating_add(1),
                    len: len.saturating_sub(own.saturating_add(1)),
                },
            ];
            all.into_iter().filter(|e| e.len > 0).collect()
        };
        Owners { uids: extents(uid), gids: extents(gid), can_mknod: false }
    }

    /// `no-user`: the image's ids move up by one, past the user; `len` ids are mapped here.
    pub fn no_user(len: u32) -> Self {
        let all = vec![Extent { image: 0, here: 1, len: len.saturating_sub(1) }];
        Owners { uids: all.clone(), gids: all, can_mknod: false }
    }

    /// `range-FIRST-SIZE`: the image's ids are `size` ids from `first` on; those above have none.
    pub fn range(first: u32, size: u32) -> Self {
        let all = vec![Extent { image: 0, here: first, len: size }];
        Owners { uids: all.clone(), gids: all, can_mknod: false }
    }

    /// `single`: everything belongs to the user; other owners are kept in an xattr.
    pub fn single() -> Self {
        Owners { uids: Vec::new(), gids: Vec::new(), can_mknod: false }
    }

    /// The ids here of an owner in the image; `None` when either has none.
    pub(super) fn map(&self, uid: u64, gid: u64) -> Option<(u32, u32)> {
        Some((find(&self.uids, uid)?, find(&self.gids, gid)?))
    }
}

fn find(extents: &[Extent], id: u64) -> Option<u32> {
    let id = u32::try_from(id).ok()?;
    extents.iter().find_map(|e| {
        let offset = id.checked_sub(e.image).filter(|o| *o < e.len)?;
        e.here.checked_add(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_id_moves_the_ids_below_up() {
        let owners = Owners::keep_id(1000, 100, 65537);
        for (image, here) in [
            ((1000, 100), Some((0, 0))),
            ((0, 0), Some((1, 1))),
            ((999, 99), Some((1000, 100))),
            ((1001, 101), Some((1001, 101))),
            ((65536, 65536), Some((65536, 65536))),
            ((65537, 0), None),
            ((1 << 40, 0), None),
        ] {
            assert_eq!(owners.map(image.0, image.1), here, "{image:?}");
        }
        assert_eq!(Owners::single().map(0, 0), None);
    }
}
