//! A supervisor begins to run beside its starter, not after it.

use super::Starting;
use bolt_shim::processor;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Who may run now: this process and its child.
const AT_ONCE: usize = 2;

impl Starting {
    /// Has it run on another processor than this thread's, unless that would bind it, and the
    /// payload with it, to anything.
    pub fn go_elsewhere(&self) {
        if let Some(child) = Pid::from_raw(self.pid)
            && let Some(all) = all()
        {
            processor::give_another(child, AT_ONCE, &all);
        }
    }
}

/// Every processor, where this thread may use what its control group has, as if it had no wish of
/// its own: taskset(1) and `isolcpus=` leave less. It is asked of this thread, which ends soon, and
/// has what it had before.
fn all() -> Option<CpuSet> {
    let own = sched_getaffinity(None).ok().filter(|own| own.count() > 1)?;
    if !processor::wishes_are_kept() {
        return None;
    }
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
    sched_setaffinity(None, &all).ok()?;
    if sched_getaffinity(None) == Ok(own) {
        return Some(all);
    }
    let _ = sched_setaffinity(None, &own);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn::spawn;
    use std::os::fd::AsFd;
    use std::path::Path;

    #[test]
    fn who_is_bound_leaves_his_child_alone() {
        let own = sched_getaffinity(None).unwrap();
        if own.count() < 2 {
            return;
        }
        let mut fewer = own;
        fewer.unset((0..CpuSet::MAX_CPU).find(|processor| own.is_set(*processor)).unwrap());
        for set in [own, fewer] {
            // The choice of a thread is its own: other tests run beside this one.
            sched_setaffinity(None, &set).unwrap();
            assert!(set == own || all().is_none());
            assert_eq!(sched_getaffinity(None), Ok(set));
            let (read, write) = std::io::pipe().unwrap();
            let pid = spawn(Path::new("/bin/cat"), &["cat", "/dev/fd/3"], &[(read.as_fd(), 3)]);
            let child = Starting::executed(pid.unwrap());
            child.go_elsewhere();
            assert_eq!(sched_getaffinity(Pid::from_raw(child.pid)), Ok(set));
            drop((read, write));
            child.wait().unwrap();
        }
        sched_setaffinity(None, &own).unwrap();
    }
}
