//! Id layouts: who owns an unpacked tree on disk.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which ids the files of an unpacked layer carry on disk. Part of the layer's path, because a
/// user cannot make idmapped mounts on disk file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Container root is the user, other ids are subordinate ids. The default of users.
    RootIsUser,
    /// The user keeps his own id in the container (`keep-id`).
    UserIsUser,
    /// Only subordinate ids: the user owns nothing (`nomap`).
    NoUser,
    /// No subordinate ids: everything belongs to the user.
    Single,
    /// Real root: ids on disk are the image's.
    Root,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Layout; 5] =
        [Layout::RootIsUser, Layout::UserIsUser, Layout::NoUser, Layout::Single, Layout::Root];

    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Layout::RootIsUser => "root-is-user",
            Layout::UserIsUser => "user-is-user",
            Layout::NoUser => "no-user",
            Layout::Single => "single",
            Layout::Root => "root",
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text is no layout's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no id layout (root-is-user, user-is-user, no-user, single, root)")]
pub struct BadLayout(String);

impl FromStr for Layout {
    type Err = BadLayout;
    fn from_str(text: &str) -> Result<Self, BadLayout> {
        let found = Layout::ALL.into_iter().find(|l| l.name() == text);
        found.ok_or_else(|| BadLayout(text.to_owned()))
    }
}
