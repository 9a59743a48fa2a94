//! Subordinate ids: /etc/subuid and /etc/subgid (subuid(5)), newuidmap(1) and newgidmap(1).

use crate::sys::small;
use crate::sys::spawn::{self, Starting};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
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

/// A user has none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no subordinate ids for {user} in {files}")]
pub struct NoSubIds {
    user: String,
    /// Which of the two.
    files: &'static str,
}

/// The ranges of a user, by name or by number. The files are read once: a start asks for its user's
/// ranges several times.
pub fn lookup(user: &str, uid: u32) -> Result<SubIds, NoSubIds> {
    type Last = Option<(String, u32, Result<SubIds, NoSubIds>)>;
    static LAST: Mutex<Last> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((name, number, found)) if name == user && *number == uid => found.clone(),
        _ => last.insert((user.to_owned(), uid, read(user, uid))).2.clone(),
    }
}

fn read(user: &str, uid: u32) -> Result<SubIds, NoSubIds> {
    let uids = in_file("/etc/subuid", user, uid);
    let gids = in_file("/etc/subgid", user, uid);
    let files = match (uids.is_empty(), gids.is_empty()) {
        (false, false) => return Ok(SubIds { uids, gids }),
        (true, false) => "/etc/subuid",
        (false, true) => "/etc/subgid",
        (true, true) => "/etc/subuid and /etc/subgid",
    };
    Err(NoSubIds { user: user.to_owned(), files })
}

fn in_file(file: &str, user: &str, uid: u32) -> Vec<(u32, u32)> {
    // One line of another encoding must not hide the others.
    let bytes = small::read(file).unwrap_or_default();
    ranges(&String::from_utf8_lossy(&bytes), user, uid)
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
    uids: io::Result<Writer>,
    gids: io::Result<Writer>,
}

/// One of them, and what it says.
#[derive(Debug)]
struct Writer {
    name: &'static str,
    process: Starting,
    said: PipeReader,
}

impl Writers {
    /// Starts both for `pid`, a child of the caller's in a new user namespace: 0 is the user, 1…
    /// are the subordinate ids.
    pub fn start(pid: u32, uid: u32, gid: u32, ids: &SubIds) -> Self {
        let uids = Writer::start("newuidmap", pid, uid, &ids.uids);
        let gids = Writer::start("newgidmap", pid, gid, &ids.gids);
        Writers { uids, gids }
    }

    /// Waits for both.
    pub fn finish(self) -> io::Result<()> {
        let one = self.uids.and_then(Writer::finish);
        let two = self.gids.and_then(Writer::finish);
        one.and(two)
    }
}

impl Writer {
    fn start(name: &'static str, pid: u32, id: u32, ranges: &[(u32, u32)]) -> io::Result<Self> {
        let mut args =
            vec![name.to_owned(), pid.to_string(), "0".into(), id.to_string(), "1".into()];
        let mut inside = 1u32;
        for &(outside, count) in ranges {
            args.extend([inside.to_string(), outside.to_string(), count.to_string()]);
            inside = inside.saturating_add(count);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let (said, errors) = io::pipe()?;
        let process = find(name)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .and_then(|program| spawn::begin(&program, &args, &[(errors.as_fd(), 2)]))
            .map_err(|e| absent(name, &e))?;
        Ok(Writer { name, process, said })
    }

    fn finish(mut self) -> io::Result<()> {
        let mut said = Vec::new();
        let read = self.said.read_to_end(&mut said);
        let ended = self.process.wait()?;
        if let Some(why) = self.process.failure() {
            return Err(absent(self.name, &why));
        }
        read?;
        match ended {
            Some(0) => Ok(()),
            _ => {
                let said = String::from_utf8_lossy(&said);
                Err(io::Error::other(format!("{}: {}", self.name, said.trim())))
            }
        }
    }
}

/// Whether the programs that write the maps are there.
pub fn has_writers() -> bool {
    ["newuidmap", "newgidmap"].iter().all(|name| find(name).is_some())
}

fn absent(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}; install the package 'uidmap'"))
}

/// Fixed places first: PATH of a game launcher may hold anything.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    ["/usr/bin", "/usr/local/bin", "/bin"]
        .into_iter()
        .map(PathBuf::from)
        .chain(std::env::split_paths(&path).filter(|dir| dir.is_absolute()))
        .map(|dir| dir.join(program))
        .find(|path| path.exists())
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
