//! Control groups of version 1: one directory in each hierarchy that a limit needs.

use super::{DirPlan, Manager, Plan, imply_swap, write_cpuset};
use crate::cgroup::host::{V1, writable};
use crate::cgroup::limits::{self, Limits, Setting};
use std::path::Path;

/// Why nobody but root makes a group of v1 there.
pub(in crate::cgroup) fn not_writable(mount: &Path) -> String {
    format!(
        "cgroup v1 cannot be delegated safely and {0} is not writable for this user; run as root, \
         boot with systemd.unified_cgroup_hierarchy=1, or as root: `mkdir -p {0}/bolt && chown \
         USER {0}/bolt`",
        mount.display()
    )
}

pub(super) fn plan_v1(v1: &V1, id: &str, limits: &Limits) -> Plan {
    let mut plan = Plan::none();
    for setting in limits.asked() {
        let name = setting.controller();
        let implied = setting == Setting::Pids && limits.pids_implied;
        let parent = v1.controllers.get(name).and_then(|hierarchy| hierarchy.parent.as_ref());
        if implied && parent.is_none() {
            continue;
        }
        let Some(hierarchy) = v1.controllers.get(name) else {
            let fix = "check /proc/cgroups and the kernel's command line (cgroup_disable=)";
            plan.deny(setting, format!("no `{name}` controller is mounted; {fix}"));
            continue;
        };
        let Some(parent) = &hierarchy.parent else {
            plan.deny(setting, not_writable(&hierarchy.mount));
            continue;
        };
        if name == "cpuset"
            && let Some(why) = empty_cpuset(parent, writable)
        {
            plan.deny(setting, why);
            continue;
        }
        let dir = parent.join("bolt").join(id);
        add_v1_dirs(&mut plan, &dir, name == "cpuset");
        write_v1(&mut plan, &dir, setting, v1, limits);
    }
    plan
}

/// A cpuset gives its children nothing until it has processors and memory nodes itself (cpuset(7)),
/// and a user to whom `bolt` below `parent` was given cannot write them.
fn empty_cpuset(parent: &Path, writable: fn(&Path) -> bool) -> Option<String> {
    let ours = parent.join("bolt");
    let is_empty = |name: &str| {
        std::fs::read_to_string(ours.join(name)).is_ok_and(|text| text.trim().is_empty())
    };
    let empty = is_empty("cpuset.cpus") || is_empty("cpuset.mems");
    let given = empty && !writable(&ours.join("cpuset.cpus"));
    given.then(|| {
        format!(
            "{0}/bolt has no processors of its own yet; as root: `cat {0}/cpuset.cpus \
             >{0}/bolt/cpuset.cpus && cat {0}/cpuset.mems >{0}/bolt/cpuset.mems`",
            parent.display()
        )
    })
}

pub(super) fn add_v1_dirs(plan: &mut Plan, dir: &Path, inherit_cpuset: bool) {
    plan.manager = Manager::Cgroupfs;
    let procs = dir.join("cgroup.procs");
    if !plan.join_v1.contains(&procs) {
        plan.join_v1.push(procs);
        let parent = dir.parent().unwrap_or(dir).to_owned();
        for (path, shared) in [(parent, true), (dir.to_owned(), false)] {
            plan.dirs.push(DirPlan { path, inherit_cpuset, shared, ..DirPlan::default() });
        }
    }
    if inherit_cpuset {
        // A joint hierarchy may have been met first under another controller's name.
        let of_ours = |made: &&mut DirPlan| dir.starts_with(&made.path);
        plan.dirs.iter_mut().filter(of_ours).for_each(|made| made.inherit_cpuset = true);
    }
}

pub(in crate::cgroup) fn write_v1(
    plan: &mut Plan,
    dir: &Path,
    setting: Setting,
    v1: &V1,
    limits: &Limits,
) {
    match setting {
        Setting::Memory => {
            // The sum may not lie below the part, so the part goes first.
            let memory = limits.memory.unwrap_or(0);
            plan.put(dir, "memory.limit_in_bytes", limits::v1_memory_limit(memory), setting);
            let sum = limits::v1_memsw(memory, limits.memory_swap);
            plan.put(dir, "memory.memsw.limit_in_bytes", sum, Setting::MemorySwap);
            imply_swap(plan, limits);
            plan.oom = Some(dir.join("memory.oom_control"));
        }
        Setting::MemoryReservation => {
            let bytes = limits::v1_memory_limit(limits.memory_reservation.unwrap_or(0));
            plan.put(dir, "memory.soft_limit_in_bytes", bytes, setting);
        }
        Setting::Cpus | Setting::CpuPeriod | Setting::CpuQuota => {
            let (quota, period) = limits::v1_cpu_quota(limits);
            plan.put(dir, "cpu.cfs_period_us", period, setting);
            plan.put(dir, "cpu.cfs_quota_us", quota, setting);
        }
        Setting::CpusetMems => {
            let list = limits.cpuset_mems.as_deref().unwrap_or_default();
            plan.put(dir, "cpuset.mems", list.trim(), setting);
        }
        Setting::CpuShares => {
            plan.put(dir, "cpu.shares", limits.cpu_shares.unwrap_or(0), setting);
        }
        Setting::CpusetCpus => write_cpuset(plan, dir, &v1.cpus, limits),
        Setting::Pids => {
            plan.put(dir, "pids.max", limits::pids_max(limits.pids.unwrap_or(0)), setting);
            if let Some(write) = plan.writes.last_mut() {
                write.implied = limits.pids_implied;
            }
        }
        Setting::MemorySwap => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn a_cpuset_that_was_given_empty_is_told_with_what_fills_it() {
        let scratch = Scratch::new("cpuset");
        let ours = scratch.path().join("bolt");
        std::fs::create_dir(&ours).unwrap();
        let write = |name: &str, text: &str| std::fs::write(ours.join(name), text).unwrap();
        write("cpuset.cpus", "\n");
        write("cpuset.mems", "0\n");
        let why = empty_cpuset(scratch.path(), |_| false).unwrap();
        assert!(why.contains("/bolt/cpuset.cpus") && why.contains("as root"), "{why}");
        assert_eq!(empty_cpuset(scratch.path(), |_| true), None, "ours to fill");
        write("cpuset.cpus", "0-3\n");
        assert_eq!(empty_cpuset(scratch.path(), |_| false), None);
    }
}
