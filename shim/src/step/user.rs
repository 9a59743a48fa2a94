//! Who the payload runs as: the container's own /etc/passwd and /etc/group, read beneath its
//! root. Runs in I (or a joiner) after pivot_root, so no path leads out.

use crate::at::{At, Res, failure};
use bolt_shim::launch::{Groups, Process};
use bolt_shim::report::Step;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use std::fs::File;
use std::io::Read;

/// Larger account files are refused: nobody's has a million lines by accident.
const MAX_FILE: u64 = 4 << 20;

/// What was found about the user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Numeric user id.
    pub(crate) uid: u32,
    /// Numeric primary group.
    pub(crate) gid: u32,
    /// Supplementary groups; `None`: leave them as they are.
    pub(crate) groups: Option<Vec<u32>>,
    /// Home directory.
    pub(crate) home: String,
}

/// Looks `process.user` up. An unknown *name* is an error, an unknown number is not; a number
/// that does not fit 32 bits is an error and never wraps (CVE-2026-30892).
pub(crate) fn lookup(process: &Process) -> Res<User> {
    let passwd = read("/etc/passwd");
    let group = read("/etc/group");
    resolve(process, &passwd, &group)
}

pub(crate) fn resolve(process: &Process, passwd: &str, group: &str) -> Res<User> {
    let (name, wanted_group) = match process.user.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (process.user.as_str(), None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let numeric = number(name)?;
    let line = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| {
        f.len() >= 6 && (f[0] == name || (numeric.is_some() && f[2].parse().ok() == numeric))
    });
    let (uid, mut gid, home, login) = match &line {
        Some(f) => {
            let id = |text: &str| {
                number(text)?.ok_or_else(|| failure(Step::User, &process.user, libc::EINVAL))
            };
            (id(f[2])?, id(f[3])?, f[5].to_owned(), Some(f[0]))
        }
        None => match numeric {
            Some(uid) => (uid, 0, "/".to_owned(), None),
            None => return Err(failure(Step::User, name, libc::ENOENT)),
        },
    };
    let mut groups = Vec::new();
    match wanted_group {
        Some(wanted) => gid = group_id(group, wanted)?,
        None => groups.extend(login.map_or_else(Vec::new, |login| memberships(group, login))),
    }
    let groups = match &process.groups {
        Groups::Keep => None,
        Groups::Of(more) => {
            for name in more {
                let id = group_id(group, name)?;
                if !groups.contains(&id) {
                    groups.push(id);
                }
            }
            if !groups.contains(&gid) {
                groups.insert(0, gid);
            }
            Some(groups)
        }
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    Ok(User { uid, gid, groups, home })
}

/// A decimal id; `Ok(None)` for a name, an error for a number out of range.
fn number(text: &str) -> Res<Option<u32>> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<u32>() {
        // -1 means "unchanged" to setresuid(2).
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(failure(Step::User, text, libc::ERANGE)),
    }
}

/// The number of a group that is a name of group(5) or a number.
pub(crate) fn group_id(group: &str, wanted: &str) -> Res<u32> {
    let found = group.lines().find_map(|l| {
        let f: Vec<&str> = l.split(':').collect();
        (f.len() >= 3 && f[0] == wanted).then(|| f[2].parse().ok()).flatten()
    });
    match (found, number(wanted)?) {
        (Some(u32::MAX), _) => Err(failure(Step::User, wanted, libc::ERANGE)),
        (Some(id), _) | (None, Some(id)) => Ok(id),
        (None, None) => Err(failure(Step::User, wanted, libc::ENOENT)),
    }
}

fn memberships(group: &str, login: &str) -> Vec<u32> {
    group
        .lines()
        .filter_map(|l| {
            let f: Vec<&str> = l.split(':').collect();
            (f.len() >= 4 && f[3].split(',').any(|m| m == login))
                .then(|| f[2].parse().ok())
                .flatten()
        })
        .collect()
}

