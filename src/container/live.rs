//! Whether the very process of a record still lives: pid, start time, pid namespace, boot.

use std::sync::OnceLock;

/// Id of this boot of the kernel (random(4), `/proc/sys/kernel/random/boot_id`); empty when
/// procfs does not tell.
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    })
}

/// Start time of a living process in clock ticks since boot (proc_pid_stat(5), field 22).
///
/// `None`: there is no such process, or it is dead and only waits to be reaped.
pub fn start_time(pid: i32) -> Option<u64> {
    if pid <= 0 {
        return None;
    }
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_start(&stat)
}

/// Whether a temporary file, `.NAME.PID.N.tmp` ([`crate::sys::atomic::temp_name`]), has lost its
/// writer.
pub fn is_abandoned(name: &str) -> bool {
    let pid = name.strip_suffix(".tmp").and_then(|stem| stem.rsplit('.').nth(1)?.parse().ok());
    pid.is_some_and(|pid| start_time(pid).is_none())
}

/// The name in field 2 may hold blanks and parentheses, so fields are counted from the last `)`.
fn parse_start(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether process `pid` lives, began at `start` and, where that can be read, is in the pid
/// namespace with inode `pidns` (0: not known).
pub fn is_same_process(pid: i32, start: u64, pidns: u64) -> bool {
    if start_time(pid) != Some(start) {
        return false;
    }
    match pid_namespace(pid) {
        Some(inode) if pidns != 0 => inode == pidns,
        _ => true,
    }
}

/// Whether the process is stopped by a signal (not by a debugger).
pub(super) fn is_stopped(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        // As in `parse_start`: the state stands behind the name.
        let end = stat.iter().rposition(|b| *b == b')');
        end.is_some_and(|end| stat.get(end + 2) == Some(&b'T'))
    })
}

/// Inode of the pid namespace of `pid`, `None` where ptrace(2) rules forbid to look.
pub(super) fn pid_namespace(pid: i32) -> Option<u64> {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok()?;
    let text = link.to_str()?;
    text.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_22_is_found_behind_any_name() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        for name in ["sh", "a b", "a) R 1 (b", ")"] {
            let line = format!("77 ({name}) {tail}");
            assert_eq!(parse_start(line.as_bytes()), Some(4242), "{name}");
        }
        assert_eq!(parse_start(b"77 (sh) Z 1 2 3"), None);
        assert_eq!(parse_start(b""), None);
    }

    #[test]
    fn this_process_lives_and_another_start_does_not() {
        let pid = std::process::id() as i32;
        let start = start_time(pid).unwrap();
        let pidns = pid_namespace(pid).unwrap();
        assert!(is_same_process(pid, start, pidns));
        assert!(is_same_process(pid, start, 0));
        assert!(!is_same_process(pid, start + 1, pidns));
        assert!(!is_same_process(pid, start, pidns + 1));
        assert_eq!(start_time(0), None);
        assert_eq!(start_time(-1), None);
    }
}
