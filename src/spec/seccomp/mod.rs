//! The seccomp filter of a container: a profile and a capability set compiled to classic BPF.
//!
//! The profile has containers-common's form (podman's and docker's `seccomp.json`), the verdicts
//! are those libseccomp gives, the program is ours: one switch on the architecture, a binary
//! search over call numbers, few instructions to load. x86-64, x32 and i386 are served side by
//! side, because games run 32-bit code.
//!
//! Compiling is pure. [`cached`] keeps results on disk, so that a start only reads a file.

mod arch;
mod bpf;
mod builtin;
mod cache;
mod emit;
mod errno;
mod json;
mod profile;
mod table;
mod verdict;

#[cfg(test)]
mod interpreter;
#[cfg(test)]
mod oracle;

pub use cache::{Source, cached};
pub use profile::Profile;

use crate::spec::caps::CapSet;
use profile::Rule;

/// Programs the kernel takes (`BPF_MAXINSNS`).
const MAX_INSNS: usize = 4096;

/// Raised with every change of what the compiler makes from the same input.
const COMPILER_VERSION: u32 = 1;

/// What shapes the filter besides profile and capabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Allow `kcmp` and `process_madvise` whatever the profile says: Mesa and games need them.
    pub games: bool,
    /// The running kernel's major and minor number, for `minKernel`; none is new enough for all.
    pub kernel: Option<(u32, u32)>,
}

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    bytes: Vec<u8>,
}

impl Filter {
    /// The program: 8-byte `struct sock_filter`s in native byte order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes themselves.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// How many instructions there are.
    #[allow(clippy::len_without_is_empty)] // A filter always has at least a return.
    pub fn len(&self) -> usize {
        self.bytes.len() / bpf::INSN
    }
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// Not JSON, or not the keys and types of a profile.
    #[error("seccomp: {at} is not written as a profile is")]
    Malformed {
        /// The place: `the profile`, `syscalls[3]`, `syscalls[3] (clone), args[0]`.
        at: String,
        /// What was found, with line and column inside that place.
        source: serde_json::Error,
    },
    /// A value that means nothing.
    #[error("seccomp: {at}: {field} {value:?}: {reason}")]
    Field {
        /// The place, as above.
        at: String,
        /// The key.
        field: &'static str,
        /// What it held.
        value: String,
        /// What is wrong with it, or what would be right.
        reason: &'static str,
    },
    /// `SCMP_ACT_NOTIFY`.
    #[error(
        "seccomp: {at}: action SCMP_ACT_NOTIFY is not supported by this version; use SCMP_ACT_ERRNO"
    )]
    Notify {
        /// The place, as above.
        at: String,
    },
    /// The profile has more distinctions than the kernel takes.
    #[error(
        "seccomp: the filter needs {insns} instructions, the kernel takes 4096; the profile needs fewer rules with args"
    )]
    TooLong {
        /// Instructions needed.
        insns: usize,
    },
    /// A machine whose system calls this program does not know.
    #[error(
        "seccomp: no table of system calls for {arch}; run with --security-opt seccomp=unconfined"
    )]
    Host {
        /// The machine.
        arch: &'static str,
    },
}

/// Compiles `profile` for a container whose bounding set is `caps`.
///
/// Entries that do not count for this host, these capabilities or this kernel are left out.
pub fn compile(profile: &Profile, caps: CapSet, options: &Options) -> Result<Filter, SeccompError> {
    let host = arch::host().ok_or(SeccompError::Host { arch: std::env::consts::ARCH })?;
    let games = builtin::games();
    let rules: Vec<&Rule> = options
        .games
        .then_some(&games)
        .into_iter()
        .chain(&profile.rules)
        .filter(|rule| rule.when.holds(host, caps, options))
        .collect();
    let program = emit::program(host, profile, &rules);
    match program.len() {
        insns if insns > MAX_INSNS => Err(SeccompError::TooLong { insns }),
        _ => Ok(Filter { bytes: program.bytes() }),
    }
}

#[cfg(test)]
mod tests {
    use super::interpreter::{Call, run};
    use super::*;

    const X64: u32 = 0xc000_003e;
    const I386: u32 = 0x4000_0003;
    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const EINVAL: u32 = 0x0005_0016;
    const ENOSYS: u32 = 0x0005_0026;

    fn verdict(filter: &Filter, arch: u32, number: u32, args: [u64; 6]) -> u32 {
        run(filter.bytes(), &Call { arch, number, args })
    }

    fn builtin(caps: CapSet, games: bool) -> Filter {
        let options = Options { games, ..Options::default() };
        compile(&Profile::builtin(), caps, &options).unwrap()
    }

    #[test]
    fn the_builtin_filter_is_short() {
        for caps in [CapSet::container_default(), CapSet::EMPTY, CapSet::ALL] {
            let filter = builtin(caps, false);
            assert_eq!(filter.bytes().len(), filter.len() * 8);
            assert!(filter.len() <= 400, "{} instructions", filter.len());
        }
    }

    /// docker#42680: EPERM for calls not yet known breaks the fall-back of every libc.
    #[test]
    fn unknown_calls_are_enosys() {
        let filter = builtin(CapSet::container_default(), false);
        for (arch, number) in [(X64, 999), (I386, 999), (X64, 0x4000_0000 + 999), (X64, 462)] {
            assert_eq!(verdict(&filter, arch, number, [0; 6]), ENOSYS);
        }
    }

    #[test]
    fn games_may_compare_files_and_advise_memory() {
        let caps = CapSet::container_default();
        for (games, expected) in [(false, EPERM), (true, ALLOW)] {
            let filter = builtin(caps, games);
            // kcmp, process_madvise; on i386 kcmp is 349.
            for (arch, number) in [(X64, 312), (X64, 440), (I386, 349), (I386, 440)] {
                assert_eq!(verdict(&filter, arch, number, [0; 6]), expected, "{number}");
            }
        }
    }

