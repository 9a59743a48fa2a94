//! Limits of resources: flags of `run`, `create` and `update`.

use crate::cgroup::{CPU_PERIOD_US, Setting};
use crate::cmd::create_args::parse::{memory, swap};
use crate::container::config::Resources;

/// They stand in the container's config as [`Resources`].
#[derive(Debug, Default, clap::Args)]
pub struct LimitArgs {
    /// Memory limit
    #[arg(short, long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// Memory that is protected from being taken by others, as far as the caller's own control group is
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory_reservation: Option<u64>,
    /// Memory and swap limit; -1 is unlimited
    #[arg(long, value_name = "SIZE", value_parser = swap, allow_hyphen_values = true)]
    pub memory_swap: Option<i64>,
    /// Number of CPUs
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub cpus: Option<f64>,
    /// Microseconds after which the quota of CPU time begins anew [default: 100000]
    #[arg(long, value_name = "N")]
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU time within each period; 0 and -1 are unlimited
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub cpu_quota: Option<i64>,
    /// CPU shares, relative weight
    #[arg(short = 'c', long, value_name = "N")]
    pub cpu_shares: Option<u64>,
    /// CPUs to run on
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to allocate from
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,
    /// Limit of processes and threads; -1 is unlimited [default: 2048 where a cgroup can be made at once]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,
}

impl LimitArgs {
    /// As they were typed.
    pub fn resources(&self) -> Resources {
        self.over(&Resources::default())
    }

    /// What holds when these come after those.
    pub fn over(&self, old: &Resources) -> Resources {
        // Swap is limited together with memory, and set free with it.
        let old_swap = old.memory_swap.filter(|_| self.memory != Some(0));
        // Two ways to say one thing: the one that is typed takes the other's place.
        let in_parts = self.cpu_period.is_some() || self.cpu_quota.is_some();
        let old_parts =
            if self.cpus.is_some() { (None, None) } else { (old.cpu_period, old.cpu_quota) };
        Resources {
            memory: self.memory.or(old.memory),
            memory_reservation: self.memory_reservation.or(old.memory_reservation),
            memory_swap: self.memory_swap.or(old_swap),
            cpus: self.cpus.or(old.cpus.filter(|_| !in_parts)),
            cpu_period: self.cpu_period.or(old_parts.0),
            cpu_quota: self.cpu_quota.or(old_parts.1).or_else(|| self.quota_of(old.cpus)),
            cpu_shares: self.cpu_shares.or(old.cpu_shares),
            cpuset_cpus: self.cpuset_cpus.clone().or_else(|| old.cpuset_cpus.clone()),
            cpuset_mems: self.cpuset_mems.clone().or_else(|| old.cpuset_mems.clone()),
            pids: self.pids_limit.or(old.pids),
        }
    }

    /// A limit that was typed as processors holds in another period too: microseconds.
    fn quota_of(&self, cpus: Option<f64>) -> Option<i64> {
        let (cpus, period) = (cpus.filter(|cpus| *cpus > 0.0)?, self.cpu_period?);
        let period = if period == 0 { CPU_PERIOD_US } else { period };
        Some((cpus * period as f64).round() as i64)
    }

    /// Which were typed.
    pub fn typed(&self) -> Vec<Setting> {
        let all = [
            (Setting::Memory, self.memory.is_some()),
            (Setting::MemorySwap, self.memory_swap.is_some()),
            (Setting::MemoryReservation, self.memory_reservation.is_some()),
            (Setting::Cpus, self.cpus.is_some()),
            (Setting::CpuPeriod, self.cpu_period.is_some()),
            (Setting::CpuQuota, self.cpu_quota.is_some()),
            (Setting::CpuShares, self.cpu_shares.is_some()),
            (Setting::CpusetCpus, self.cpuset_cpus.is_some()),
            (Setting::CpusetMems, self.cpuset_mems.is_some()),
            (Setting::Pids, self.pids_limit.is_some()),
        ];
        all.into_iter().filter_map(|(setting, typed)| typed.then_some(setting)).collect()
    }

    /// These without one of them.
    pub fn forget(&mut self, setting: Setting) {
        match setting {
            Setting::Memory => self.memory = None,
            Setting::MemorySwap => self.memory_swap = None,
            Setting::MemoryReservation => self.memory_reservation = None,
            Setting::Cpus => self.cpus = None,
            Setting::CpuPeriod => self.cpu_period = None,
            Setting::CpuQuota => self.cpu_quota = None,
            Setting::CpuShares => self.cpu_shares = None,
            Setting::CpusetCpus => self.cpuset_cpus = None,
            Setting::CpusetMems => self.cpuset_mems = None,
            Setting::Pids => self.pids_limit = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_typed_stays() {
        let old = Resources {
            memory: Some(64),
            memory_swap: Some(80),
            pids: Some(9),
            ..Resources::default()
        };
        let free = LimitArgs { memory: Some(0), ..LimitArgs::default() };
        let want = Resources { memory: Some(0), memory_swap: None, ..old.clone() };
        assert_eq!(free.over(&old), want);
        let mut more = LimitArgs { memory: Some(70), cpus: Some(1.0), ..LimitArgs::default() };
        assert_eq!(more.typed(), [Setting::Memory, Setting::Cpus]);
        more.forget(Setting::Memory);
        assert_eq!(more.over(&old), Resources { cpus: Some(1.0), ..old });
    }

    #[test]
    fn processors_in_parts_take_the_place_of_whole_ones_and_the_other_way_round() {
        let whole = Resources { cpus: Some(2.0), ..Resources::default() };
        let quota = LimitArgs { cpu_quota: Some(9000), ..LimitArgs::default() };
        let parts = Resources { cpu_quota: Some(9000), ..Resources::default() };
        assert_eq!(quota.over(&whole), parts);
        let period = LimitArgs { cpu_period: Some(50_000), ..LimitArgs::default() };
        assert_eq!(period.over(&parts), Resources { cpu_period: Some(50_000), ..parts.clone() });
        // Two processors are two in a shorter period.
        let (quota, shorter) = (Some(100_000), Some(50_000));
        let two = Resources { cpu_quota: quota, cpu_period: shorter, ..Resources::default() };
        assert_eq!(period.over(&whole), two);
        let cpus = LimitArgs { cpus: Some(2.0), ..LimitArgs::default() };
        assert_eq!(cpus.over(&parts), whole);
    }
}
