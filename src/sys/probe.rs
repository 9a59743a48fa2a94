//! A trial of what the kernel allows, made by a process that exists for it alone.

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::ffi::CString;
use std::path::Path;
use std::{fs, io};

/// What a probe could not do.
#[derive(Debug, thiserror::Error)]
#[error("{step}")]
pub struct ProbeError {
    /// What was done, in words.
    pub step: &'static str,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

fn at<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> ProbeError {
    move |e| ProbeError { step, source: e.into() }
}

/// Mounts an overlay with `userxattr` below `dir` in a new mount namespace, and for users in a
/// new user namespace.
///
/// The calling process is changed for good (a user becomes root of a one-id namespace) and must have
/// one thread: unshare(CLONE_NEWUSER) is EINVAL otherwise. `dir` must be empty; directories are
/// left in it.
pub fn probe_overlay(dir: &Path) -> Result<(), ProbeError> {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    // Relative names: a comma or colon in the path would be read as an option.
    std::env::set_current_dir(dir).map_err(at("enter the directory"))?;
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(name).map_err(at("make a directory"))?;
    }
    // Containers of root have no user namespace to mount in.
    let user = if uid == 0 { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: no memory is passed; the caller has one thread, so no other sees a changed
    // namespace half way.
    if unsafe { libc::unshare(user | libc::CLONE_NEWNS) } != 0 {
        return Err(at("make a namespace")(io::Error::last_os_error()));
    }
    if uid != 0 {
        fs::write("/proc/self/setgroups", "deny").map_err(at("deny setgroups"))?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1")).map_err(at("write uid_map"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1")).map_err(at("write gid_map"))?;
    }
    let private = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
    mount_change("/", private).map_err(at("make the mounts private"))?;
    let options = CString::new("lowerdir=lower,upperdir=upper,workdir=work,userxattr")
        .map_err(|_| at("name the layers")(Errno::INVAL))?;
    mount("overlay", "merged", "overlay", MountFlags::empty(), options.as_c_str())
        .map_err(at("mount an overlay"))?;
    fs::write("merged/file", "").map_err(at("write into the overlay"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::chown;

    /// Forks, becomes `uid`, probes; the exit code is 0 or the errno.
    fn probe_as(uid: u32, dir: &Path) -> i32 {
        // SAFETY: the child has one thread and leaves by _exit, so nothing of the parent's is
        // run or flushed twice; musl and glibc keep malloc usable after a fork.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                if libc::getuid() != uid && (libc::setgid(uid) != 0 || libc::setuid(uid) != 0) {
                    libc::_exit(255);
                }
                // setuid(2) clears it, and /proc/self is then root's.
                libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0);
                let result = probe_overlay(dir);
                libc::_exit(result.map_or_else(|e| e.source.raw_os_error().unwrap_or(254), |()| 0));
            }
            let mut status = 0;
            assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
            libc::WEXITSTATUS(status)
        }
    }

    #[test]
    fn an_overlay_is_mounted_or_the_errno_is_known() {
        let me = rustix::process::geteuid().as_raw();
        for uid in if me == 0 { vec![0, 65534] } else { vec![me] } {
            // A comma in the name: it must not become an option.
            let dir = std::env::temp_dir().join(format!("bolt,probe-{}-{uid}", std::process::id()));
            fs::create_dir(&dir).unwrap();
            chown(&dir, Some(uid), Some(uid)).unwrap();
            let errno = probe_as(uid, &dir);
            let written = dir.join("upper/file").exists();
            let _ = fs::remove_dir(dir.join("work/work"));
            fs::remove_dir_all(&dir).unwrap();
            assert_eq!(written, errno == 0, "errno {errno}");
            let refusals = [libc::EPERM, libc::EACCES, libc::ENOSPC, libc::EINVAL, libc::ENODEV];
            assert!(errno == 0 || refusals.contains(&errno), "errno {errno}");
            eprintln!("overlay as {uid}: errno {errno}");
        }
    }
}
