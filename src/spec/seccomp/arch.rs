//! What a host's kernel runs: its audit architectures, and the kinds of program told apart by tag bits.
//!
//! All that is special about a machine is data here; a new host is a new entry in [`HOSTS`].

use super::table::{NONE, SYSCALLS};

/// `AUDIT_ARCH_X86_64` of linux/audit.h.
const AUDIT_X86_64: u32 = 0xc000_003e;
/// `AUDIT_ARCH_I386`.
const AUDIT_I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT`: set in the numbers of x32 programs, which the kernel shows as x86-64.
const X32_TAG: u32 = 0x4000_0000;

/// A machine: what runs natively and beside it.
#[derive(Debug)]
pub(super) struct Host {
    /// As in `std::env::consts::ARCH`.
    pub(super) rust: &'static str,
    /// As `includes.arches` and `excludes.arches` of a profile write it.
    pub(super) go: &'static str,
    /// As a profile writes the native architecture.
    pub(super) native: &'static str,
    /// Each audit architecture, the native first.
    pub(super) arches: &'static [Arch],
}

/// One audit architecture (`seccomp_data.arch`).
#[derive(Debug)]
pub(super) struct Arch {
    pub(super) audit: u32,
    pub(super) plain: Abi,
    /// Programs whose call numbers carry this tag, a single high bit.
    pub(super) tagged: Option<(u32, Abi)>,
}

/// One kind of program.
#[derive(Debug)]
pub(super) struct Abi {
    /// As a profile writes it.
    pub(super) scmp: &'static str,
    /// Which number of a table row.
    column: usize,
    /// Whether both halves of an argument are compared. libseccomp treats x32 as 32-bit, so do we.
    pub(super) wide: bool,
    /// Whether `socketcall` and `ipc` exist, one number for many calls.
    pub(super) multiplexed: bool,
}

static HOSTS: &[Host] = &[Host {
    rust: "x86_64",
    go: "amd64",
    native: "SCMP_ARCH_X86_64",
    arches: &[
        Arch {
            audit: AUDIT_X86_64,
            plain: Abi { scmp: "SCMP_ARCH_X86_64", column: 0, wide: true, multiplexed: false },
            tagged: Some((
                X32_TAG,
                Abi { scmp: "SCMP_ARCH_X32", column: 1, wide: false, multiplexed: false },
            )),
        },
        Arch {
            audit: AUDIT_I386,
            plain: Abi { scmp: "SCMP_ARCH_X86", column: 2, wide: false, multiplexed: true },
            tagged: None,
        },
    ],
}];

/// The machine this program was built for, where its calls are known.
pub(super) fn host() -> Option<&'static Host> {
    HOSTS.iter().find(|host| host.rust == std::env::consts::ARCH)
}

/// Calls of `socketcall`, by its first argument less one (linux/net.h).
static SOCKET_CALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// Calls of `ipc` and its first argument for each (linux/ipc.h).
static IPC_CALLS: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

impl Abi {
    /// The number of a call, without the tag.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let row = SYSCALLS.binary_search_by_key(&name, |(known, _)| known).ok()?;
        match SYSCALLS[row].1[self.column] {
            NONE => None,
            number => u32::try_from(number).ok(),
        }
    }

    /// Where a call can also be reached through another: that one's number and first argument.
    pub(super) fn multiplexer(&self, name: &str) -> Option<(u32, u64)> {
        if !self.multiplexed {
            return None;
        }
        if let Some(at) = SOCKET_CALLS.iter().position(|known| *known == name) {
            return Some((self.number("socketcall")?, at as u64 + 1));
        }
        let (_, call) = IPC_CALLS.iter().find(|(known, _)| *known == name)?;
        Some((self.number("ipc")?, *call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abis() -> (&'static Abi, &'static Abi, &'static Abi) {
        let arches = HOSTS[0].arches;
        let (_, x32) = arches[0].tagged.as_ref().unwrap();
        (&arches[0].plain, x32, &arches[1].plain)
    }

    #[test]
    fn the_table_is_sorted_and_numbers_are_unique() {
        assert!(SYSCALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for column in 0..3 {
            let mut numbers: Vec<i16> = SYSCALLS
                .iter()
                .map(|(_, numbers)| numbers[column])
                .filter(|number| *number != NONE)
                .collect();
            let all = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), all, "column {column}");
        }
    }

    #[test]
    fn numbers_of_the_three_kinds() {
        let (x64, x32, i386) = abis();
        let cases = [
            ("read", Some(0), Some(0), Some(3)),
            ("ioctl", Some(16), Some(514), Some(54)),
            ("socketcall", None, None, Some(102)),
            ("accept", Some(43), Some(43), None),
            ("futex_waitv", Some(449), Some(449), Some(449)),
            ("mseal", Some(462), Some(462), Some(462)),
            ("no_such_call", None, None, None),
        ];
        for (name, a, b, c) in cases {
            assert_eq!(x64.number(name), a, "{name}");
            assert_eq!(x32.number(name), b, "{name}");
            assert_eq!(i386.number(name), c, "{name}");
        }
    }

    #[test]
    fn only_i386_multiplexes() {
        let (x64, _, i386) = abis();
        assert_eq!(x64.multiplexer("socket"), None);
        assert_eq!(i386.multiplexer("socket"), Some((102, 1)));
        assert_eq!(i386.multiplexer("sendmmsg"), Some((102, 20)));
        assert_eq!(i386.multiplexer("shmctl"), Some((117, 24)));
        assert_eq!(i386.multiplexer("read"), None);
    }
}
