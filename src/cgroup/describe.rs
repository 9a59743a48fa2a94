//! What `bolt info` and `bolt doctor` say about cgroups.

use super::host::Host;
use super::limits::Limits;
use super::plan::{Denied, Ends, plan};

/// A host's cgroups in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `v2`, `hybrid`, `v1` or `none`.
    pub version: &'static str,
    /// Who would make a container's cgroup with limits: `systemd`, `cgroupfs` or `none`.
    pub manager: String,
    /// The controllers that this user can set, sorted.
    pub controllers: Vec<String>,
    /// The limits that would not work, with reason and fix; empty when all do.
    pub denied: Vec<Denied>,
}

/// Says what would happen to a container with every limit there is. Nothing is tried out: a
/// kernel's refusal shows only when a container starts.
pub fn describe(host: &Host) -> Description {
    let version = match host {
        Host::V2(_) => "v2",
        Host::Hybrid { .. } => "hybrid",
        Host::V1(_) => "v1",
        Host::None => "none",
    };
    let cpu = match host {
        Host::V2(v2) => v2.cpus.first(),
        Host::Hybrid { v1, .. } | Host::V1(v1) => v1.cpus.first(),
        Host::None => None,
    };
    let all = Limits {
        memory: Some(1 << 30),
        memory_reservation: Some(1 << 20),
        memory_swap: Some(1 << 30),
        cpus: Some(1.0),
        cpu_period: None,
        cpu_quota: None,
        cpu_shares: Some(1024),
        cpuset_cpus: Some(cpu.unwrap_or(&0).to_string()),
        cpuset_mems: None,
        pids: Some(1024),
        pids_implied: false,
    };
    let plan = plan(host, "info", &all, Ends::WithCaller);
    let works = |flag: &str| !plan.denied.iter().any(|denied| denied.setting == flag);
    let mut controllers: Vec<String> = all
        .asked()
        .into_iter()
        .filter(|setting| works(setting.flag()))
        .map(|setting| setting.controller().to_owned())
        .collect();
    controllers.sort();
    controllers.dedup();
    Description { version, manager: plan.manager.to_string(), controllers, denied: plan.denied }
}
