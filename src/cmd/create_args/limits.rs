//! Limits of resources: flags of `run`, `create` and `update`.

use crate::cgroup::Setting;
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
    /// CPU shares, relative weight
    #[arg(short = 'c', long, value_name = "N")]
    pub cpu_shares: Option<u64>,
    /// CPUs to run on
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,
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
        Resources {
            memory: self.memory.or(old.memory),
            memory_reservation: self.memory_reservation.or(old.memory_reservation),
            memory_swap: self.memory_swap.or(old_swap),
            cpus: self.cpus.or(old.cpus),
            cpu_shares: self.cpu_shares.or(old.cpu_shares),
            cpuset_cpus: self.cpuset_cpus.clone().or_else(|| old.cpuset_cpus.clone()),
            pids: self.pids_limit.or(old.pids),
        }
    }

    /// Which were typed.
    pub fn typed(&self) -> Vec<Setting> {
        let all = [
            (Setting::Memory, self.memory.is_some()),
            (Setting::MemorySwap, self.memory_swap.is_some()),
            (Setting::MemoryReservation, self.memory_reservation.is_some()),
            (Setting::Cpus, self.cpus.is_some()),
            (Setting::CpuShares, self.cpu_shares.is_some()),
            (Setting::CpusetCpus, self.cpuset_cpus.is_some()),
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
            Setting::CpuShares => self.cpu_shares = None,
            Setting::CpusetCpus => self.cpuset_cpus = None,
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
}