/// Missing, unreadable or oversized files count as empty: many images have none. A name of
/// another encoding in one line must not hide the others.
fn read(path: &str) -> String {
    use std::os::unix::fs::OpenOptionsExt;
    // O_NONBLOCK: an image may put a pipe there, which would hang the start.
    let file =
        File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
    let bytes = file.ok().and_then(content).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What an account file holds; `None`: it is none, or is too large for one.
pub(crate) fn content(file: File) -> Option<Vec<u8>> {
    let stat = file.metadata().ok()?;
    let mut bytes = Vec::new();
    let fits = stat.is_file() && stat.len() <= MAX_FILE;
    (fits && file.take(MAX_FILE).read_to_end(&mut bytes).is_ok()).then_some(bytes)
}

/// Becomes the user: groups, gid, uid, in that order.
pub(crate) fn become_user(user: &User) -> Res<()> {
    if let Some(groups) = &user.groups {
        let list: Vec<Gid> = groups.iter().map(|g| Gid::from_raw(*g)).collect();
        match setgroups(&list) {
            // In a one-id namespace setgroups is denied for ever; there is nothing to drop to.
            Ok(()) | Err(nix::errno::Errno::EPERM) => {}
            Err(e) => return Err(e).at(Step::User, "setgroups"),
        }
    }
    let gid = Gid::from_raw(user.gid);
    setresgid(gid, gid, gid).at(Step::User, format!("gid {}", user.gid))?;
    let uid = Uid::from_raw(user.uid);
    setresuid(uid, uid, uid).at(Step::User, format!("uid {}", user.uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(user: &str) -> Process {
        Process {
            args: vec![],
            env: vec![],
            cwd: "/".into(),
            make_cwd: false,
            user: user.into(),
            groups: Groups::Of(vec![]),
            caps: 0,
            ambient: 0,
            no_new_privs: true,
            seccomp: vec![],
            rlimits: vec![],
            umask: 0o022,
            tty: None,
            stdin: false,
            oom_score_adj: None,
            passed: 0,
            listens: false,
        }
    }
    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ngamer:x:1000:1000::/home/gamer:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nvideo:x:44:gamer,other\ngamer:x:1000:\n";

    #[test]
    fn a_name_brings_home_and_groups() {
        let user = resolve(&process("gamer"), PASSWD, GROUP).unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (1000, 1000, "/home/gamer"));
        assert_eq!(user.groups, Some(vec![1000, 44]));
    }

    #[test]
    fn a_group_counts_once() {
        let more = Groups::Of(vec!["video".into(), "7".into(), "7".into()]);
        let user = resolve(&Process { groups: more, ..process("gamer") }, PASSWD, GROUP).unwrap();
        assert_eq!(user.groups, Some(vec![1000, 44, 7]));
    }

    #[test]
    fn an_account_file_of_another_encoding_is_read() {
        let path = std::env::temp_dir().join(format!("bolt-passwd-{}", std::process::id()));
        std::fs::write(&path, b"j\xf6rg:x:1:1::/:/bin/sh\ngamer:x:1000:1000::/:/bin/sh\n").unwrap();
        let user = resolve(&process("gamer"), &read(path.to_str().unwrap()), GROUP).unwrap();
        assert_eq!(user.uid, 1000);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_unknown_number_is_taken_as_it_is() {
        let user = resolve(&process("4242:44"), PASSWD, GROUP).unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (4242, 44, "/"));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(resolve(&process("nobody"), PASSWD, GROUP).unwrap_err().errno, libc::ENOENT);
        assert_eq!(resolve(&process("gamer:nope"), PASSWD, GROUP).unwrap_err().errno, libc::ENOENT);
    }

    #[test]
    fn cve_2026_30892_a_number_out_of_range_never_becomes_another_user() {
        for user in ["4294967295", "4294967296", "18446744073709551616"] {
            assert_eq!(resolve(&process(user), PASSWD, GROUP).unwrap_err().errno, libc::ERANGE);
        }
        let passwd = "evil:x:4294967295:0::/:\nworse:x:0:4294967295::/:\n";
        let group = "evil:x:4294967295:\n";
        for user in ["evil", "worse", "0:evil"] {
            assert_eq!(resolve(&process(user), passwd, group).unwrap_err().errno, libc::ERANGE);
        }
    }
}
