//! Settings of the process itself. It passes them on to all that it starts, and they end with it.

use super::Refusal;
use crate::cgroup::parse_cpu_list;
use crate::sys::{ioprio, rlimit};
use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// `RLIMIT_NICE` (getrlimit(2)): 20 less its value is the least niceness.
const RLIMIT_NICE: u32 = 13;
/// `IOPRIO_CLASS_SHIFT` (ioprio_set(2))
const CLASS_SHIFT: u16 = 13;

/// The processors of a list.
pub(super) fn processors(list: &str) -> Result<Vec<u32>, Refusal> {
    let wanted = parse_cpu_list(list.trim()).ok().filter(|wanted| !wanted.is_empty());
    wanted.ok_or_else(|| {
        Refusal::Denied(format!("{list:?} is no list of processors; write one such as 0-3,8"))
    })
}

/// `--affinity LIST`: the processors of this process.
pub(super) fn affinity(list: &str) -> Result<(), Refusal> {
    let wanted = processors(list)?;
    let failed = |error: rustix::io::Errno| Refusal::Denied(format!("sched_setaffinity: {error}"));
    let before = sched_getaffinity(None).map_err(failed)?;
    let mut set = CpuSet::new();
    for cpu in &wanted {
        match usize::try_from(*cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
            Some(cpu) => set.set(cpu),
            None => return Err(Refusal::Denied(format!("there is no processor {cpu}"))),
        }
    }
    match sched_setaffinity(None, &set) {
        // None of them may be used.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(error) => return Err(failed(error)),
    }
    // The kernel drops what may not be used without a word.
    let now = sched_getaffinity(None).map_err(failed)?;
    let missing = wanted.iter().find(|cpu| !now.is_set(**cpu as usize));
    let Some(missing) = missing else { return Ok(()) };
    sched_setaffinity(None, &before).map_err(failed)?;
    Err(Refusal::Denied(format!(
        "processor {missing} is not here, or may not be used by this user"
    )))
}

/// The number of a niceness.
pub(super) fn niceness(text: &str) -> Result<i32, Refusal> {
    let wanted = text.trim().parse::<i32>().ok().filter(|n| (-20..=19).contains(n));
    wanted.ok_or_else(|| {
        Refusal::Denied(format!("{text:?} is no niceness; write a number from -20 to 19"))
    })
}

/// `--nice N`: the niceness of this process.
pub(super) fn nice(text: &str) -> Result<(), Refusal> {
    let wanted = niceness(text)?;
    setpriority_process(None, wanted).map_err(|error| {
        let least = 20 - i64::try_from(rlimit::get(RLIMIT_NICE).0.min(40)).unwrap_or(0);
        Refusal::Denied(format!(
            "setpriority: {error}; this user may go down to {}, from where it stands only up; as \
             root write `USER - nice {wanted}` to /etc/security/limits.d/games.conf, then log in \
             again",
            least.min(19)
        ))
    })?;
    match getpriority_process(None) {
        Ok(found) if found == wanted => Ok(()),
        Ok(found) => Err(Refusal::Denied(format!("the kernel has {found} instead"))),
        Err(error) => Err(Refusal::Denied(format!("getpriority: {error}"))),
    }
}

/// `--ionice CLASS[:LEVEL]`: the I/O class of this process.
pub(super) fn ionice(text: &str) -> Result<(), Refusal> {
    let wanted = io_class(text)?;
    ioprio::set(wanted).map_err(|error| {
        let fix = match wanted >> CLASS_SHIFT {
            1 => "; the realtime class needs CAP_SYS_NICE: take best-effort:0",
            _ => "",
        };
        Refusal::Denied(format!("ioprio_set: {error}{fix}"))
    })?;
    match ioprio::get() {
        Ok(found) if found == wanted => Ok(()),
        Ok(found) => Err(Refusal::Denied(format!("the kernel has {found:#x} instead"))),
        Err(error) => Err(Refusal::Denied(format!("ioprio_get: {error}"))),
    }
}

/// The number of an I/O class and its level.
pub(super) fn io_class(text: &str) -> Result<u16, Refusal> {
    parse_class(text.trim()).ok_or_else(|| {
        Refusal::Denied(format!(
            "{text:?} is no I/O class; write idle, best-effort:N or realtime:N with N from 0 to 7"
        ))
    })
}

/// Names and numbers as ionice(1) has them.
fn parse_class(text: &str) -> Option<u16> {
    let (class, level) = match text.split_once(':') {
        Some((class, level)) => (class, level.parse::<u16>().ok().filter(|level| *level <= 7)?),
        None => (text, 4),
    };
    match class {
        "realtime" | "rt" | "1" => Some((1 << CLASS_SHIFT) | level),
        "best-effort" | "be" | "2" => Some((2 << CLASS_SHIFT) | level),
        "idle" | "3" if !text.contains(':') => Some(3 << CLASS_SHIFT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_ionice() {
        assert_eq!(parse_class("idle"), Some(0x6000));
        assert_eq!(parse_class("best-effort:0"), Some(0x4000));
        assert_eq!(parse_class("be"), Some(0x4004));
        assert_eq!(parse_class("rt:7"), Some(0x2007));
        for bad in ["", "idle:1", "be:8", "be:x", "be:-1", "fast", "4"] {
            assert_eq!(parse_class(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_that_are_none_are_denied_and_change_nothing() {
        let before = (sched_getaffinity(None).unwrap(), getpriority_process(None).unwrap());
        for bad in ["", "x", "3-1", "0-", "9999999", "0,1023"] {
            assert!(matches!(affinity(bad), Err(Refusal::Denied(_))), "{bad}");
        }
        for bad in ["", "x", "20", "-21", "1.5"] {
            assert!(matches!(nice(bad), Err(Refusal::Denied(_))), "{bad}");
        }
        assert!(ionice("fast").is_err());
        let after = (sched_getaffinity(None).unwrap(), getpriority_process(None).unwrap());
        assert!(before == after);
    }

    #[test]
    fn settings_of_a_thread_of_its_own_hold() {
        std::thread::spawn(|| {
            let mine = sched_getaffinity(None).unwrap();
            let cpu = (0..CpuSet::MAX_CPU).find(|cpu| mine.is_set(*cpu)).unwrap();
            affinity(&cpu.to_string()).unwrap();
            assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
            ionice("best-effort:6").unwrap();
        })
        .join()
        .unwrap();
    }
}
