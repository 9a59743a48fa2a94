//! Thawing a payload that was paused: a frozen one hears no signal. Freezing is `bolt`'s own
//! doing. Runs in M.

use bolt_shim::launch::Launch;

/// Whether the payload's control group stands still.
#[inline(never)]
pub(crate) fn is_frozen(launch: &Launch) -> bool {
    let says = |path: String, word: &str| {
        std::fs::read_to_string(path).is_ok_and(|text| text.trim_end() == word)
    };
    let v2 = launch.cgroup.v2.iter().any(|group| says(format!("{group}/cgroup.freeze"), "1"));
    let v1 = |procs: &String| {
        let group = procs.strip_suffix("cgroup.procs");
        group.is_some_and(|group| says(format!("{group}freezer.state"), "FROZEN"))
    };
    v2 || launch.cgroup.v1.iter().any(v1)
}

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
