//! Which process works on a container, where no record says so yet: who has its lock's file open.

use super::dir::{ContainerDir, LOCK};
use super::live;
use rustix::fs::{AtFlags, Stat, stat, statat};

/// Name of the supervisor's program, which waits for the one that started it.
const SUPERVISOR: &str = "bolt-shim";

/// A process that keeps others from a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: i32,
    /// A signal has stopped it: it does not go on by itself.
    pub stopped: bool,
}

/// Who holds the lock of `dir`; of a supervisor and the `bolt` that waits for its start the latter.
/// `None`: nobody that this process may look at. Reads the descriptors of all processes.
pub fn of(dir: &ContainerDir) -> Option<Holder> {
    let lock = statat(dir.fd(), LOCK, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let mut supervisor = None;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        if !has_open(pid, &lock) {
            continue;
        }
        if name_of(pid).as_deref() != Some(SUPERVISOR) {
            return Some(seen(pid));
        }
        supervisor = Some(pid);
    }
    let supervisor = supervisor?;
    let starter = parent(supervisor).filter(|pid| name_of(*pid).as_deref() == Some("bolt"));
    Some(seen(starter.unwrap_or(supervisor)))
}

fn seen(pid: i32) -> Holder {
    Holder { pid, stopped: live::is_stopped(pid) }
}

fn has_open(pid: i32, lock: &Stat) -> bool {
    let Ok(open) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut open = open.flatten();
    open.any(|fd| stat(fd.path()).is_ok_and(|s| (s.st_dev, s.st_ino) == (lock.st_dev, lock.st_ino)))
}

fn name_of(pid: i32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

fn parent(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::testing::containers;
    use super::*;
    use std::process::Command;

    #[test]
    fn who_has_the_lock_open_is_found_and_seen_to_be_stopped() {
        let (_scratch, all) = containers();
        let mut dir = all.create(None, Some("c")).unwrap();
        let us = std::process::id() as i32;
        assert_eq!(of(&dir), Some(Holder { pid: us, stopped: false }));
        let file = std::fs::File::open(dir.path().join(LOCK)).unwrap();
        dir.unlock();
        let mut child =
            Command::new("sh").args(["-c", "kill -STOP $$"]).stdin(file).spawn().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let pid = child.id() as i32;
        while of(&dir) != Some(Holder { pid, stopped: true }) {
            assert!(std::time::Instant::now() < end, "{:?}", of(&dir));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
