//! A seccomp profile as data: what `seccomp.json` of containers-common and docker says.

use super::arch::Host;
use super::{Options, SeccompError};
use crate::spec::caps::CapSet;
use std::borrow::Cow;

/// A profile: a default, and rules in the order they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub(super) default: Action,
    /// Kinds of program served per native architecture, in `SCMP_ARCH_` names.
    pub(super) arches: Vec<ArchEntry>,
    pub(super) rules: Vec<Rule>,
}

/// One line of `archMap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArchEntry {
    pub(super) native: Cow<'static, str>,
    pub(super) beside: Vec<Cow<'static, str>>,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Action {
    KillThread,
    KillProcess,
    Trap,
    Errno(u16),
    Trace(u16),
    Log,
    Allow,
}

/// One entry of `syscalls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) names: Vec<Cow<'static, str>>,
    pub(super) action: Action,
    /// All must hold.
    pub(super) tests: Vec<ArgTest>,
    pub(super) when: When,
}

/// One comparison of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ArgTest {
    /// 0 to 5.
    pub(super) index: u8,
    pub(super) op: Op,
    pub(super) value: u64,
    /// All bits, save for [`Op::MaskedEq`].
    pub(super) mask: u64,
}

/// `SCMP_CMP_*`: the argument stands on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Ne,
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    MaskedEq,
}

/// When an entry counts: `includes` and `excludes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct When {
    /// All of these are held.
    pub(super) caps: CapSet,
    /// None of these is held.
    pub(super) without_caps: CapSet,
    /// The host is one of these; empty is any.
    pub(super) arches: Vec<String>,
    /// The host is none of these.
    pub(super) without_arches: Vec<String>,
    /// This kernel or a newer one.
    pub(super) min_kernel: Option<(u32, u32)>,
    /// An older kernel.
    pub(super) below_kernel: Option<(u32, u32)>,
}

impl Profile {
    /// Reads a profile file: strict, an unknown key, operator or action is an error that names
    /// its entry. Names of system calls are not checked: those that no architecture knows are
    /// ignored, as libseccomp has it.
    pub fn parse(json: &[u8]) -> Result<Profile, SeccompError> {
        super::json::parse(json)
    }

    /// The profile containers have unless told otherwise: containers-common's verdicts, and a few
    /// calls newer than it.
    pub fn builtin() -> Profile {
        super::builtin::profile()
    }

    /// Whether programs of this kind are served on `host`. The native kind always is.
    pub(super) fn serves(&self, host: &Host, scmp: &str) -> bool {
        scmp == host.native
            || self.arches.iter().any(|entry| {
                entry.native == host.native && entry.beside.iter().any(|kind| kind == scmp)
            })
    }
}

impl Action {
    /// `SECCOMP_RET_*` of linux/seccomp.h with its data.
    pub(super) const fn code(self) -> u32 {
        match self {
            Action::KillProcess => 0x8000_0000,
            Action::KillThread => 0,
            Action::Trap => 0x0003_0000,
            Action::Errno(number) => 0x0005_0000 | number as u32,
            Action::Trace(message) => 0x7ff0_0000 | message as u32,
            Action::Log => 0x7ffc_0000,
            Action::Allow => 0x7fff_0000,
        }
    }
}

impl ArgTest {
    /// A comparison of all bits.
    pub(super) const fn new(index: u8, op: Op, value: u64) -> ArgTest {
        ArgTest { index, op, value, mask: u64::MAX }
    }
}

impl When {
    /// Whether the entry counts. Without a stated kernel, every kernel is new enough.
    pub(super) fn holds(&self, host: &Host, caps: CapSet, options: &Options) -> bool {
        let named = |arches: &[String]| arches.iter().any(|arch| arch == host.go);
        let reached = |version| options.kernel.is_none_or(|kernel| kernel >= version);
        caps.contains(self.caps)
            && caps.intersection(self.without_caps).is_empty()
            && (self.arches.is_empty() || named(&self.arches))
            && !named(&self.without_arches)
            && self.min_kernel.is_none_or(reached)
            && !self.below_kernel.is_some_and(reached)
    }
}
