//! Adds the user of the plan to the account files of an image that does not know them. Runs in I,
//! beneath the root, while that can still be written.
//!
//! A file that somebody mounted there is theirs, and stays as it is. Below a read-only root a copy
//! in memory lies over the file, as podman does it. Elsewhere the file itself gets the line:
//! useradd(8) puts another one in its place, which no mount allows.

use crate::at::Res;
use crate::step::mounts::Mounter;
use crate::step::{root, user};
use bolt_shim::accounts::{Account, GID};
use bolt_shim::launch::{Launch, Mount, MountFlags, MountKind};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::BorrowedFd;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Adds what is missing. A file that cannot be had or written is left alone: the program runs
/// under its number all the same.
pub(crate) fn add(mounter: &Mounter<'_>, launch: &Launch) -> Res<()> {
    let accounts = &launch.accounts;
    if accounts.passwd.is_empty() && accounts.group.is_empty() {
        return Ok(());
    }
    let sealed = root::is_read_only(&launch.root);
    let groups = read(mounter.root, GROUP).unwrap_or_default();
    let gid = gid(&launch.process.user, &groups);
    for (path, wanted) in [(PASSWD, &accounts.passwd), (GROUP, &accounts.group)] {
        let Ok(present) = read(mounter.root, path) else { continue };
        let added = missing(&present, wanted, gid);
        match (added.is_empty(), sealed) {
            (true, _) => {}
            (false, true) => mounter.mount_text(path, &(present + &added))?,
            (false, false) => {
                let _ = append(mounter.root, path, &added);
            }
        }
    }
    Ok(())
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

/// Nothing where there is no such file. Links count within the root's own file system alone: none
/// leads into a directory of the host that is mounted in the container.
fn open(root: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<File, Errno> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    // O_NONBLOCK: an image may put a pipe there, which would hang the start.
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let creates = flags.contains(OFlags::CREATE);
    let mode = Mode::from_raw_mode(if creates { 0o644 } else { 0 });
    openat2(root, path, flags, mode, how).map(File::from)
}

fn read(root: BorrowedFd<'_>, path: &str) -> Result<String, Errno> {
    match open(root, path, OFlags::RDONLY) {
        Ok(file) => Ok(user::text(file)),
        Err(Errno::NOENT) => Ok(String::new()),
        Err(e) => Err(e),
    }
}

fn append(root: BorrowedFd<'_>, path: &str, lines: &str) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
    let mut file = open(root, path, flags)?;
    if file.metadata()?.is_file() {
        file.write_all(lines.as_bytes())?;
    }
    Ok(())
}

impl Mounter<'_> {
    fn mount_text(&self, path: &str, content: &str) -> Res<()> {
        let what = MountKind::Text { content: content.to_owned() };
        let mount = Mount { target: path.to_owned(), what, flags: MountFlags::default() };
        self.text(&mount, content.as_bytes(), |_| Ok(()))
    }
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
