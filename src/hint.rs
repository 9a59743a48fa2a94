//! Errors → one sentence of advice, with the command to run. `bolt doctor` asks the same table.
//!
//! [`facts`] reads what the host is like; [`checks`] judges it. A failed start is explained by
//! the first check that bears on its stage and is not content; an errno that stands for itself
//! (a full disk) by the short table here.

pub mod checks;
pub mod facts;

use checks::{Check, Status};
use facts::Facts;
use rustix::io::Errno;
use std::fmt;

/// Advice, put beside an error as anyhow context: `error.context(Hint::new("what", "advice"))`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    what: String,
    advice: String,
}

impl Hint {
    /// `what`: the phrase that stands in the chain of the error; `advice`: what to do.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Hint {
        Hint { what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// The part of a start in which something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Making or entering the user namespace.
    UserNamespace,
    /// Writing its id maps.
    IdMaps,
    /// Mounting the root file system.
    Root,
    /// Control groups.
    Cgroup,
    /// The network, tun device or uplink.
    Network,
    /// Anything else.
    Other,
}

/// Advice for an error: its own [`Hint`], else what its errno says by itself.
pub fn of(error: &anyhow::Error) -> Option<String> {
    if let Some(hint) = error.downcast_ref::<Hint>() {
        return Some(hint.advice.clone());
    }
    let errno = error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>()?;
        io.raw_os_error()
    })?;
    of_errno(errno).map(str::to_owned)
}

/// Advice for a start that was refused at `stage` with `errno`, on a host with these `facts`.
pub fn of_failure(stage: Stage, errno: i32, facts: &Facts) -> Option<String> {
    let concerned = checks::names_for(stage);
    let all = checks::all(facts);
    let guilty =
        |wanted: Status| all.iter().find(|c| concerned.contains(&c.name) && c.status == wanted);
    match guilty(Status::Fail).or_else(|| guilty(Status::Warn)) {
        Some(check) => Some(sentence(check)),
        None => of_errno(errno).map(str::to_owned),
    }
}

fn sentence(check: &Check) -> String {
    match &check.fix {
        Some(fix) => format!("{}; {}: {fix}", check.seen, check.means),
        None => format!("{}; {}", check.seen, check.means),
    }
}

/// What to do about an errno wherever it comes from; 0 is none.
pub fn of_errno(errno: i32) -> Option<&'static str> {
    if errno <= 0 {
        return None;
    }
    Some(match Errno::from_raw_os_error(errno) {
        Errno::NOSPC => "the disk is full, or out of inodes; see which: df -h; df -i",
        Errno::FBIG => "a file would be larger than your limit; raise it: ulimit -f unlimited",
        Errno::DQUOT => "your disk quota is used up; see it: quota -s",
        Errno::ROFS => "the file system is mounted read-only; see why: dmesg | tail",
        Errno::MFILE => "too many open files for one program; raise the limit: ulimit -n 65536",
        Errno::NFILE => "too many open files on this host; see: sysctl fs.file-nr fs.file-max",
        Errno::USERS => "too many user namespaces; see: sysctl user.max_user_namespaces",
        Errno::NOSYS => "the kernel is too old or a sandbox hides the call; see: bolt doctor",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn advice_comes_from_the_error_or_its_errno() {
        let own = anyhow::anyhow!("gone").context(Hint::new("open it", "make it")).context("run");
        assert_eq!(of(&own).as_deref(), Some("make it"));
        assert_eq!(format!("{own:#}"), "run: open it: gone");
        let full = Err::<(), _>(std::io::Error::from(Errno::NOSPC)).context("write").unwrap_err();
        assert!(of(&full).is_some_and(|hint| hint.contains("df -h")));
        assert_eq!(of(&anyhow::anyhow!("other")), None);
        assert_eq!(of_errno(0), None);
    }
}
