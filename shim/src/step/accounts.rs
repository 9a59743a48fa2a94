//! Adds the user of the plan to the account files of an image that does not know them. Runs in I,
//! beneath the root, while that can still be written.
//!
//! A file that somebody mounted there is theirs, and stays as it is; one that the image does not
//! have is not made. Below a read-only root a copy in memory lies over the file, as podman does it.
//! Elsewhere the file itself gets the line: useradd(8) puts another one in its place, which no
//! mount allows.

use crate::at::{At, Res};
use crate::step::mounts::Mounter;
use crate::step::{root, target, user};
use bolt_shim::accounts::{Account, GID};
use bolt_shim::launch::{Launch, MountFlags, Process};
use bolt_shim::report::{Failure, Step};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::BorrowedFd;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
/// An image may put a pipe there, which would hang the start.
const WAITS_NOT: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);
const READ: OFlags = OFlags::RDONLY.union(WAITS_NOT);
/// Nobody changes the copy, and it is nothing but text.
const COPY: MountFlags = MountFlags { read_only: true, nosuid: true, nodev: true, noexec: true };

/// Adds what is missing. A file that cannot be had or written is left alone: the program runs
/// under its number all the same. What could not be written comes back.
pub(crate) fn add(mounter: &Mounter<'_>, launch: &Launch) -> Res<Vec<Failure>> {
    let accounts = &launch.accounts;
    let mut denied = Vec::new();
    if accounts.passwd.is_empty() && accounts.group.is_empty() {
        return Ok(denied);
    }
    let sealed = root::is_read_only(&launch.root);
    let groups = read(mounter.root, GROUP).unwrap_or_default();
    let gid = gid(&launch.process.user, &String::from_utf8_lossy(&groups));
    for (path, wanted) in [(PASSWD, &accounts.passwd), (GROUP, &accounts.group)] {
        let Some(mut present) = read(mounter.root, path) else { continue };
        let added = missing(&String::from_utf8_lossy(&present), wanted, gid);
        match (added.is_empty(), sealed) {
            (true, _) => {}
            (false, true) => {
                present.extend_from_slice(added.as_bytes());
                mounter.text(path, COPY, &present, |_| Ok(()))?;
            }
            (false, false) => {
                denied.extend(append(mounter.root, path, &added).at(Step::Account, path).err());
            }
        }
    }
    Ok(denied)
}

/// The ids of the program's user, as far as the image knows them.
pub(crate) fn ids(root: BorrowedFd<'_>, process: &Process) -> Option<(u32, u32)> {
    let text = |path| {
        let file = target::lookup(root, path, READ).ok().map(File::from);
        let bytes = file.and_then(user::content).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let user = user::resolve(process, &text(PASSWD), &text(GROUP)).ok()?;
    Some((user.uid, user.gid))
}

/// The group of a `USER[:GROUP]` whose user the image does not know.
fn gid(user: &str, groups: &str) -> u32 {
    let group = user.split_once(':').map(|(_, group)| group);
    // A group that is none ends the start later, with its name.
    group.and_then(|group| user::group_id(groups, group).ok()).unwrap_or(0)
}

/// The lines to be written behind `present`.
fn missing(present: &str, wanted: &[Account], gid: u32) -> String {
    let mut added = String::new();
    for account in wanted {
        let id = account.id.to_string();
        let line = account.line.replace(GID, &gid.to_string());
        let is_taken = present.lines().chain(added.lines()).any(|there| {
            let mut fields = there.split(':');
            there == line || fields.next() == Some(&account.name) || fields.nth(1) == Some(&id)
        });
        if is_taken {
            continue;
        }
        if added.is_empty() && !present.is_empty() && !present.ends_with('\n') {
            added.push('\n');
        }
        added.push_str(&line);
        added.push('\n');
    }
    added
}

/// The bytes of a file with accounts; `None`: there is none that could be used.
fn read(root: BorrowedFd<'_>, path: &str) -> Option<Vec<u8>> {
    user::content(open(root, path, READ).ok()?)
}

/// All of them or none: a part of a line would count as a whole one.
fn append(root: BorrowedFd<'_>, path: &str, lines: &str) -> io::Result<()> {
    let mut file = match open(root, path, OFlags::WRONLY | OFlags::APPEND) {
        // An image may forbid it.
        Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => return Ok(()),
        other => other?,
    };
    let before = file.metadata()?.len();
    file.write_all(lines.as_bytes()).inspect_err(|_| drop(file.set_len(before)))
}

fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<File, Errno> {
    target::lookup_own(root, path, flags | WAITS_NOT).map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str, id: u32, line: &str) -> Account {
        Account { name: name.into(), id, line: line.into() }
    }

    #[test]
    fn a_line_is_added_where_neither_name_nor_number_is_taken() {
        let own = account("4711", 4711, "4711:*:4711:$GID:container user:/:/bin/sh");
        let line = "4711:*:4711:7:container user:/:/bin/sh\n";
        assert_eq!(missing("root:x:0:0::/:\n", std::slice::from_ref(&own), 7), line);
        assert_eq!(missing("", std::slice::from_ref(&own), 7), line);
        // A last line without an end stays a line.
        assert_eq!(missing("a:x:1:1::/:", std::slice::from_ref(&own), 7), format!("\n{line}"));
        for taken in ["4711:x:1:1::/:\n", "me:x:4711:0::/:\n", line] {
            assert_eq!(missing(taken, std::slice::from_ref(&own), 7), "", "{taken}");
        }
    }

    #[test]
    fn what_was_added_counts() {
        let kept = account("me", 1000, "me:*:1000:1000::/:/bin/sh");
        let own = account("1000", 1000, "1000:*:1000:0::/:/bin/sh");
        assert_eq!(missing("", &[kept, own], 0), "me:*:1000:1000::/:/bin/sh\n");
        // A line of the caller's own that names somebody else is there once.
        let odd = account("5", 5, "x:*:9:9::/:/bin/sh");
        assert_eq!(missing("x:*:9:9::/:/bin/sh\n", &[odd], 0), "");
    }

    #[test]
    fn the_group_of_an_unknown_user() {
        let groups = "root:x:0:\nvideo:x:44:\n";
        for (user, want) in [("9", 0), ("9:12", 12), ("9:video", 44), ("9:nope", 0)] {
            assert_eq!(gid(user, groups), want, "{user}");
        }
    }
}
