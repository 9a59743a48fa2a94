//! Ending a payload whose supervisor was killed or does not answer: by a pidfd, which cannot hit a recycled pid.

use super::error::{Error, errno, io};
use super::freezer::Freezer;
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
        let Recorded { pid, start, pidns, ref cgroup, .. } = *recorded;
        let pidfd = hold(pid, start, pidns)?;
        Ok(pidfd.map(|pidfd| Orphan { pidfd, pid, cgroup: cgroup.clone() }))
    }

    /// Takes hold of the recorded supervisor; `None` when it is gone.
    pub fn supervisor(recorded: &Recorded) -> Result<Option<Self>, Error> {
        let pid = recorded.monitor;
        let pidfd = hold(pid, recorded.monitor_start, 0)?;
        Ok(pidfd.map(|pidfd| Orphan { pidfd, pid, cgroup: Vec::new() }))
    }

    /// Lets a stopped process (signal(7), SIGSTOP) go on.
    pub fn wake(&self) -> Result<(), Error> {
        if live::is_stopped(self.pid) { self.signal(libc::SIGCONT) } else { Ok(()) }
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

    /// Lets frozen processes go on: they hear no signal, and where cgroups are of version 1 not
    /// even the last one.
    fn thaw(&self) {
        let recorded = Recorded { cgroup: self.cgroup.clone(), ..Recorded::default() };
        if let Some(freezer) = Freezer::of(&recorded)
            && freezer.is_frozen()
        {
            let _ = freezer.thaw();
        }
    }

    /// Kills the process, and with its pid namespace and control group all others.
    pub fn kill(&self) -> Result<(), Error> {
        self.signal(libc::SIGKILL)?;
        self.thaw();
        for dir in &self.cgroup {
            let kill = Path::new(dir).join("cgroup.kill");
            // Only cgroup2 has it (cgroups(7)); the process itself is dead either way.
            if dir.starts_with("/sys/fs/cgroup/") && kill.exists() {
                let _ = std::fs::write(kill, "1");
            }
        }
        if self.wait(Duration::from_secs(10))? {
            self.remove_groups();
            return Ok(());
        }
        Err(io("kill", shown(self.pid))(std::io::ErrorKind::TimedOut.into()))
    }

    /// Its supervisor would have removed them; and into one that was killed, newer kernels let
    /// nobody be born any more, while the next start takes what is there.
    fn remove_groups(&self) {
        for dir in self.cgroup.iter().filter(|dir| dir.starts_with("/sys/fs/cgroup/")) {
            // A process that was just killed counts until the kernel is done with it.
            for _ in 0..50 {
                match std::fs::remove_dir(dir) {
                    Err(e) if e.kind() == std::io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    _ => break,
                }
            }
        }
    }

    /// Sends the container's stop signal; [`Self::end`] is to follow.
    pub fn ask(&self, signo: i32) -> Result<(), Error> {
        self.thaw();
        self.signal(signo)
    }

    /// Waits so long for the end, then SIGKILL.
    pub fn end(&self, limit: Duration) -> Result<(), Error> {
        if !limit.is_zero() && self.wait(limit)? {
            return Ok(());
        }
        self.kill()
    }
}

/// A descriptor of the very process that began then; `None` when it is gone.
fn hold(pid: i32, start: u64, pidns: u64) -> Result<Option<OwnedFd>, Error> {
    let Some(raw) = Pid::from_raw(pid).filter(|_| pid > 1) else { return Ok(None) };
    let pidfd = match pidfd_open(raw, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(None),
        other => other.map_err(errno("open", shown(pid)))?,
    };
    // Compared after the open: from here on the descriptor means this process only.
    Ok(live::is_same_process(pid, start, pidns).then_some(pidfd))
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
        orphan.ask(libc::SIGTERM).unwrap();
        orphan.end(Duration::from_secs(5)).unwrap();
        assert!(Orphan::open(&recorded).unwrap().is_none(), "dead, though not reaped");
        child.wait().unwrap();
        let (mut child, recorded) = sleeper("trap '' TERM; echo; exec sleep 1000");
        let orphan = Orphan::open(&recorded).unwrap().unwrap();
        orphan.ask(libc::SIGTERM).unwrap();
        orphan.end(Duration::from_millis(50)).unwrap();
        child.wait().unwrap();
        orphan.signal(libc::SIGTERM).unwrap();
    }

    #[test]
    fn a_stopped_supervisor_goes_on() {
        let (mut child, recorded) = sleeper("echo; exec sleep 1000");
        let recorded = Recorded {
            monitor: recorded.pid,
            monitor_start: recorded.start,
            ..Recorded::default()
        };
        let held = Orphan::supervisor(&recorded).unwrap().unwrap();
        held.signal(libc::SIGSTOP).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while !live::is_stopped(recorded.monitor) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(live::is_stopped(recorded.monitor));
        held.wake().unwrap();
        while live::is_stopped(recorded.monitor) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!live::is_stopped(recorded.monitor));
        child.kill().unwrap();
        child.wait().unwrap();
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
