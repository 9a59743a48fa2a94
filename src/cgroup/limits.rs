//! What the user asked for, checked, and the numbers the kernel wants for it (cgroup-v2.rst,
//! cgroup-v1/*.rst). Everything here is pure.

use thiserror::Error;

/// The period of `cpu.max` and `cpu.cfs_period_us`, in µs: the kernel's default.
pub const CPU_PERIOD_US: u64 = 100_000;
/// The smallest quota the kernel takes, in µs (kernel/sched/core.c: `min_cfs_quota_period`).
const CPU_MIN_QUOTA_US: u64 = 1_000;
/// The largest, in µs (kernel/sched/core.c: `max_bw_runtime_us`).
const CPU_MAX_QUOTA_US: i64 = (1 << 44) - 1;
/// The periods that it takes, in µs (kernel/sched/core.c: `min_cfs_quota_period` and its like).
const CPU_PERIODS_US: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// NR_CPUS is at most 8192 on any distribution; the kernel's own range of quotas ends far above.
const CPUS_MOST: f64 = 65_536.0;

/// Limits of one container, with podman-run(1)'s meaning.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// `--memory`, bytes; 0 means no limit.
    pub memory: Option<u64>,
    /// `--memory-reservation`, bytes; 0 means none.
    pub memory_reservation: Option<u64>,
    /// `--memory-swap`, bytes of memory **and** swap together; -1 is unlimited, 0 is not given.
    pub memory_swap: Option<i64>,
    /// `--cpus`, processors' worth of time; 0 means no limit.
    pub cpus: Option<f64>,
    /// `--cpu-period`, µs; 0 is not given.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota`, µs of processor time in each period; 0 and less is unlimited.
    pub cpu_quota: Option<i64>,
    /// `--cpu-shares`, the v1 scale 2 to 262144 (1024 is the kernel's default); 0 is not given.
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`, a list such as `0-3,5`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`, a list of memory nodes.
    pub cpuset_mems: Option<String>,
    /// `--pids-limit`, processes and threads; 0 and -1 are unlimited.
    pub pids: Option<i64>,
    /// Nobody typed `pids`: it is written where that costs a directory at most, and its absence
    /// is not told.
    pub pids_implied: bool,
}

/// A limit that makes no sense; nothing was changed.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("--{flag} {value}: {reason}; {fix}")]
pub struct LimitError {
    /// The flag without dashes.
    pub flag: &'static str,
    /// What was given.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to type instead.
    pub fix: String,
}

/// One limit, as the plan counts them: the controller it needs and the flag that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// `--memory`
    Memory,
    /// `--memory-reservation`
    MemoryReservation,
    /// `--memory-swap`
    MemorySwap,
    /// `--cpus`
    Cpus,
    /// `--cpu-period`
    CpuPeriod,
    /// `--cpu-quota`
    CpuQuota,
    /// `--cpu-shares`
    CpuShares,
    /// `--cpuset-cpus`
    CpusetCpus,
    /// `--cpuset-mems`
    CpusetMems,
    /// `--pids-limit`
    Pids,
}

impl Setting {
    /// The flag as typed.
    pub fn flag(self) -> &'static str {
        match self {
            Setting::Memory => "--memory",
            Setting::MemoryReservation => "--memory-reservation",
            Setting::MemorySwap => "--memory-swap",
            Setting::Cpus => "--cpus",
            Setting::CpuPeriod => "--cpu-period",
            Setting::CpuQuota => "--cpu-quota",
            Setting::CpuShares => "--cpu-shares",
            Setting::CpusetCpus => "--cpuset-cpus",
            Setting::CpusetMems => "--cpuset-mems",
            Setting::Pids => "--pids-limit",
        }
    }

    /// The kernel's controller that does it.
    pub fn controller(self) -> &'static str {
        match self {
            Setting::Memory | Setting::MemorySwap | Setting::MemoryReservation => "memory",
            Setting::Cpus | Setting::CpuPeriod | Setting::CpuQuota | Setting::CpuShares => "cpu",
            Setting::CpusetCpus | Setting::CpusetMems => "cpuset",
            Setting::Pids => "pids",
        }
    }
}

