//! Limits of the caller that leave no room for a container: one error, and nothing is left.

use crate::harness::process::{Out, finish};
use crate::harness::user::{IMAGE, Session};
use std::time::Duration;

/// `bolt WORDS` of a shell that has set a limit, with SIGXFSZ as a login has it: the program of the
/// tests ignores it, as `bolt` does.
fn limited(s: &Session, limit: &str, words: &str) -> Out {
    let script = format!("{limit}; exec \"$BOLT\" {words}");
    let mut command = s.command("env");
    command.args(["--default-signal=XFSZ", "bash", "-c", &script]).env("BOLT", s.program());
    finish(command.spawn().unwrap(), Duration::from_secs(30), &script)
}

fn names(path: std::path::PathBuf) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn too_few_descriptors_leave_neither_directory_nor_name_nor_volume() {
    let s = session!();
    s.ok(&["volume", "create", "kept"]);
    for most in 4..20 {
        let words = format!("run --name n{most} --network none -v /made {IMAGE} true");
        let out = limited(&s, &format!("ulimit -n {most}"), &words);
        assert_eq!(out.code, 125, "{most}: {out:?}");
        assert!(out.err.contains("ulimit -n"), "{most}: {out:?}");
        let containers = s.data().join("containers");
        let left = [names(containers.join("by-name")), names(containers)].concat();
        let made = |name: &String| !["by-name", ".mend", "list"].contains(&name.as_str());
        assert!(!left.iter().any(made), "{most}: {left:?}");
        assert_eq!(names(s.data().join("volumes")), ["kept"], "{most}");
    }
}

/// SIGXFSZ ended `bolt` without a word.
#[test]
fn a_small_limit_of_file_sizes_is_told_and_the_payload_has_its_signal() {
    let s = session!();
    // In blocks of 1024 bytes.
    for (limit, flag) in [(0, "--rm"), (1, "--rm"), (0, "-d"), (1, "-d")] {
        let words = format!("run {flag} --network none {IMAGE} true");
        let out = limited(&s, &format!("ulimit -f {limit}"), &words);
        assert!(out.code == 125 && out.err.contains("ulimit -f unlimited"), "{limit}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
    let words = format!("run --rm --network none {IMAGE} sh -c 'yes >/big; kill -l $?'");
    let out = limited(&s, "ulimit -f 1000", &words);
    assert_eq!((out.code, out.out.trim()), (0, "XFSZ"), "{out:?}");
    let status = "grep SigIgn /proc/self/status";
    for words in [format!("run --rm --network none {IMAGE} {status}"), format!("unshare {status}")]
    {
        let out = limited(&s, "ulimit -f 1000", &words).out;
        let ignored = out.strip_prefix("SigIgn:\t").map(|set| u64::from_str_radix(set.trim(), 16));
        // SIGXFSZ is number 25.
        assert_eq!(ignored.unwrap().unwrap() & 1 << 24, 0, "{words}: {out}");
    }
}

/// Root's containers have groups of their own where control groups are of version 1 or mixed.
#[test]
fn limits_of_version_1_hold_and_an_out_of_memory_end_is_told() {
    let s = session!();
    let memory = std::path::Path::new("/sys/fs/cgroup/memory");
    if !rustix::process::geteuid().is_root() || !memory.join("memory.limit_in_bytes").exists() {
        skip!("only root may make groups of version 1, where there are some");
    }
    let root = |args: &[&str]| {
        let mut command = s.command_of_the_tester(s.program());
        command.env("BOLT_ROOT", s.dir().join("root")).args(args);
        finish(command.spawn().unwrap(), Duration::from_secs(30), "bolt as root")
    };
    let pulled = root(&["pull", "-q", &s.image_source()]);
    let image = pulled.out.trim();
    let held = ["-m", "64m", "--cpus", "0.5", "--pids-limit", "50", image, "sleep", "1000"];
    let out = root(&[&["run", "-d", "--name", "held", "--network", "none"], &held[..]].concat());
    assert_eq!((out.code, out.err.as_str()), (0, ""), "{out:?}");
    let id = out.out.trim();
    for (file, wanted) in [
        ("memory/bolt/ID/memory.limit_in_bytes", "67108864"),
        ("cpu/bolt/ID/cpu.cfs_quota_us", "50000"),
        ("pids/bolt/ID/pids.max", "50"),
    ] {
        let path = format!("/sys/fs/cgroup/{}", file.replace("ID", id));
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), wanted, "{path}");
    }
    assert_eq!(root(&["inspect", "-f", "{{json .Denied}}", "held"]).out.trim(), "[]");
    assert_eq!(root(&["rm", "-f", "-t", "0", "held"]).code, 0);
    assert!(!memory.join("bolt").join(id).exists());

    let eater = ["-m", "32m", image, "sh", "-c", "a=x; while :; do a=$a$a; done"];
    let out = root(&[&["run", "--name", "eater", "--network", "none"], &eater[..]].concat());
    assert_eq!(out.code, 137, "{out:?}");
    assert!(out.err.contains("it was out of memory"), "{out:?}");
    assert_eq!(root(&["inspect", "-f", "{{.State.OOMKilled}}", "eater"]).out.trim(), "true");
    assert_eq!(root(&["rm", "eater"]).code, 0);
}
