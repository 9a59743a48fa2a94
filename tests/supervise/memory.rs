//! What a supervisor keeps while nothing happens, and what supervisors share.

use crate::harness::user::until;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

/// KiB of memory of a process that are there now.
fn resident(pid: i32) -> u64 {
    field(pid, "smaps_rollup", "Rss:")
}

/// The number behind `key` in a file of /proc/PID.
fn field(pid: i32, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn an_idle_supervisor_gives_its_memory_back_and_sleeps() {
    let s = session!();
    let id = s.detached("x", &[], "echo up; exec sleep 1000");
    let monitor = s.pids(&id).0;
    let at_first = resident(monitor);
    // A fifth is left of the release program; without optimisation a call crosses more pages.
    let small = || resident(monitor) < at_first * 3 / 4;
    until("it is idle", small);
    // Everything is found again, and goes again.
    for _ in 0..3 {
        assert_eq!(s.ok(&["exec", "x", "echo", "hello"]), "hello");
    }
    assert_eq!(s.ok(&["logs", "x"]), "up");
    until("it is idle again", small);
    let switches = || field(monitor, "status", "voluntary_ctxt_switches:");
    let before = switches();
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(switches(), before, "an idle supervisor woke up");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

#[test]
fn a_supervisor_that_slept_logs_restarts_and_ends_as_before() {
    let s = session!();
    let script = "echo a; sleep 2; echo b; sleep 2; echo c; exit 3";
    let id = s.detached("x", &["--restart", "on-failure:1"], script);
    assert_eq!(s.ok(&["wait", &id]), "3");
    assert_eq!(s.ok(&["logs", &id]), "a\nb\nc\na\nb\nc");
    assert_eq!(s.inspect(&id, ".RestartCount"), "1");
}

#[test]
fn supervisors_from_a_program_of_the_users_own_share_one_copy_of_it() {
    let s = session!();
    let built = s.program().with_file_name("bolt-shim");
    let shim = s.program_file("bolt-shim", fs::read(built).unwrap());
    let start = |name: &str| {
        let words = ["run", "-d", "--network", "none", "--name", name];
        let command = [crate::harness::user::IMAGE, "sleep", "1000"];
        let out = s.bolt(&words).args(command).env("BOLT_SHIM", &shim).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        let id = String::from_utf8(out.stdout).unwrap();
        format!("/proc/{}/exe", s.pids(id.trim()).0)
    };
    let inode = |exe: &str| fs::metadata(exe).unwrap().ino();
    let first = start("first");
    assert!(fs::read_link(&first).unwrap().to_str().unwrap().starts_with("/memfd:bolt-shim"));
    assert_eq!(inode(&start("second")), inode(&first));
    // The one that was asked first is gone.
    let copy = inode(&first);
    s.ok(&["rm", "-f", "-t", "0", "first"]);
    let third = start("third");
    assert_eq!(inode(&third), copy);
    // A container's root can change its mode: nobody else starts from it any more.
    fs::set_permissions(&third, fs::Permissions::from_mode(0o4777)).unwrap();
    let fourth = start("fourth");
    assert_ne!(inode(&fourth), copy);
    assert_eq!(inode(&start("fifth")), inode(&fourth));
    // Another version of the program is another copy.
    let mut bytes = fs::read(&shim).unwrap();
    bytes.extend_from_slice(b"new");
    fs::write(&shim, bytes).unwrap();
    let sixth = start("sixth");
    assert_ne!(inode(&sixth), inode(&fourth));
    s.ok(&["rm", "-f", "-t", "0", "second", "third", "fourth", "fifth", "sixth"]);
}
