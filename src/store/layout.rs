//! Id layouts: who owns an unpacked tree on disk.

use std::fmt;
use std::str::FromStr;

/// Which ids the files of an unpacked layer carry on disk. Part of the layer's path, because a
/// user cannot make idmapped mounts on disk file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layout {
    /// Container root is the user, other ids are subordinate ids. The default of users.
    RootIsUser,
    /// The user keeps his own id in the container (`keep-id`).
    UserIsUser,
    /// The user has this id in the container (`keep-id:uid=N,gid=N`).
    Kept {
        /// His uid inside.
        uid: u32,
        /// His gid inside.
        gid: u32,
    },
    /// Only subordinate ids: the user owns nothing (`nomap`).
    NoUser,
    /// Container ids 0… are this range of the subordinate ids (`auto`).
    Range {
        /// The first of them, counted from 1.
        first: u32,
        /// How many.
        size: u32,
    },
    /// No subordinate ids: everything belongs to the user.
    Single,
    /// Real root: ids on disk are the image's.
    Root,
}

impl Layout {
    /// Those without numbers.
    const PLAIN: [Layout; 5] =
        [Layout::RootIsUser, Layout::UserIsUser, Layout::NoUser, Layout::Single, Layout::Root];

    /// Whether gc takes a layer of it that no container uses, though its image is here: the
    /// next container may get another range, and it can be made again without the network.
    pub fn is_passing(self) -> bool {
        matches!(self, Layout::Range { .. })
    }
}

/// The directory's name.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::RootIsUser => "root-is-user",
            Layout::UserIsUser => "user-is-user",
            Layout::NoUser => "no-user",
            Layout::Single => "single",
            Layout::Root => "root",
            Layout::Kept { uid, gid } => return write!(f, "kept-{uid}-{gid}"),
            Layout::Range { first, size } => return write!(f, "range-{first}-{size}"),
        })
    }
}

/// A text is no layout's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no id layout (root-is-user, user-is-user, kept-UID-GID, no-user, range-FIRST-SIZE, single, root)"
)]
pub struct BadLayout(String);

impl FromStr for Layout {
    type Err = BadLayout;
    fn from_str(text: &str) -> Result<Self, BadLayout> {
        let numbers = |prefix: &str| {
            let (a, b) = text.strip_prefix(prefix)?.split_once('-')?;
            Some((a.parse().ok()?, b.parse().ok()?))
        };
        let numbered = || {
            let kept = numbers("kept-").map(|(uid, gid)| Layout::Kept { uid, gid });
            kept.or_else(|| numbers("range-").map(|(first, size)| Layout::Range { first, size }))
        };
        let found = Layout::PLAIN.into_iter().find(|l| l.to_string() == text).or_else(numbered);
        // One directory a layout: `kept-007-1` is nobody's.
        found.filter(|l| l.to_string() == text).ok_or_else(|| BadLayout(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let mut all = Layout::PLAIN.to_vec();
        all.extend([Layout::Kept { uid: 0, gid: 7 }, Layout::Range { first: 1025, size: 1024 }]);
        for layout in all {
            assert_eq!(layout.to_string().parse(), Ok(layout));
        }
        for bad in ["", "kept-1", "kept-01-1", "kept-1-+1", "range--1-2", "range-1-2-3", "../root"]
        {
            assert_eq!(bad.parse::<Layout>(), Err(BadLayout(bad.to_owned())), "{bad}");
        }
    }
}
