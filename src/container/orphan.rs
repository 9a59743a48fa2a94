//! Ending a payload whose supervisor was killed: by a pidfd, which cannot hit a recycled pid.

use super::error::{Error, errno, io};
use super::live;
use super::state::Recorded;
use crate::sys::signals;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// The first process of an orphaned container.
#[derive(Debug)]
pub struct Orphan {
    pidfd: OwnedFd,
    pid: i32,
    cgroup: Vec<String>,
}

impl Orphan {
    /// Takes hold of the recorded process; `None` when it is gone.
    pub fn open(recorded: &Recorded) -> Result<Option<Self>, Error> {
        let Some(pid) = Pid::from_raw(recorded.pid).filter(|_| recorded.pid > 1) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::SRCH) => return Ok(None),
            other => other.map_err(errno("open", shown(recorded.pid)))?,
        };
        // Compared after the open: from here on the descriptor means this process only.
        if !live::is_same_process(recorded.pid, recorded.start, recorded.pidns) {
            return Ok(None);
        }
        Ok(Some(Orphan { pidfd, pid: recorded.pid, cgroup: recorded.cgroup.clone() }))
    }

    /// Sends a signal; a process that is gone by now is no error.
    pub fn signal(&self, signo: i32) -> Result<(), Error> {
        match signals::send(&self.pidfd, signo) {
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            other => other.map_err(io("send a signal to", shown(self.pid))),
        }
    }

    /// Waits for its end; false when `limit` has passed before.
    pub fn wait(&self, limit: Duration) -> Result<bool, Error> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let time = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&time)) {
                Err(Errno::INTR) => {}
                Ok(count) => return Ok(count > 0),
                Err(e) => return Err(errno("wait for", shown(self.pid))(e)),
            }
        }
    }

    /// Kills the process, and with its pid namespace and control group all others.
    pub fn kill(&self) -> Result<(), Error> {
        self.signal(libc::SIGKILL)?;
        for dir in &self.cgroup {
            let kill = Path::new(dir).join("cgroup.kill");
            // Only cgroup2 has it (cgroups(7)); the process itself is dead either way.
            if dir.starts_with("/sys/fs/cgroup/") && kill.exists() {
                let _ = std::fs::write(kill, "1");
            }
        }
        if self.wait(Duration::from_secs(10))? {
            return Ok(());
        }
        Err(io("kill", shown(self.pid))(std::io::ErrorKind::TimedOut.into()))
    }

    /// The container's stop signal, then SIGKILL.
    pub fn stop(&self, signo: i32, limit: Duration) -> Result<(), Error> {
        if !limit.is_zero() {
            self.signal(signo)?;
            if self.wait(limit)? {
                return Ok(());
            }
        }
        self.kill()
    }
}

fn shown(pid: i32) -> String {
    format!("process {pid}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn sleeper(script: &str) -> (Child, Recorded) {
        let mut child =
            Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let pid = child.id() as i32;
        let start = live::start_time(pid).unwrap();
        (child, Recorded { pid, start, ..Recorded::default() })
    }

    #[test]
    fn an_orphan_is_stopped_or_killed() {
        let (mut child, recorded) = sleeper("echo; exec sleep 1000");
        let orphan = Orphan::open(&recorded).unwrap().unwrap();
        orphan.stop(libc::SIGTERM, Duration::from_secs(5)).unwrap();
        assert!(Orphan::open(&recorded).unwrap().is_none(), "dead, though not reaped");
        child.wait().unwrap();
        let (mut child, recorded) = sleeper("trap '' TERM; echo; exec sleep 1000");
        let orphan = Orphan::open(&recorded).unwrap().unwrap();
        orphan.stop(libc::SIGTERM, Duration::from_millis(50)).unwrap();
        child.wait().unwrap();
        orphan.signal(libc::SIGTERM).unwrap();
    }

    #[test]
    fn a_recycled_pid_is_left_alone() {
        let (mut child, recorded) = sleeper("echo; exec sleep 1000");
        let other = Recorded { start: recorded.start + 1, ..recorded };
        assert!(Orphan::open(&other).unwrap().is_none());
        assert!(Orphan::open(&Recorded::default()).unwrap().is_none());
        assert!(Orphan::open(&Recorded { pid: 1, ..Recorded::default() }).unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
