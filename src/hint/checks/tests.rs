//! Hosts of several kinds, as trees of files that are replayed.

use super::*;
use crate::hint::{self, facts::Caller};
use rustix::process::geteuid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Tree {
        let dir = std::env::temp_dir().join(format!("bolt-doctor-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let tree = Tree(dir);
        tree.file("proc/sys/user/max_user_namespaces", "100\n");
        tree.file("proc/sys/vm/max_map_count", "1048576\n");
        tree.file("proc/self/status", "Name:\tx\nNoNewPrivs:\t0\n");
        tree.file("proc/self/limits", "Max open files            1024   524288   files\n");
        tree.file("proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 none rw\n");
        tree.file("etc/passwd", "root:x:0:0::/:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n");
        tree.file("etc/subuid", "ada:100000:65536\n");
        tree.file("etc/subgid", "1000:100000:65536\n");
        tree.file("dev/net/tun", "");
        tree.file("var/lib/systemd/linger/ada", "");
        for (tool, mode) in [("newuidmap", 0o4755), ("newgidmap", 0o4755), ("pasta", 0o755)] {
            tree.program(tool, mode);
        }
        tree
    }
    fn file(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fn program(&self, name: &str, mode: u32) {
        let path = format!("usr/bin/{name}");
        self.file(&path, "");
        fs::set_permissions(self.0.join(path), PermissionsExt::from_mode(mode)).unwrap();
    }
    fn remove(&self, path: &str) {
        fs::remove_file(self.0.join(path)).unwrap();
    }
    fn facts(&self, uid: u32) -> Facts {
        let program = Path::new("/opt/bolt/bin/bolt").to_owned();
        Facts::gather(&self.0, Caller { uid, runtime_dir: None, program })
    }
    fn check(&self, name: &str) -> Check {
        all(&self.facts(1000)).into_iter().find(|c| c.name == name).unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_good_host_has_nothing_to_mend() {
    let tree = Tree::new("good");
    let unlucky: Vec<_> =
        all(&tree.facts(1000)).into_iter().filter(|c| c.status == Status::Fail).collect();
    assert_eq!(unlucky, []);
    for name in [
        "user-namespaces",
        "id-map-tools",
        "subordinate-ids",
        "nofile",
        "max-map-count",
        "uplink",
        "lingering",
        "no-new-privs",
        "apparmor",
        "tun",
    ] {
        assert_eq!(tree.check(name).status, Status::Ok, "{name}");
    }
}

#[test]
fn each_fault_is_seen_and_has_a_command() {
    let tree = Tree::new("bad");
    let mended = |name: &str, status: Status, part: &str| {
        let check = tree.check(name);
        assert_eq!(check.status, status, "{check:?}");
        assert!(check.fix.as_ref().is_some_and(|fix| fix.contains(part)), "{check:?}");
    };
    tree.file("proc/sys/user/max_user_namespaces", "0\n");
    mended("user-namespaces", Status::Fail, "user.max_user_namespaces = 28633");
    tree.file("proc/sys/kernel/unprivileged_userns_clone", "0\n");
    mended("user-namespaces", Status::Fail, "kernel.unprivileged_userns_clone = 1");
    tree.file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    mended("apparmor", Status::Fail, "profile bolt /opt/bolt/bin/bolt{,-shim} flags=(unconfined)");
    tree.file("proc/self/status", "NoNewPrivs:\t1\n");
    mended("no-new-privs", Status::Warn, "systemd-run");
    tree.program("newgidmap", 0o755);
    mended("id-map-tools", Status::Warn, "chmod u+s");
    tree.remove("usr/bin/newuidmap");
    mended("id-map-tools", Status::Warn, "uidmap");
    tree.file("etc/subuid", "ada:100000:10\nbob:200000:65536\n");
    // Another user's range is not handed out twice.
    mended("subordinate-ids", Status::Warn, "--add-subgids 265536-331071 ada");
    mended("cgroups", Status::Warn, "Delegate=");
    tree.file("proc/self/mountinfo", "");
    mended("cgroups", Status::Warn, "mount -t cgroup2");
    tree.file("proc/self/limits", "Max open files            1024   4096   files\n");
    mended("nofile", Status::Warn, "1048576");
    tree.file("proc/sys/vm/max_map_count", "65530\n");
    mended("max-map-count", Status::Warn, "vm.max_map_count = 1048576");
    tree.remove("dev/net/tun");
    mended("tun", Status::Warn, "modprobe tun");
    tree.remove("usr/bin/pasta");
    mended("uplink", Status::Warn, "passt");
    tree.remove("var/lib/systemd/linger/ada");
    mended("lingering", Status::Warn, "enable-linger ada");
}

#[test]
fn an_overlay_that_mounts_outweighs_the_apparmor_switch() {
    let tree = Tree::new("apparmor");
    tree.file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    let mut facts = tree.facts(1000);
    facts.overlay = Overlay::Works;
    assert!(all(&facts).iter().all(|c| c.name != "apparmor" || c.status == Status::Ok));
}

#[test]
fn a_refused_overlay_is_no_failure_and_has_its_substitute() {
    let tree = Tree::new("overlay");
    let mut facts = Facts { overlay: Overlay::Refused("mount: no".into()), ..tree.facts(1000) };
    let check = |facts: &Facts| all(facts).into_iter().find(|c| c.name == "overlay").unwrap();
    let none = check(&facts);
    assert_eq!(none.status, Status::Warn);
    assert!(none.fix.is_some_and(|fix| fix.contains("install fuse-overlayfs")));
    tree.program("fuse-overlayfs", 0o755);
    facts.fuse_overlayfs = tree.facts(1000).fuse_overlayfs;
    assert!(facts.fuse_overlayfs.is_some());
    assert_eq!(check(&facts).fix.as_deref(), Some("sudo modprobe fuse"));
    tree.file("dev/fuse", "");
    facts.fuse = tree.facts(1000).fuse;
    let there = check(&facts);
    assert_eq!((there.status, there.fix.is_none()), (Status::Warn, true));
    assert!(there.seen.ends_with("fuse-overlayfs is there"), "{}", there.seen);
}

#[test]
fn controllers_come_from_the_users_own_group() {
    let tree = Tree::new("cgroup");
    let uid = geteuid().as_raw();
    let dir = if uid == 0 {
        "".to_owned()
    } else {
        format!("user.slice/user-{uid}.slice/user@{uid}.service/")
    };
    tree.file(&format!("sys/fs/cgroup/{dir}cgroup.controllers"), "cpuset cpu memory pids\n");
    let wanted = ["cpuset", "cpu", "memory", "pids"].map(str::to_owned).to_vec();
    assert_eq!(tree.facts(uid).cgroups, Cgroups::V2 { delegated: wanted });
    tree.file(
        "proc/self/mountinfo",
        "1 0 0:1 / /c rw - cgroup c rw\n2 0 0:1 / /u rw - cgroup2 c rw\n",
    );
    assert_eq!(tree.facts(uid).cgroups, Cgroups::Hybrid);
    // What was delegated of version 1 counts too.
    for (limits, status, seen) in [
        (&[][..], Status::Warn, "version 1"),
        (
            &["cpu", "cpuset", "memory"],
            Status::Warn,
            "version 1: cpu cpuset memory; not delegated to you: pids",
        ),
        (
            &["cpu", "memory", "pids"],
            Status::Warn,
            "version 1: cpu memory pids; not delegated to you: cpuset",
        ),
        (&["cpu", "cpuset", "memory", "pids"], Status::Ok, "version 1: cpu cpuset memory pids"),
    ] {
        let limits = limits.iter().map(|name| (*name).to_owned()).collect();
        let facts = Facts { limits, ..tree.facts(1000) };
        let check = all(&facts).into_iter().find(|c| c.name == "cgroups").unwrap();
        assert_eq!((check.status, check.seen.as_str()), (status, seen));
    }
}

#[test]
fn a_refused_start_is_explained_by_the_same_table() {
    let tree = Tree::new("hint");
    tree.file("proc/sys/user/max_user_namespaces", "0\n");
    let advice = hint::of_failure(Stage::UserNamespace, 28, &tree.facts(1000)).unwrap();
    assert!(advice.starts_with("user.max_user_namespaces is 0; "), "{advice}");
    assert!(hint::of_failure(Stage::Other, 28, &tree.facts(1000)).unwrap().contains("df -h"));
    assert_eq!(hint::of_failure(Stage::Other, 1, &tree.facts(1000)), None);
}
