//! Files with a pid or an id for scripts and service managers: there whole or not at all. Runs in
//! M.

use bolt_shim::launch::Unit;
use bolt_shim::report::{Failure, Step};
use rustix::fs::{CWD, Mode, OFlags};

/// Writes both, where they are asked for; what could not be written.
pub(crate) fn write(unit: &Unit, payload: i32) -> Vec<Failure> {
    let monitor = std::process::id() as i32;
    let wanted = [(&unit.pidfile, payload), (&unit.monitor_pidfile, monitor)];
    let each = wanted.into_iter().filter_map(|(path, pid)| Some((path.as_deref()?, pid)));
    each.filter_map(|(path, pid)| {
        let error = replace(path, &pid.to_string()).err()?;
        let errno = error.raw_os_error();
        Some(Failure { step: Step::State, object: path.to_owned(), errno })
    })
    .collect()
}

/// A pid that is no more must not be taken for somebody else's. What another container has
/// written there since is left to it.
pub(crate) fn remove(unit: &Unit, payload: i32) {
    let monitor = std::process::id() as i32;
    for (path, pid) in [(&unit.pidfile, payload), (&unit.monitor_pidfile, monitor)] {
        let Some(path) = path else { continue };
        remove_own(path, &pid.to_string());
    }
}

/// Removes a file that still says `text`; another container may have written there since.
pub(crate) fn remove_own(path: &str, text: &str) {
    // Whatever somebody has put in its place is neither followed nor waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut bytes = [0; 80];
    let read = rustix::fs::open(path, flags, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut bytes));
    if read.is_ok_and(|length| bytes[..length] == *text.as_bytes()) {
        let _ = std::fs::remove_file(path);
    }
}

fn replace(path: &str, text: &str) -> Result<(), rustix::io::Errno> {
    let temp = format!("{path}.{}.tmp", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(temp.as_str(), flags, Mode::from_raw_mode(0o644))?;
    let done = rustix::io::write(&file, text.as_bytes())
        .and_then(|_| rustix::fs::renameat(CWD, temp.as_str(), CWD, path));
    if done.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_told_and_leaves_nothing() {
        let dir = std::env::temp_dir().join(format!("bolt-pidfile-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("taken")).unwrap();
        let path = |name: &str| Some(dir.join(name).to_str().unwrap().to_owned());
        let unit = Unit { notify: None, pidfile: path("good"), monitor_pidfile: path("taken") };
        let failed = write(&unit, 42);
        assert_eq!(failed.len(), 1);
        assert!(failed[0].object.ends_with("taken"));
        assert_eq!(std::fs::read_to_string(dir.join("good")).unwrap(), "42");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 2);
        remove(&unit, 43);
        assert!(dir.join("good").exists());
        // Somebody has put a link, and a pipe, in their place.
        std::os::unix::fs::symlink("good", dir.join("link")).unwrap();
        remove_own(dir.join("link").to_str().unwrap(), "42");
        let pipe = dir.join("pipe");
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        remove_own(pipe.to_str().unwrap(), "42");
        assert!(dir.join("link").is_symlink() && pipe.exists());
        remove(&unit, 42);
        assert!(!dir.join("good").exists() && dir.join("taken").exists());
        std::fs::remove_dir_all(dir).unwrap();
    }
}
