//! The cgroup lines of /proc/self/mountinfo and /proc/self/cgroup (proc(5)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mounted cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CgroupMount {
    /// v2 or v1.
    pub(super) v2: bool,
    /// The directory of the hierarchy that the mount shows as its root.
    pub(super) shown: PathBuf,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// The controllers of a v1 hierarchy.
    pub(super) controllers: Vec<String>,
}

impl CgroupMount {
    /// The directory of `path` (as /proc/PID/cgroup names it) below this mount; none when it
    /// lies outside what the mount or the cgroup namespace shows.
    pub(super) fn directory(&self, path: &str) -> Option<PathBuf> {
        let below = Path::new(path).strip_prefix(&self.shown).ok()?;
        let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            return None;
        }
        // `join("")` would add a slash at the end.
        Some(if below.as_os_str().is_empty() { self.point.clone() } else { self.point.join(below) })
    }
}

/// v1 controllers that a limit or its bookkeeping can use; the other words of the super options
/// (`rw`, `xattr`, `name=systemd`) are none.
const CONTROLLERS: [&str; 6] = ["cpu", "cpuacct", "cpuset", "memory", "pids", "freezer"];

/// The cgroup mounts, in order; lines that are not understood are passed over.
pub(super) fn cgroup_mounts(mountinfo: &str) -> Vec<CgroupMount> {
    mountinfo.lines().filter_map(cgroup_mount).collect()
}

fn cgroup_mount(line: &str) -> Option<CgroupMount> {
    let (mount, super_block) = line.split_once(" - ")?;
    let mut super_block = super_block.split(' ');
    let v2 = match super_block.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = super_block.nth(1)?;
    let known = |option: &&str| CONTROLLERS.contains(option);
    let controllers: Vec<String> = options.split(',').filter(known).map(str::to_owned).collect();
    if !v2 && controllers.is_empty() {
        return None;
    }
    let mut fields = mount.split(' ').skip(3);
    let shown = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    Some(CgroupMount { v2, shown, point, controllers })
}

/// The caller's path by controller; the v2 path under the empty name.
pub(super) fn own_paths(cgroup: &str) -> BTreeMap<String, String> {
    let mut paths = BTreeMap::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (parts.next(), parts.next()) else { continue };
        for name in names.split(',') {
            paths.insert(name.to_owned(), path.to_owned());
        }
    }
    paths
}

/// Undoes the kernel's `\040` style of writing blanks in mountinfo.
fn unescape(field: &str) -> PathBuf {
    let bytes = field.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let octal = bytes.get(i + 1..i + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if bytes[i] == b'\\' => {
                plain.push(byte);
                i += 4;
            }
            _ => {
                plain.push(bytes[i]);
                i += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_every_kind() {
        let text = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:3 - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 /docker/ab /sys/fs/cg\\040x rw - cgroup2 cgroup2 rw,nsdelegate
broken line";
        let mounts = cgroup_mounts(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].controllers, ["cpu", "cpuacct"]);
        assert!(mounts[1].v2);
        assert_eq!(mounts[1].point, Path::new("/sys/fs/cg x"));
        let dir = |path| mounts[1].directory(path);
        assert_eq!(dir("/docker/ab/leaf"), Some("/sys/fs/cg x/leaf".into()));
        assert_eq!(dir("/docker/ab"), Some("/sys/fs/cg x".into()));
        assert_eq!(dir("/elsewhere"), None);
    }

    #[test]
    fn a_path_outside_the_cgroup_namespace_has_no_directory() {
        let mount = cgroup_mounts("41 31 0:38 / /c rw - cgroup2 cgroup2 rw").remove(0);
        assert_eq!(mount.directory("/../other"), None);
    }

    #[test]
    fn own_paths_by_controller() {
        let own = own_paths("3:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/user.slice\n");
        assert_eq!(own["cpu"], "/a:b");
        assert_eq!(own["cpuacct"], "/a:b");
        assert_eq!(own[""], "/user.slice");
    }
}
