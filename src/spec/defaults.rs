//! Podman's defaults (containers-common, pkg/config/default.go): what scripts rely on.

/// Covered so that nothing of them can be read (CVE-2025-31133 and before it).
pub const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/interrupts",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Made read-only.
pub const READ_ONLY: &[&str] =
    &["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// PATH of a container whose image has none.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Size of /dev/shm in bytes.
pub const SHM_SIZE: u64 = 64 << 20;

/// umask(2) of the payload.
pub const UMASK: u32 = 0o022;

/// Processes and threads of a container, where that can be limited.
pub const PIDS_LIMIT: i64 = 2048;

/// Seconds between the stop signal and SIGKILL.
pub const STOP_TIMEOUT: u32 = 10;

/// nofile and nproc asked for; clamped to the caller's hard limit.
pub const OPEN_FILES: u64 = 1_048_576;

/// [`MASKED`] and what `mask=` adds, less what `unmask=` opens (`ALL`: everything).
pub fn masked(mask: &[String], unmask: &[String]) -> Vec<String> {
    less(MASKED, mask, unmask)
}

/// [`READ_ONLY`] less what `unmask=` opens.
pub fn read_only(unmask: &[String]) -> Vec<String> {
    less(READ_ONLY, &[], unmask)
}

fn less(base: &[&str], more: &[String], open: &[String]) -> Vec<String> {
    if open.iter().any(|o| o.eq_ignore_ascii_case("all")) {
        return Vec::new();
    }
    let hit = |path: &str| {
        open.iter().any(|o| match o.strip_suffix("/*") {
            Some(dir) => path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/')),
            None => o == path,
        })
    };
    base.iter().map(|p| (*p).to_owned()).chain(more.iter().cloned()).filter(|p| !hit(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmask_opens_one_a_directory_or_all() {
        let all = masked(&[], &[]);
        assert_eq!(all.len(), MASKED.len());
        assert!(!masked(&[], &["/proc/kcore".into()]).contains(&"/proc/kcore".to_owned()));
        assert!(masked(&[], &["/proc/*".into()]).iter().all(|p| p.starts_with("/sys")));
        assert!(masked(&["/x".into()], &["ALL".into()]).is_empty());
    }
}
