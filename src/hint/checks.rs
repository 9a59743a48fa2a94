//! Facts → verdicts: what was seen, what it means, and the command that mends it.

use super::Stage;
use super::facts::{Cgroups, Facts, Overlay, Privileged};
use serde::Serialize;

/// Open files that Proton wants as hard limit.
const NOFILE_WANTED: u64 = 524_288;
/// Mappings that large games need.
const MAP_COUNT_WANTED: u64 = 1_048_576;
/// Subordinate ids for a whole image: 0 to 65535, of which 0 is the user himself.
const IDS_WANTED: u64 = 65_536;

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Containers run, something is missing.
    Warn,
    /// Containers do not run.
    Fail,
}

/// One line of `bolt doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Short and stable: scripts select by it.
    pub name: &'static str,
    /// The verdict.
    pub status: Status,
    /// What was found on this host.
    pub seen: String,
    /// What follows from it.
    pub means: &'static str,
    /// The command that mends it; none when there is nothing to mend.
    pub fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, seen: impl Into<String>) -> Check {
        Check { name, status: Status::Ok, seen: seen.into(), means: "nothing to do", fix: None }
    }
    fn warn(name: &'static str, seen: impl Into<String>, means: &'static str) -> Check {
        Check { name, status: Status::Warn, seen: seen.into(), means, fix: None }
    }
    fn fail(name: &'static str, seen: impl Into<String>, means: &'static str) -> Check {
        Check { status: Status::Fail, ..Check::warn(name, seen, means) }
    }
    fn fix(self, command: impl Into<String>) -> Check {
        Check { fix: Some(command.into()), ..self }
    }
}

/// The checks that can explain a failure at `stage`.
pub(super) fn names_for(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::UserNamespace => &["user-namespaces", "apparmor"],
        Stage::IdMaps => {
            &["no-new-privs", "id-map-tools", "subordinate-ids", "user-namespaces", "apparmor"]
        }
        Stage::Root => &["apparmor", "overlay"],
        Stage::Cgroup => &["cgroups"],
        Stage::Network => &["tun", "uplink"],
        Stage::Other => &[],
    }
}

/// Every check, in the order they are shown.
pub fn all(facts: &Facts) -> Vec<Check> {
    vec![
        user_namespaces(facts),
        apparmor(facts),
        no_new_privs(facts),
        id_map_tools(facts),
        subordinate_ids(facts),
        overlay(facts),
        cgroups(facts),
        tun(facts),
        uplink(facts),
        nofile(facts),
        max_map_count(facts),
        runtime_dir(facts),
        lingering(facts),
    ]
}

fn is_root(facts: &Facts) -> bool {
    facts.caller.uid == 0
}

fn set_sysctl(name: &str, value: &str) -> String {
    format!(
        "echo '{name} = {value}' | sudo tee -a /etc/sysctl.d/99-bolt.conf && sudo sysctl --system"
    )
}

fn user_namespaces(facts: &Facts) -> Check {
    let name = "user-namespaces";
    let means = "an ordinary user cannot make a container";
    if facts.unprivileged_userns_clone == Some(0) && !is_root(facts) {
        return Check::fail(name, "kernel.unprivileged_userns_clone is 0", means)
            .fix(set_sysctl("kernel.unprivileged_userns_clone", "1"));
    }
    match facts.max_user_namespaces {
        Some(0) => Check::fail(name, "user.max_user_namespaces is 0", means)
            .fix(set_sysctl("user.max_user_namespaces", "28633")),
        Some(most) => Check::ok(name, format!("user.max_user_namespaces is {most}")),
        None => Check::fail(
            name,
            "user.max_user_namespaces is not there",
            "the kernel was built without user namespaces, or /proc is not mounted",
        )
        .fix(
            "zgrep CONFIG_USER_NS /proc/config.gz || grep CONFIG_USER_NS /boot/config-$(uname -r)",
        ),
    }
}

fn apparmor(facts: &Facts) -> Check {
    let name = "apparmor";
    match facts.apparmor_restricts {
        Some(on) if on != 0 && !is_root(facts) => {
            let seen = "kernel.apparmor_restrict_unprivileged_userns is 1";
            match facts.overlay {
                Overlay::Works => Check::ok(name, format!("{seen}, and a profile allows bolt")),
                Overlay::NotTried | Overlay::Refused(_) => Check::fail(
                    name,
                    seen,
                    "a program without an AppArmor profile gets user namespaces without rights",
                )
                .fix(apparmor_fix(facts)),
            }
        }
        _ => Check::ok(name, "does not restrict user namespaces"),
    }
}