impl Limits {
    /// Checks every value against itself and the others; host facts are the plan's matter.
    pub fn validate(&self) -> Result<(), LimitError> {
        self.validate_swap()?;
        self.validate_reservation()?;
        if let Some(cpus) = self.cpus {
            let bad = |reason: &str| {
                Err(error("cpus", cpus, reason, "give a number of processors such as 0.5 or 2"))
            };
            if !cpus.is_finite() || cpus < 0.0 {
                return bad("not a number of processors");
            }
            if cpus > CPUS_MOST {
                return bad("more processors than Linux knows");
            }
            if cpus > 0.0 && cpu_quota_us(cpus) < CPU_MIN_QUOTA_US {
                return bad("the kernel cannot give less than 0.01 of a processor");
            }
        }
        self.validate_cpu_parts()?;
        if let Some(shares) = self.cpu_shares
            && shares != 0
            && !(2..=262_144).contains(&shares)
        {
            let fix = "give a number from 2 to 262144 (1024 is a container's usual part)";
            return Err(error("cpu-shares", shares, "outside the kernel's range", fix));
        }
        if let Some(list) = &self.cpuset_cpus {
            parse_cpu_list(list).map_err(|reason| {
                error("cpuset-cpus", list, &reason, "give a list of processors such as 0-3,5")
            })?;
        }
        if let Some(list) = &self.cpuset_mems {
            parse_cpu_list(list).map_err(|reason| {
                let reason = reason.replace("processor", "memory node");
                error("cpuset-mems", list, &reason, "give a list of memory nodes such as 0-1")
            })?;
        }
        if let Some(pids) = self.pids
            && pids < -1
        {
            let fix = "give the greatest number of processes, or -1 for no limit";
            return Err(error("pids-limit", pids, "a negative number of processes", fix));
        }
        Ok(())
    }

    fn validate_cpu_parts(&self) -> Result<(), LimitError> {
        let period = self.cpu_period.filter(|period| *period != 0);
        let quota = self.cpu_quota.filter(|quota| *quota > 0);
        let parts =
            [("cpu-period", self.cpu_period.is_some()), ("cpu-quota", self.cpu_quota.is_some())];
        if let (Some(cpus), Some((part, _))) = (self.cpus, parts.iter().find(|(_, given)| *given)) {
            let reason = format!("--{part} is the same limit in other words");
            return Err(error("cpus", cpus, &reason, "give one of both"));
        }
        if let Some(period) = period
            && !CPU_PERIODS_US.contains(&period)
        {
            let fix = "give 1000 to 1000000 microseconds";
            return Err(error("cpu-period", period, "outside the kernel's range", fix));
        }
        match quota {
            Some(quota) if quota > CPU_MAX_QUOTA_US => {
                let fix = "give fewer microseconds, or -1 for no limit";
                Err(error("cpu-quota", quota, "more than the kernel counts", fix))
            }
            Some(quota) if (quota as u64) < CPU_MIN_QUOTA_US => {
                let fix = "give 1000 microseconds or more, or -1 for no limit";
                Err(error("cpu-quota", quota, "less than the kernel gives", fix))
            }
            _ => Ok(()),
        }
    }

    fn validate_swap(&self) -> Result<(), LimitError> {
        let Some(swap) = self.memory_swap.filter(|swap| *swap != 0) else { return Ok(()) };
        let memory = self.memory.unwrap_or(0);
        if swap < -1 {
            let fix = "give bytes, or -1 for unlimited swap";
            return Err(error("memory-swap", swap, "a negative size", fix));
        }
        if swap > 0 && memory == 0 {
            let fix = "give --memory too: --memory-swap is memory and swap together";
            return Err(error("memory-swap", swap, "there is no --memory to go with it", fix));
        }
        if swap > 0 && (swap as u64) < memory {
            let fix = "give at least the value of --memory (the same value means no swap)";
            let reason = format!("less than --memory {memory}, which it includes");
            return Err(error("memory-swap", swap, &reason, fix));
        }
        Ok(())
    }

    fn validate_reservation(&self) -> Result<(), LimitError> {
        let memory = self.memory.unwrap_or(0);
        match self.memory_reservation {
            Some(kept) if memory > 0 && kept > memory => {
                let reason = format!("more than --memory {memory}, which is all that it can have");
                Err(error(
                    "memory-reservation",
                    kept,
                    &reason,
                    "give at most the value of --memory",
                ))
            }
            _ => Ok(()),
        }
    }

