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
pub mod builtin;
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
    use super::*;

    #[test]
    fn the_builtin_filter_is_short() {
        let caps = CapSet::container_default();
        let filter = compile(&Profile::builtin(), caps, &Options::default()).unwrap();
        println!("{} instructions", filter.len());
        assert!(filter.len() <= 450, "{} instructions", filter.len());
    }
}
