//! Lines for the container's account files, of users and groups that the image does not name.

use serde::{Deserialize, Serialize};

/// What stands for the group of [`crate::launch::Process::user`] in a line of passwd(5): only the
/// container knows the number of a name.
pub const GID: &str = "$GID";

/// What passwd(5) and group(5) of the container are to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// For passwd(5).
    pub passwd: Vec<Account>,
    /// For group(5).
    pub group: Vec<Account>,
}

/// One line, added where neither its name nor its number is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Of the user or group, not necessarily that of the line.
    pub name: String,
    /// Its number, likewise.
    pub id: u32,
    /// The line, without its end.
    pub line: String,
}