    /// The limits that were really asked for; zeros and "unlimited" count only where the
    /// kernel's own default is not already that.
    pub fn asked(&self) -> Vec<Setting> {
        let swap = self.memory_swap.is_some_and(|swap| swap != 0);
        [
            (Setting::Memory, self.memory.is_some_and(|bytes| bytes != 0)),
            (Setting::MemorySwap, swap && self.memory.is_some_and(|bytes| bytes != 0)),
            (Setting::MemoryReservation, self.memory_reservation.is_some_and(|bytes| bytes != 0)),
            (Setting::Cpus, self.cpus.is_some_and(|cpus| cpus > 0.0)),
            (Setting::CpuPeriod, self.cpu_period.is_some_and(|period| period != 0)),
            (Setting::CpuQuota, self.cpu_quota.is_some_and(|quota| quota > 0)),
            (Setting::CpuShares, self.cpu_shares.is_some_and(|shares| shares != 0)),
            (Setting::CpusetCpus, self.cpuset_cpus.as_ref().is_some_and(|list| !list.is_empty())),
            (Setting::CpusetMems, self.cpuset_mems.as_ref().is_some_and(|list| !list.is_empty())),
            (Setting::Pids, self.pids.is_some_and(|pids| pids > 0)),
        ]
        .into_iter()
        .filter_map(|(setting, asked)| asked.then_some(setting))
        .collect()
    }

    /// [`Self::asked`] without what nobody typed.
    pub fn typed(&self) -> Vec<Setting> {
        let mut asked = self.asked();
        asked.retain(|setting| *setting != Setting::Pids || !self.pids_implied);
        asked
    }
}

fn error(flag: &'static str, value: impl ToString, reason: &str, fix: &str) -> LimitError {
    LimitError { flag, value: value.to_string(), reason: reason.to_owned(), fix: fix.to_owned() }
}

/// `--cpu-shares` (v1, 2 to 262144) on the scale of `cpu.weight` (v2, 1 to 10000).
///
/// The linear formula of crun(1) and podman. It gives the default 1024 a weight of 39 where v2's
/// own default is 100; runc 1.4 and crun 1.23 bend it to hit 100. Ours stays with the numbers of
/// the podman that users compare with.
pub fn v2_cpu_weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9_999 / 262_142
}

/// `cpu.max`: quota and period in µs.
pub fn v2_cpu_max(limits: &Limits) -> String {
    match cpu_quota_and_period(limits) {
        (Some(quota), period) => format!("{quota} {period}"),
        (None, period) => format!("max {period}"),
    }
}

/// v1's `cpu.cfs_quota_us` and `cpu.cfs_period_us`.
pub fn v1_cpu_quota(limits: &Limits) -> (i64, u64) {
    let (quota, period) = cpu_quota_and_period(limits);
    (quota.and_then(|quota| i64::try_from(quota).ok()).unwrap_or(-1), period)
}

/// `--cpus`, or what it is short for.
fn cpu_quota_and_period(limits: &Limits) -> (Option<u64>, u64) {
    if let Some(cpus) = limits.cpus {
        return ((cpus > 0.0).then(|| cpu_quota_us(cpus)), CPU_PERIOD_US);
    }
    let quota = limits.cpu_quota.and_then(|quota| u64::try_from(quota).ok());
    let period = limits.cpu_period.filter(|period| *period != 0);
    (quota.filter(|quota| *quota != 0), period.unwrap_or(CPU_PERIOD_US))
}

/// `memory.max`.
pub fn v2_memory_max(memory: u64) -> String {
    if memory == 0 { "max".to_owned() } else { memory.to_string() }
}

/// v1's `memory.limit_in_bytes`.
pub fn v1_memory_limit(memory: u64) -> String {
    if memory == 0 { "-1".to_owned() } else { memory.to_string() }
}

fn cpu_quota_us(cpus: f64) -> u64 {
    (cpus * CPU_PERIOD_US as f64).round() as u64
}

