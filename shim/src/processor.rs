//! Where a process or thread begins to run that was just made.

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// One in so many processors may be busy with something else: a task that is moved behind another's
/// work waits longer than behind its maker's.
const FEW: usize = 8;

/// Moves a task that this one has made, and that has not run yet, to another processor, unless
/// those are busy. `ours`: how many tasks of one start may be running now, these two included.
///
/// The kernel of a virtual machine does not take a processor for idle whose host does something
/// else while it sleeps (`vcpu_is_preempted`, `available_idle_cpu` of kernel/sched/), and leaves the
/// new task where its maker is: there it waits until that one sleeps. Nothing is moved when it
/// lies elsewhere already. Its processors are its maker's again afterwards.
pub fn give_another(task: Pid, ours: usize) {
    let Ok(own) = sched_getaffinity(None) else { return };
    let mut others = own;
    others.unset(sched_getcpu());
    let free = others.count() as usize;
    let busy = running().map(|all| all.saturating_sub(ours) * FEW);
    if free == 0 || busy.is_none_or(|busy| busy > free) {
        return;
    }
    if sched_setaffinity(Some(task), &others).is_err() {
        return;
    }
    // Who wishes for all follows his control group, as its maker does unless that was bound to some.
    // Nothing but a want of a few bytes of the kernel's memory would be in the way of either.
    let _ = sched_setaffinity(Some(task), &all());
    if sched_getaffinity(Some(task)) != Ok(own) {
        let _ = sched_setaffinity(Some(task), &own);
    }
}

/// How many tasks of the machine run or could (proc_loadavg(5), the fourth field).
fn running() -> Option<usize> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = rustix::fs::open(c"/proc/loadavg", flags, Mode::empty()).ok()?;
    let mut line = [0; 64];
    let read = rustix::io::read(file, &mut line).ok()?;
    parse(&line[..read])
}

fn parse(line: &[u8]) -> Option<usize> {
    let field = line.split(|byte| *byte == b' ').nth(3)?;
    let running = field.split(|byte| *byte == b'/').next()?;
    str::from_utf8(running).ok()?.parse().ok()
}

fn all() -> CpuSet {
    let mut all = CpuSet::new();
    (0..CpuSet::MAX_CPU).for_each(|processor| all.set(processor));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// What a child that waits for its input has after it was moved.
    fn moved() -> CpuSet {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        give_another(pid, usize::MAX);
        let set = sched_getaffinity(Some(pid)).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        set
    }

    #[test]
    fn who_runs_is_read() {
        assert!(running().is_some_and(|running| running > 0));
        assert_eq!(parse(b"0.16 0.97 1.36 12/83 3241\n"), Some(12));
        assert_eq!((parse(b""), parse(b"0.16 0.97 1.36 x/83")), (None, None));
    }

    #[test]
    fn a_task_keeps_its_makers_processors() {
        let own = sched_getaffinity(None).unwrap();
        assert_eq!(moved(), own);
        // The choice of a thread is its own: other tests run beside this one.
        let first = (0..CpuSet::MAX_CPU).find(|processor| own.is_set(*processor)).unwrap();
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        assert_eq!(moved(), one);
        sched_setaffinity(None, &own).unwrap();
    }
}
