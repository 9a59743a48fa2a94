//! Where a process or thread begins to run that was just made.

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// One in so many processors may be busy with something else: a task that is moved behind another's
/// work waits longer than behind its maker's.
const FEW: usize = 8;

/// Before this kernel a wish for all processors is one for those that are online today, and nothing is
/// moved.
const WISHES: (u32, u32) = (6, 2);

/// Whether the kernel keeps what a task wishes for apart from what its control group leaves of it.
pub fn wishes_are_kept() -> bool {
    let name = rustix::system::uname();
    name.release().to_str().ok().and_then(release).is_some_and(|kernel| kernel >= WISHES)
}

/// Major and minor of `uname -r`.
fn release(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Moves a task that this one has just made to any other processor it may use, unless those are
/// busy. `ours`: how many tasks of one start may be running now, these two included. `afterwards`:
/// what the task may use from then on; it and those it makes stay bound to that (`user_cpus_ptr`
/// of kernel/sched/), which only who ends soon may be, unless it is everything.
///
/// The kernel of a virtual machine may not take a processor for idle whose host does something
/// else while it sleeps (`vcpu_is_preempted`, `available_idle_cpu` of kernel/sched/), and leave the
/// new task where its maker is: there it waits until that one sleeps. Nothing is moved when it
/// lies elsewhere already.
pub fn give_another(task: Pid, ours: usize, afterwards: &CpuSet) {
    if !wishes_are_kept() {
        return;
    }
    let foreign = running().map(|all| all.saturating_sub(ours));
    let Ok(own) = sched_getaffinity(None) else { return };
    // Last of all: whoever asks may be moved himself meanwhile.
    let others = but(own, sched_getcpu());
    let free = others.count() as usize;
    if free == 0 || foreign.is_none_or(|foreign| foreign * FEW > free) {
        return;
    }
    if sched_setaffinity(Some(task), &others).is_ok() {
        // It was allowed a moment before; what has ended meanwhile needs it no more.
        let _ = sched_setaffinity(Some(task), afterwards);
    }
}

fn but(mut set: CpuSet, processor: usize) -> CpuSet {
    set.unset(processor);
    set
}

/// How many tasks of the machine run or could (proc_loadavg(5), the fourth field), whichever
/// processors they may use. In a container of others' it may be a count of that alone.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn who_runs_is_read() {
        assert!(running().is_some_and(|running| running > 0));
        assert_eq!(parse(b"0.16 0.97 1.36 12/83 3241\n"), Some(12));
        assert_eq!((parse(b""), parse(b"0.16 0.97 1.36 x/83")), (None, None));
    }

    #[test]
    fn releases_are_read() {
        assert_eq!(release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(release("6.18-rc3"), Some((6, 18)));
        assert_eq!((release("6"), release("")), (None, None));
    }

    #[test]
    fn a_task_has_what_it_is_to_have_afterwards() {
        let own = sched_getaffinity(None).unwrap();
        if own.count() < 2 || !wishes_are_kept() {
            return;
        }
        let one = |from: &CpuSet| {
            let mut one = CpuSet::new();
            one.set((0..CpuSet::MAX_CPU).find(|processor| from.is_set(*processor)).unwrap());
            one
        };
        let first = one(&own);
        for (ours, wanted) in [(usize::MAX, &first), (usize::MAX, &own), (0, &own)] {
            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            let pid = Pid::from_child(&child);
            give_another(pid, ours, wanted);
            assert_eq!(sched_getaffinity(Some(pid)).as_ref(), Ok(wanted));
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}