/// `memory.swap.max`: swap alone, where `--memory-swap` is memory and swap together. Without
/// `--memory-swap` the sum is twice the memory, as podman and docker have it.
pub fn v2_swap_max(memory: u64, memory_swap: Option<i64>) -> String {
    match total_with_swap(memory, memory_swap) {
        Some(total) => total.saturating_sub(memory).to_string(),
        None => "max".to_owned(),
    }
}

/// v1's `memory.memsw.limit_in_bytes`: memory and swap together, -1 for no limit.
pub fn v1_memsw(memory: u64, memory_swap: Option<i64>) -> String {
    total_with_swap(memory, memory_swap).map_or_else(|| "-1".to_owned(), |total| total.to_string())
}

fn total_with_swap(memory: u64, memory_swap: Option<i64>) -> Option<u64> {
    match memory_swap {
        // Swap is no limit where memory has none.
        _ if memory == 0 => None,
        None | Some(0) => Some(memory.saturating_mul(2)),
        Some(swap) => u64::try_from(swap).ok(),
    }
}

/// `pids.max` of both versions.
pub fn pids_max(pids: i64) -> String {
    if pids <= 0 { "max".to_owned() } else { pids.to_string() }
}

/// The processors of a list such as `0-3,5` (cpuset(7), "List format"), sorted and once each.
pub fn parse_cpu_list(list: &str) -> Result<Vec<u32>, String> {
    // NR_CPUS is at most 8192 on any distribution: a larger number is a slip, not a machine.
    const MOST: u32 = 65_535;
    let number = |text: &str| match text.parse::<u32>() {
        Ok(cpu) if cpu <= MOST && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(cpu),
        _ => Err(format!("{text:?} is not a processor's number")),
    };
    let mut cpus = Vec::new();
    for part in list.trim().split(',') {
        match part.split_once('-') {
            None => cpus.push(number(part)?),
            Some((from, to)) => {
                let (from, to) = (number(from)?, number(to)?);
                if from > to {
                    return Err(format!("{part:?} runs backwards"));
                }
                cpus.extend(from..=to);
            }
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = Limits::default();
        set(&mut limits);
        limits
    }

    #[test]
    fn nonsense_is_refused_with_flag_value_reason_and_fix() {
        let table: &[(Limits, &str)] = &[
            (with(|l| l.cpus = Some(f64::NAN)), "--cpus NaN: not a number of processors"),
            (with(|l| l.cpus = Some(-1.0)), "--cpus -1: not a number of processors"),
            (with(|l| l.cpus = Some(1e9)), "--cpus 1000000000: more processors than"),
            (with(|l| l.cpus = Some(0.001)), "--cpus 0.001: the kernel cannot give less"),
            (with(|l| l.cpu_shares = Some(1)), "--cpu-shares 1: outside the kernel's range"),
            (with(|l| l.cpu_shares = Some(262_145)), "--cpu-shares 262145: outside"),
            (with(|l| l.cpuset_cpus = Some("3-1".into())), "--cpuset-cpus 3-1: \"3-1\" runs back"),
            (with(|l| l.cpuset_cpus = Some("a".into())), "--cpuset-cpus a: \"a\" is not a proc"),
            (with(|l| l.cpuset_cpus = Some("0,".into())), "--cpuset-cpus 0,: \"\" is not a proc"),
            (with(|l| l.cpuset_cpus = Some("+1".into())), "--cpuset-cpus +1: \"+1\" is not a"),
            (with(|l| l.cpuset_cpus = Some("0-4294967295".into())), "--cpuset-cpus 0-4294967295:"),
            (with(|l| l.cpuset_mems = Some("x".into())), "--cpuset-mems x: \"x\" is not a memory"),
            (with(|l| l.cpu_period = Some(999)), "--cpu-period 999: outside the kernel's range"),
            (with(|l| l.cpu_period = Some(1_000_001)), "--cpu-period 1000001: outside"),
            (with(|l| l.cpu_quota = Some(999)), "--cpu-quota 999: less than the kernel gives"),
            (with(|l| l.cpu_quota = Some(1 << 44)), "--cpu-quota 17592186044416: more than"),
            (
                with(|l| (l.cpus, l.cpu_period) = (Some(1.0), Some(50_000))),
                "--cpus 1: --cpu-period is the same limit in other words",
            ),
            (
                with(|l| (l.cpus, l.cpu_quota) = (Some(1.0), Some(50_000))),
                "--cpus 1: --cpu-quota is the same limit in other words",
            ),
            (with(|l| l.pids = Some(-2)), "--pids-limit -2: a negative number"),
            (with(|l| l.memory_swap = Some(5)), "--memory-swap 5: there is no --memory"),
            (
                with(|l| (l.memory, l.memory_reservation) = (Some(10), Some(11))),
                "--memory-reservation 11: more than --memory 10",
            ),
            (with(|l| l.memory_swap = Some(-5)), "--memory-swap -5: a negative size"),
            (
                with(|l| (l.memory, l.memory_swap) = (Some(10), Some(5))),
                "--memory-swap 5: less than --memory 10",
            ),
        ];
        for (limits, start) in table {
            let said = limits.validate().unwrap_err().to_string();
            assert!(said.starts_with(start), "{said}");
            assert!(said.contains("; give "), "no fix in: {said}");
        }
    }

    #[test]
    fn ordinary_limits_pass() {
        for limits in [
            Limits::default(),
            with(|l| l.cpus = Some(0.01)),
            with(|l| l.cpu_shares = Some(0)),
            with(|l| l.pids = Some(-1)),
            with(|l| l.memory_swap = Some(-1)),
            with(|l| (l.memory, l.memory_swap) = (Some(10), Some(10))),
            with(|l| l.cpuset_cpus = Some("0-1,1,7".into())),
            with(|l| l.cpuset_mems = Some("0".into())),
            with(|l| (l.cpu_quota, l.cpu_period) = (Some(1000), Some(1000))),
            with(|l| (l.cpu_quota, l.cpu_period) = (Some(-1), Some(0))),
        ] {
            assert_eq!(limits.validate(), Ok(()), "{limits:?}");
        }
    }

    #[test]
    fn only_real_limits_are_asked_for() {
        assert_eq!(with(|l| (l.memory, l.pids) = (Some(0), Some(-1))).asked(), []);
        let both = with(|l| (l.memory, l.memory_swap) = (Some(9), Some(9)));
        assert_eq!(both.asked(), [Setting::Memory, Setting::MemorySwap]);
    }

    #[test]
    fn numbers_of_the_kernel() {
        assert_eq!([2, 1024, 262_144].map(v2_cpu_weight), [1, 39, 10_000]);
        let cpus = |cpus| with(|l| l.cpus = Some(cpus));
        let parts = |quota, period| with(|l| (l.cpu_quota, l.cpu_period) = (quota, period));
        assert_eq!(v2_cpu_max(&cpus(0.5)), "50000 100000");
        assert_eq!(v1_cpu_quota(&cpus(1.5)), (150_000, 100_000));
        assert_eq!(v2_cpu_max(&parts(Some(5000), Some(20_000))), "5000 20000");
        assert_eq!(v2_cpu_max(&parts(None, Some(20_000))), "max 20000");
        assert_eq!(v1_cpu_quota(&parts(Some(5000), None)), (5000, 100_000));
        assert_eq!(v1_cpu_quota(&parts(Some(-1), Some(0))), (-1, 100_000));
        assert_eq!(v2_swap_max(100, Some(100)), "0");
        assert_eq!(v2_swap_max(100, Some(150)), "50");
        assert_eq!(v2_swap_max(100, None), "100");
        assert_eq!(v2_swap_max(100, Some(-1)), "max");
        assert_eq!([v2_swap_max(0, Some(5)), v1_memsw(0, None)], ["max", "-1"]);
        assert_eq!([v2_memory_max(0), v1_memory_limit(0), v2_memory_max(9)], ["max", "-1", "9"]);
        assert_eq!(v2_cpu_max(&cpus(0.0)), "max 100000");
        assert_eq!(v1_cpu_quota(&cpus(0.0)).0, -1);
        assert_eq!(v1_memsw(100, None), "200");
        assert_eq!(v1_memsw(100, Some(-1)), "-1");
        assert_eq!(pids_max(-1), "max");
        assert_eq!(pids_max(64), "64");
        assert_eq!(parse_cpu_list("3,0-1,1"), Ok(vec![0, 1, 3]));
    }
}