    #[test]
    fn wine_and_fsync_have_their_calls() {
        let filter = builtin(CapSet::container_default(), false);
        // read, modify_ldt, futex_waitv, clone3; i386 read, modify_ldt, futex_waitv.
        for number in [0, 154, 449, 435] {
            assert_eq!(verdict(&filter, X64, number, [0; 6]), ALLOW, "{number}");
        }
        for number in [3, 123, 449] {
            assert_eq!(verdict(&filter, I386, number, [0; 6]), ALLOW, "{number}");
        }
    }

    #[test]
    fn an_audit_socket_needs_its_capability() {
        let audit = [16, 0, 9, 0, 0, 0];
        let filter = builtin(CapSet::container_default(), false);
        assert_eq!(verdict(&filter, X64, 41, audit), EINVAL);
        assert_eq!(verdict(&filter, X64, 41, [16, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(verdict(&filter, X64, 41, [1, 0, 9, 0, 0, 0]), ALLOW);
        let filter = builtin(CapSet::parse("AUDIT_WRITE").unwrap(), false);
        assert_eq!(verdict(&filter, X64, 41, audit), ALLOW);
    }

    #[test]
    fn conditions_of_an_entry() {
        let json = br#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_KILL_PROCESS", "includes": {"minKernel": "6.2"}},
            {"names": ["write"], "action": "SCMP_ACT_TRAP", "excludes": {"minKernel": "6.2"}},
            {"names": ["open"], "action": "SCMP_ACT_LOG", "includes": {"arches": ["arm64"]}},
            {"name": "close", "action": "SCMP_ACT_TRACE", "errno": "EBADF",
             "excludes": {"arches": ["arm64"], "caps": ["CAP_CHOWN"]}},
            {"names": ["lseek"], "action": "SCMP_ACT_ERRNO", "includes": {"caps": ["CAP_CHOWN", "KILL"]}}
        ]}"#;
        let profile = Profile::parse(json).unwrap();
        let caps = |names: &[&str]| CapSet::EMPTY.adjusted(names, &[]).unwrap();
        let verdicts = |kernel, caps| {
            let options = Options { games: false, kernel };
            let filter = compile(&profile, caps, &options).unwrap();
            [0, 1, 2, 3, 8].map(|number| verdict(&filter, X64, number, [0; 6]))
        };
        let (kill, trap, trace) = (0x8000_0000, 0x0003_0000, 0x7ff0_0009);
        assert_eq!(verdicts(None, CapSet::EMPTY), [kill, ALLOW, ALLOW, trace, ALLOW]);
        assert_eq!(
            verdicts(Some((6, 1)), caps(&["CHOWN", "KILL"])),
            [ALLOW, trap, ALLOW, ALLOW, EPERM]
        );
        assert_eq!(verdicts(Some((7, 0)), caps(&["CHOWN"])), [kill, ALLOW, ALLOW, ALLOW, ALLOW]);
    }

    #[test]
    fn a_profile_without_i386_kills_its_programs() {
        let profile = Profile::parse(br#"{"defaultAction": "SCMP_ACT_ALLOW"}"#).unwrap();
        let filter = compile(&profile, CapSet::EMPTY, &Options::default()).unwrap();
        assert_eq!(verdict(&filter, X64, 0, [0; 6]), ALLOW);
        assert_eq!(verdict(&filter, I386, 0, [0; 6]), 0);
        assert_eq!(verdict(&filter, X64, 0x4000_0000, [0; 6]), 0);
        assert_eq!(verdict(&filter, X64, u32::MAX, [0; 6]), ALLOW);
    }

    #[test]
    fn a_filter_the_kernel_would_refuse_is_an_error() {
        let arg = |value: u32| format!(r#"{{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}"#);
        let args: Vec<String> = (0..1500).map(arg).collect();
        let json = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {{"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [{}]}}]}}"#,
            args.join(",")
        );
        let profile = Profile::parse(json.as_bytes()).unwrap();
        let error = compile(&profile, CapSet::EMPTY, &Options::default()).unwrap_err();
        assert!(matches!(error, SeccompError::TooLong { insns } if insns > 4096), "{error}");
    }

    /// Jumps across more than 255 instructions, in both the search and the comparisons.
    #[test]
    fn long_filters_jump_right() {
        let arg = |value: u32| format!(r#"{{"index": 1, "value": {value}, "op": "SCMP_CMP_EQ"}}"#);
        let args: Vec<String> = (0..400).map(|n| arg(3 * n)).collect();
        let json = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
                {{"names": ["ioctl", "fcntl"], "action": "SCMP_ACT_ALLOW", "args": [{}]}},
                {{"names": ["read", "write", "close"], "action": "SCMP_ACT_ALLOW"}}]}}"#,
            args.join(",")
        );
        let profile = Profile::parse(json.as_bytes()).unwrap();
        let filter = compile(&profile, CapSet::EMPTY, &Options::default()).unwrap();
        assert!(filter.len() > 1000);
        for (number, value, expected) in [
            (0, 0, ALLOW),
            (2, 0, ENOSYS),
            (3, 0, ALLOW),
            (16, 0, ALLOW),
            (16, 1197, ALLOW),
            (16, 1198, ENOSYS),
            (72, 600, ALLOW),
            (72, 601, ENOSYS),
            (999, 0, ENOSYS),
        ] {
            let args = [0, value, 0, 0, 0, 0];
            assert_eq!(verdict(&filter, X64, number, args), expected, "{number}, {value}");
        }
    }
}
