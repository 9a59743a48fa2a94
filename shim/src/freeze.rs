//! Thawing a payload that was paused: a frozen one hears no signal. Freezing is `bolt`'s own
//! doing. Runs in M.

use bolt_shim::launch::Launch;

/// Lets the payload's control group go on, whichever version it is of; one that was not frozen
/// does not notice.
#[inline(never)]
pub(crate) fn thaw(launch: &Launch) {
    if let Some(group) = &launch.cgroup.v2 {
        let _ = std::fs::write(format!("{group}/cgroup.freeze"), "0");
    }
    for procs in &launch.cgroup.v1 {
        // Only one of them is the freezer's; in the others no file can be made.
        if let Some(group) = procs.strip_suffix("cgroup.procs") {
            let _ = std::fs::write(format!("{group}freezer.state"), "THAWED");
        }
    }
}
