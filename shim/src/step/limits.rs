//! Resource limits, sysctls and capabilities. Runs in I, in this order: a limit may need the
//! capabilities that are dropped last.

use crate::at::{At, Res, failure};
use bolt_shim::report::Step;
use caps::{CapSet, CapsHashSet};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::os::fd::BorrowedFd;

/// setrlimit(2) for each (number, soft, hard).
pub(crate) fn rlimits(limits: &[(u32, u64, u64)]) -> Res<()> {
    for &(number, soft, hard) in limits {
        set_rlimit(number, soft, hard).at(Step::Rlimit, number.to_string())?;
    }
    Ok(())
}

fn set_rlimit(number: u32, soft: u64, hard: u64) -> Result<(), nix::errno::Errno> {
    use nix::sys::resource::{Resource, setrlimit};
    let resource = match number as i32 {
        0 => Resource::RLIMIT_CPU,
        1 => Resource::RLIMIT_FSIZE,
        2 => Resource::RLIMIT_DATA,
        3 => Resource::RLIMIT_STACK,
        4 => Resource::RLIMIT_CORE,
        5 => Resource::RLIMIT_RSS,
        6 => Resource::RLIMIT_NPROC,
        7 => Resource::RLIMIT_NOFILE,
        8 => Resource::RLIMIT_MEMLOCK,
        9 => Resource::RLIMIT_AS,
        10 => Resource::RLIMIT_LOCKS,
        11 => Resource::RLIMIT_SIGPENDING,
        12 => Resource::RLIMIT_MSGQUEUE,
        13 => Resource::RLIMIT_NICE,
        14 => Resource::RLIMIT_RTPRIO,
        15 => Resource::RLIMIT_RTTIME,
        _ => return Err(nix::errno::Errno::EINVAL),
    };
    setrlimit(resource, soft, hard)
}

/// Writes below the container's `/proc/sys`, before it is made read-only.
pub(crate) fn sysctl(root: BorrowedFd<'_>, settings: &[(String, String)]) -> Res<()> {
    for (name, value) in settings {
        let path = format!("proc/sys/{name}");
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let fd = openat2(root, path.as_str(), OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty(), how)
            .at(Step::Sysctl, name)?;
        rustix::io::write(&fd, value.as_bytes()).at(Step::Sysctl, name)?;
    }
    Ok(())
}

/// Drops everything that is not in `kept` (bits) out of the bounding set.
///
/// Needs CAP_SETPCAP, so it comes before [`set_caps`]. Bits above the kernel's last
/// capability are ignored.
pub(crate) fn bound(kept: u64) -> Res<()> {
    for number in 0..63u8 {
        if kept >> number & 1 == 1 {
            continue;
        }
        match drop_bounding(number) {
            Ok(()) => {}
            Err(libc::EINVAL) => break,
            Err(errno) => return Err(failure(Step::Caps, "bounding set", errno)),
        }
    }
    Ok(())
}

/// One prctl per bit: the caps crate reads the whole set around each of its drops.
fn drop_bounding(number: u8) -> Result<(), i32> {
    match rustix::thread::remove_capability_from_bounding_set(bit(number)) {
        Ok(()) => Ok(()),
        Err(e) => Err(e.raw_os_error()),
    }
}

fn bit(number: u8) -> rustix::thread::CapabilitySet {
    rustix::thread::CapabilitySet::from_bits_retain(1 << number)
}

/// What a program begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// Effective and permitted capabilities as bits.
    pub(crate) caps: u64,
    /// Inheritable and ambient too, so that programs it executes have them.
    pub(crate) lasting: bool,
}

/// Of `kept`, root has all and needs no ambient ones. Others have what was `added` for them, and
/// otherwise none: a nested sandbox takes ambient ones for privilege.
pub(crate) fn held(kept: u64, added: u64, uid: u32) -> Held {
    match uid {
        0 => Held { caps: kept, lasting: false },
        _ => Held { caps: kept & added, lasting: kept & added != 0 },
    }
}

/// Sets all four sets.
pub(crate) fn set_caps(held: Held) -> Res<()> {
    let set: CapsHashSet =
        caps::all().into_iter().filter(|c| held.caps >> c.index() & 1 == 1).collect();
    let none = CapsHashSet::new();
    let put = |which: CapSet, value: &CapsHashSet| {
        caps::set(None, which, value)
            .map_err(|_| failure(Step::Caps, "capset", nix::errno::Errno::last_raw()))
    };
    put(CapSet::Effective, &set)?;
    put(CapSet::Permitted, &set)?;
    if !held.lasting {
        return put(CapSet::Inheritable, &none);
    }
    put(CapSet::Inheritable, &set)?;
    for cap in &set {
        match rustix::thread::configure_capability_in_ambient_set(bit(cap.index()), true) {
            // Above the kernel's last one.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(e) => return Err(failure(Step::Caps, "ambient set", e.raw_os_error())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_has_what_was_added_and_is_kept() {
        assert_eq!(held(0b0110, 0b1010, 0), Held { caps: 0b0110, lasting: false });
        assert_eq!(held(0b0110, 0b1010, 9), Held { caps: 0b0010, lasting: true });
        assert_eq!(held(u64::MAX, 0, 9), Held { caps: 0, lasting: false });
    }
}