/// Writes and loads a profile for the two programs where they lie.
fn apparmor_fix(facts: &Facts) -> String {
    let dir = facts.caller.program.parent().and_then(|dir| dir.to_str());
    let plain = |dir: &&str| dir.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    let dir = dir.filter(plain).unwrap_or("/usr/local/bin");
    format!(
        "printf 'abi <abi/4.0>,\\nprofile bolt {dir}/bolt{{,-shim}} flags=(unconfined) {{\\n  \
         userns,\\n}}\\n' | sudo tee /etc/apparmor.d/bolt && sudo apparmor_parser -r \
         /etc/apparmor.d/bolt"
    )
}

fn no_new_privs(facts: &Facts) -> Check {
    let name = "no-new-privs";
    if !facts.no_new_privs || is_root(facts) {
        return Check::ok(name, "not set");
    }
    Check::warn(
        name,
        "no_new_privs is set on this process",
        "newuidmap cannot work, containers have one user id; start bolt outside of the sandbox or \
         unit that sets it",
    )
    .fix("systemd-run --user --pty bash")
}

fn id_map_tools(facts: &Facts) -> Check {
    let name = "id-map-tools";
    if is_root(facts) {
        return Check::ok(name, "not needed by root");
    }
    let means = "containers have one user id: images with several owners show them as nobody";
    for (tool, found) in [("newuidmap", &facts.newuidmap), ("newgidmap", &facts.newgidmap)] {
        match found {
            Privileged::Missing => {
                return Check::warn(name, format!("{tool} is not installed"), means)
                    .fix("sudo apt install uidmap || sudo dnf install shadow-utils");
            }
            Privileged::Powerless(path) => {
                let seen = format!("{} is not setuid root, nor capable", path.display());
                let fix = format!("sudo chmod u+s {}", path.display());
                return Check::warn(name, seen, means).fix(fix);
            }
            Privileged::Able(_) => {}
        }
    }
    Check::ok(name, "newuidmap and newgidmap are there")
}

fn subordinate_ids(facts: &Facts) -> Check {
    let name = "subordinate-ids";
    if is_root(facts) {
        return Check::ok(name, "not needed by root");
    }
    let fewest = facts.subuids.min(facts.subgids);
    let seen = format!("{} uids, {} gids", facts.subuids, facts.subgids);
    if fewest >= IDS_WANTED {
        return Check::ok(name, seen);
    }
    let user = facts.user.clone().unwrap_or_else(|| facts.caller.uid.to_string());
    let range = format!("{}-{}", facts.free_ids, facts.free_ids + IDS_WANTED - 1);
    let means = "owners in an image that have no id here show as nobody";
    Check::warn(name, seen, means)
        .fix(format!("sudo usermod --add-subuids {range} --add-subgids {range} {user}"))
}

fn overlay(facts: &Facts) -> Check {
    let name = "overlay";
    let why = match &facts.overlay {
        Overlay::Works => return Check::ok(name, "mounted in a user namespace"),
        Overlay::NotTried => return Check::ok(name, "not tried"),
        Overlay::Refused(why) => why,
    };
    let copied = "every new container is a copy of its image; overlay wants Linux 5.11 or newer, and a \
                  store on ext4, xfs or btrfs";
    match &facts.fuse_overlayfs {
        Some(program) if facts.fuse => {
            let seen = format!("{why}; {} is there", program.display());
            Check::warn(name, seen, "container roots are slower than the kernel's overlay")
        }
        Some(_) => Check::warn(name, format!("{why}; /dev/fuse is not there"), copied)
            .fix("sudo modprobe fuse"),
        None => Check::warn(name, format!("{why}; fuse-overlayfs is not installed"), copied)
            .fix("sudo apt install fuse-overlayfs || sudo dnf install fuse-overlayfs"),
    }
}

