//! `--cgroups split`: the container and its supervisor in leaves of the caller's own directory,
//! so that whoever manages that (a unit of systemd) manages both.

use super::host::{Host, Occupied, V2};
use super::limits::Limits;
use super::plan::{Denied, Ends, Plan, all_denied, leaf, plan, plan_nest};

const FLAG: &str = "--cgroups";
const NOT_V2: &str = "only cgroup v2 can be divided by its users; the container's groups are made \
     as without the option";

/// Plans the cgroup of container `id` within the caller's own. `host` was detected with
/// [`super::Caller::split`]. Where that cannot be divided, the container stays in it undivided;
/// v1, where a directory is one of many, is used as without the option.
pub fn plan_split(host: &Host, id: &str, limits: &Limits) -> Plan {
    let Host::V2(v2) = host else {
        let mut plan = plan(host, id, limits, Ends::WithCaller);
        deny(&mut plan, NOT_V2);
        return plan;
    };
    let Some(nest) = &v2.nest else {
        return undivided(
            v2,
            id,
            limits,
            "the caller's control group belongs to another user; run bolt in a unit with \
             Delegate=yes",
        );
    };
    if nest.occupied == Occupied::Others {
        let why = format!(
            "other processes live in {}, and cgroup v2 allows processes in leaves only; let bolt \
             be the only program of a unit with Delegate=yes",
            nest.dir.display()
        );
        return undivided(v2, id, limits, &why);
    }
    plan_nest(v2, nest, id, limits)
}

fn undivided(v2: &V2, id: &str, limits: &Limits, why: &str) -> Plan {
    let mut plan = all_denied(limits.typed(), why);
    deny(&mut plan, why);
    leaf(&mut plan, v2, id);
    plan
}

fn deny(plan: &mut Plan, why: &str) {
    plan.denied.push(Denied { setting: FLAG, why: why.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::super::host::{Hierarchy, Nest, V1};
    use super::*;

    fn host(occupied: Option<Occupied>) -> Host {
        let names = || vec!["cpu".to_owned(), "memory".to_owned(), "pids".to_owned()];
        let nest = occupied.map(|occupied| Nest {
            dir: "/sys/fs/cgroup/unit".into(),
            controllers: names(),
            enabled: Vec::new(),
            occupied,
        });
        Host::V2(V2 { mount: "/sys/fs/cgroup".into(), nest, systemd: None, cpus: vec![0] })
    }

    #[test]
    fn both_go_to_leaves_of_the_callers_own_directory() {
        let limits = Limits { pids: Some(2048), pids_implied: true, ..Limits::default() };
        let plan = plan_split(&host(Some(Occupied::OnlyCaller)), "x", &limits);
        assert_eq!(plan.launcher, Some("/sys/fs/cgroup/unit/bolt-launcher".into()));
        assert_eq!(plan.payload_v2, Some("/sys/fs/cgroup/unit/bolt-x".into()));
        assert_eq!((plan.denied.len(), plan.writes.len()), (0, 1));
        // The second container of a unit: the caller sits in the leaf already.
        let plan = plan_split(&host(Some(Occupied::Free)), "y", &limits);
        assert_eq!((plan.launcher, plan.denied.len()), (None, 0));
    }

    #[test]
    fn what_cannot_be_divided_is_told_and_limits_with_it() {
        let limits = Limits { memory: Some(1 << 30), ..Limits::default() };
        for occupied in [None, Some(Occupied::Others)] {
            let plan = plan_split(&host(occupied), "x", &limits);
            let flags: Vec<_> = plan.denied.iter().map(|d| d.setting).collect();
            assert_eq!(flags, ["--memory", "--cgroups"], "{occupied:?}");
            assert_eq!(plan.launcher, None);
            assert_eq!(plan.payload_v2.is_some(), occupied.is_some());
        }
        let flags: Vec<_> = plan_split(&Host::None, "x", &Limits::default()).denied;
        assert_eq!(flags.len(), 1);
    }

    /// What is told is what is done: the groups are those of a start without the option.
    #[test]
    fn v1_is_used_as_without_the_option() {
        let Host::V2(v2) = host(Some(Occupied::Free)) else { unreachable!() };
        let parent = Some("/sys/fs/cgroup/memory/user".into());
        let memory = Hierarchy { mount: "/sys/fs/cgroup/memory".into(), parent };
        let controllers = [("memory".to_owned(), memory)].into();
        let hybrid = Host::Hybrid { v1: V1 { controllers, cpus: vec![0] }, v2 };
        let limits = Limits { memory: Some(1 << 30), ..Limits::default() };
        let mut split = plan_split(&hybrid, "x", &limits);
        let [Denied { setting: "--cgroups", why }] = &split.denied[..] else { panic!("{split:?}") };
        assert!(why.ends_with("as without the option"), "{why}");
        split.denied.clear();
        assert_eq!(split, plan(&hybrid, "x", &limits, Ends::WithCaller));
    }
}
