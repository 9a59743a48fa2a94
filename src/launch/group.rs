//! Where a container's control group goes.

use crate::cgroup;
use crate::container::config::{Config, Resources};
use crate::container::service::Cgroups;
use crate::launch::Mode;
use crate::settings::Settings;
use crate::spec::defaults;
use std::path::Path;

/// The limits as they were typed.
pub fn limits(resources: &Resources) -> cgroup::Limits {
    cgroup::Limits {
        memory: resources.memory,
        memory_reservation: resources.memory_reservation,
        memory_swap: resources.memory_swap,
        cpus: resources.cpus,
        cpu_period: resources.cpu_period,
        cpu_quota: resources.cpu_quota,
        cpu_shares: resources.cpu_shares,
        cpuset_cpus: resources.cpuset_cpus.clone(),
        cpuset_mems: resources.cpuset_mems.clone(),
        pids: resources.pids,
        pids_implied: false,
    }
}

/// Whether one may be made, as far as that can be told without looking at the host's groups.
pub(super) fn is_wanted(settings: &Settings, config: &Config) -> bool {
    let how = config.unit.cgroups;
    let asked = || !limits(&config.resources).asked().is_empty();
    how != Cgroups::Disabled
        && (how == Cgroups::Split || asked() || settings.dirs.uid == 0 || cgroup::is_pure_v2())
}

/// Whether a container that its caller waits for, and that has no limits, is left in the group that
/// it is started in. On a pure v2 host that takes a look at the caller's group: in one that is
/// delegated it gets a leaf.
pub fn stays_with_caller(settings: &Settings) -> bool {
    let has_nest = || match current(settings) {
        cgroup::Host::V2(v2) => v2.nest.is_some(),
        _ => true,
    };
    settings.dirs.uid != 0 && (!cgroup::is_pure_v2() || !has_nest())
}

/// Whether the words of a command line ask for a group of the container's own, on a pure v2 host.
/// Only a guess: the words of the container's program are among them. Wrong, it costs a little time.
pub fn is_asked_for(words: &[String]) -> bool {
    cgroup::is_pure_v2() && words.iter().any(|word| detaches(word) || limits_something(word))
}

fn detaches(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    let together = letters.contains('d') && letters.chars().all(|letter| "ditPq".contains(letter));
    together || word == "--detach" || word == "--detach=true"
}

fn limits_something(word: &str) -> bool {
    ["--memory", "--cpu", "--pids-limit", "--cgroups", "-m"]
        .iter()
        .any(|flag| word.starts_with(flag))
}

/// What a start of this container on this host would not apply, as far as that can be told before.
pub fn refused(settings: &Settings, config: &Config) -> anyhow::Result<Vec<cgroup::Denied>> {
    let plan = plan(settings, config, &Mode::default())?;
    Ok(plan.map(|plan| plan.denied).unwrap_or_default())
}

/// The host's cgroups, for a container that runs.
pub fn current(settings: &Settings) -> cgroup::Host {
    cgroup::detect(Path::new("/"), &caller(settings, None, false))
}

fn caller(settings: &Settings, supervisor: Option<u32>, split: bool) -> cgroup::Caller {
    cgroup::Caller {
        pid: std::process::id(),
        uid: settings.dirs.uid,
        bus_address: settings.bus_address.clone(),
        runtime_dir: settings.xdg_runtime.clone(),
        supervisor,
        split,
    }
}

/// Who stays attached waits for the container. A service manager that is notified takes what the
/// caller leaves behind as its unit.
fn ends(mode: &Mode) -> cgroup::Ends {
    match mode.attach || mode.given.notify {
        true => cgroup::Ends::WithCaller,
        false => cgroup::Ends::ByItself,
    }
}

/// A cgroup is made where limits were asked for, for root, on a pure v2 host, and where the
/// caller's is to be split. Elsewhere the
/// payload stays in the caller's.
pub(super) fn plan(
    settings: &Settings,
    config: &Config,
    mode: &Mode,
) -> anyhow::Result<Option<cgroup::Plan>> {
    let how = config.unit.cgroups;
    let split = how == Cgroups::Split;
    let mut limits = limits(&config.resources);
    if how != Cgroups::Disabled {
        limits.validate()?;
    }
    if !is_wanted(settings, config) {
        return Ok(None);
    }
    if limits.pids.is_none() {
        limits.pids = Some(defaults::PIDS_LIMIT);
        limits.pids_implied = true;
    }
    let caller = caller(settings, mode.given.supervisor, split);
    let mut host = cgroup::detect(Path::new("/"), &caller);
    if split {
        return Ok(Some(cgroup::plan_split(&host, &config.id, &limits)));
    }
    if let (Cgroups::NoConmon, cgroup::Host::V2(v2)) = (how, &mut host) {
        // A scope would take the supervisor away from where the caller is.
        v2.systemd = None;
    }
    Ok(Some(cgroup::plan(&host, &config.id, &limits, ends(mode))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_ask_for_a_group() {
        for word in
            ["-d", "-itd", "--detach", "--memory=1g", "-m", "-m64m", "--cpus", "--cpuset-cpus=0"]
        {
            assert!(detaches(word) || limits_something(word), "{word}");
        }
        for word in
            ["-it", "-i", "--rm", "--detach-keys=ctrl-p", "--name=d", "-c", "-v", "d", "-", "-e"]
        {
            assert!(!detaches(word) && !limits_something(word), "{word}");
        }
    }
}
