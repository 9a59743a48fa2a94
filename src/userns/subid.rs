//! Subordinate ids: /etc/subuid and /etc/subgid (subuid(5)), newuidmap(1) and newgidmap(1).

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The ranges one user may map, as (first id, count).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubIds {
    /// Of /etc/subuid.
    pub uids: Vec<(u32, u32)>,
    /// Of /etc/subgid.
    pub gids: Vec<(u32, u32)>,
}

impl SubIds {
    /// How many uids and gids there are.
    pub fn counts(&self) -> (u32, u32) {
        let sum =
            |all: &[(u32, u32)]| all.iter().fold(0u32, |n, (_, more)| n.saturating_add(*more));
        (sum(&self.uids), sum(&self.gids))
    }
}

/// The ranges of a user, by name or by number; `None` when either file has none. The files are
/// read once: a start asks for its user's ranges several times.
pub fn lookup(user: &str, uid: u32) -> Option<SubIds> {
    static LAST: Mutex<Option<(String, u32, Option<SubIds>)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((name, number, found)) if name == user && *number == uid => found.clone(),
        _ => last.insert((user.to_owned(), uid, read(user, uid))).2.clone(),
    }
}

fn read(user: &str, uid: u32) -> Option<SubIds> {
    let uids = ranges(&std::fs::read_to_string("/etc/subuid").ok()?, user, uid);
    let gids = ranges(&std::fs::read_to_string("/etc/subgid").ok()?, user, uid);
    (!uids.is_empty() && !gids.is_empty()).then_some(SubIds { uids, gids })
}

fn ranges(text: &str, user: &str, uid: u32) -> Vec<(u32, u32)> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let who = fields.next()?;
            if who != user && who.parse::<u32>() != Ok(uid) {
                return None;
            }
            let start = fields.next()?.parse().ok()?;
            let count: u32 = fields.next()?.parse().ok()?;
            (count > 0).then_some((start, count))
        })
        .collect()
}

/// The two setuid programs that write the maps of a process, at once.
#[derive(Debug)]
pub struct Writers {
    uids: io::Result<Child>,
    gids: io::Result<Child>,
}

impl Writers {
    /// Starts both for `pid`, a child of the caller's that has just unshared: 0 is the user, 1…
    /// are the subordinate ids.
    pub fn start(pid: u32, uid: u32, gid: u32, ids: &SubIds) -> Self {
        let uids = start("newuidmap", pid, uid, &ids.uids);
        let gids = start("newgidmap", pid, gid, &ids.gids);
        Writers { uids, gids }
    }

    /// Waits for both.
    pub fn finish(self) -> io::Result<()> {
        let one = self.uids.and_then(|child| finish("newuidmap", child));
        let two = self.gids.and_then(|child| finish("newgidmap", child));
        one.and(two)
    }
}

fn start(program: &str, pid: u32, id: u32, ranges: &[(u32, u32)]) -> io::Result<Child> {
    let mut args = vec![pid.to_string(), "0".into(), id.to_string(), "1".into()];
    let mut inside = 1u32;
    for &(outside, count) in ranges {
        args.extend([inside.to_string(), outside.to_string(), count.to_string()]);
        inside = inside.saturating_add(count);
    }
    Command::new(find(program))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| {
            io::Error::new(e.kind(), format!("{program}: {e}; install the package 'uidmap'"))
        })
}

fn finish(program: &str, child: Child) -> io::Result<()> {
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program}: {}", said.trim())))
}

/// Absolute paths first: PATH of a game launcher may hold anything.
fn find(program: &str) -> PathBuf {
    ["/usr/bin", "/usr/local/bin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "root:1:2\ngamer:100000:65536\n1000:300000:10\n# nobody\nbad:x:y\n";
        assert_eq!(ranges(text, "gamer", 1000), [(100000, 65536), (300000, 10)]);
        assert_eq!(ranges(text, "other", 7), []);
    }
}