fn cgroups(facts: &Facts) -> Check {
    let name = "cgroups";
    let none = "limits of memory, cpu and processes cannot be set";
    match &facts.cgroups {
        Cgroups::None => Check::warn(name, "none is mounted", none)
            .fix("sudo mount -t cgroup2 none /sys/fs/cgroup"),
        Cgroups::V1 | Cgroups::Hybrid if is_root(facts) => Check::ok(name, "version 1"),
        Cgroups::V1 | Cgroups::Hybrid => {
            let missing = missing(&facts.limits);
            let given = format!("version 1: {}", facts.limits.join(" "));
            let check = match missing.len() {
                0 => return Check::ok(name, given),
                _ if facts.limits.is_empty() => Check::warn(name, "version 1", none),
                _ => {
                    let seen = format!("{given}; not delegated to you: {}", missing.join(" "));
                    Check::warn(name, seen, "these limits cannot be set")
                }
            };
            check.fix(
                "sudo grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=1 || \
                 (sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&systemd.unified_cgroup_hierarchy=1 /' \
                 /etc/default/grub && sudo update-grub) # then reboot",
            )
        }
        Cgroups::V2 { delegated } => {
            let missing = missing(delegated);
            if missing.is_empty() {
                return Check::ok(name, format!("version 2: {}", delegated.join(" ")));
            }
            let seen = format!("version 2, not delegated to you: {}", missing.join(" "));
            Check::warn(name, seen, "these limits cannot be set").fix(
                "sudo mkdir -p /etc/systemd/system/user@.service.d && printf \
                 '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee \
                 /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl \
                 daemon-reload # then log in again",
            )
        }
    }
}

/// What a container's limits want and is not there.
fn missing(there: &[String]) -> Vec<&'static str> {
    let has = |wanted: &&str| there.iter().any(|found| found == wanted);
    ["cpu", "cpuset", "memory", "pids"].into_iter().filter(|wanted| !has(wanted)).collect()
}

fn tun(facts: &Facts) -> Check {
    let name = "tun";
    let means = "containers have the host's network or none";
    match facts.tun {
        Some(true) => Check::ok(name, "/dev/net/tun can be opened"),
        Some(false) => Check::warn(name, "/dev/net/tun cannot be opened by you", means)
            .fix("sudo chmod 0666 /dev/net/tun"),
        None => Check::warn(name, "/dev/net/tun is not there", means).fix("sudo modprobe tun"),
    }
}

fn uplink(facts: &Facts) -> Check {
    let name = "uplink";
    match (&facts.pasta, &facts.slirp4netns) {
        (Some(path), _) => Check::ok(name, format!("pasta is {}", path.display())),
        (None, Some(path)) => Check::ok(name, format!("slirp4netns is {}", path.display())),
        (None, None) => Check::warn(
            name,
            "neither pasta nor slirp4netns is installed",
            "a container with a network of its own reaches nothing",
        )
        .fix("sudo apt install passt || sudo dnf install passt"),
    }
}

fn nofile(facts: &Facts) -> Check {
    let name = "nofile";
    match facts.nofile_hard {
        Some(hard) if hard < NOFILE_WANTED => Check::warn(
            name,
            format!("hard limit {hard}"),
            "Proton wants 524288: games may run out of open files",
        )
        .fix(
            "printf '* hard nofile 1048576\\n' | sudo tee /etc/security/limits.d/99-bolt.conf \
             # then log in again",
        ),
        Some(u64::MAX) => Check::ok(name, "no hard limit"),
        Some(hard) => Check::ok(name, format!("hard limit {hard}")),
        None => Check::ok(name, "unknown"),
    }
}

fn max_map_count(facts: &Facts) -> Check {
    let name = "max-map-count";
    match facts.max_map_count {
        Some(most) if most < MAP_COUNT_WANTED => Check::warn(
            name,
            format!("vm.max_map_count is {most}"),
            "some games end early: they want 1048576 mappings",
        )
        .fix(set_sysctl("vm.max_map_count", "1048576")),
        Some(most) => Check::ok(name, format!("vm.max_map_count is {most}")),
        None => Check::ok(name, "unknown"),
    }
}

fn runtime_dir(facts: &Facts) -> Check {
    let name = "runtime-dir";
    let fix = "loginctl enable-linger # then log in anew, not by su or sudo";
    match facts.runtime_dir_owned {
        _ if is_root(facts) => Check::ok(name, "root needs none"),
        Some(true) => Check::ok(name, "XDG_RUNTIME_DIR is yours"),
        Some(false) => Check::warn(
            name,
            "XDG_RUNTIME_DIR is not there, or not yours",
            "systemd --user is not reached through it: limits may be missing",
        )
        .fix(fix),
        None => Check::warn(
            name,
            "XDG_RUNTIME_DIR is not set",
            "systemd --user is not reached through it: limits may be missing",
        )
        .fix(fix),
    }
}

fn lingering(facts: &Facts) -> Check {
    let name = "lingering";
    if facts.lingers || is_root(facts) {
        return Check::ok(name, "containers outlive your logout");
    }
    let user = facts.user.as_deref().unwrap_or("");
    Check::warn(name, "off", "containers may be ended when you log out")
        .fix(format!("loginctl enable-linger {user}").trim_end())
}

#[cfg(test)]
mod tests;
