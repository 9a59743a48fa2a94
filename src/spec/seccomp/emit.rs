//! From verdicts to a program: a switch on the architecture, per kind of program a binary search
//! over ranges of call numbers that fare alike, then the comparisons of arguments.

use super::arch::{Arch, Host};
use super::bpf::{AND, JEQ, JGE, JGT, LOAD, Program, SUB, Target};
use super::profile::{Action, ArgTest, Op, Profile, Rule};
use super::verdict::{self, Check, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// Offsets in `struct seccomp_data`.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

/// A call from a kind of program that is not served: libseccomp's `SCMP_ACT_KILL`, which podman
/// leaves as it is. On x86-64 the kernel makes no call of an architecture that is not in the
/// table, so only a profile without i386 or x32 leads here.
const FOREIGN: Target = Target::Ret(Action::KillThread.code());

/// How a range of call numbers fares.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Leaf {
    Goto(Target),
    /// As the same number of the untagged program.
    Plain,
}

/// Call numbers from `from` up to the next range.
#[derive(Debug)]
struct Range {
    from: u32,
    leaf: Leaf,
}

type Verdicts = BTreeMap<u32, Verdict>;

/// The whole filter.
pub(super) fn program(host: &Host, profile: &Profile, rules: &[&Rule]) -> Program {
    let mut emit = Emit { program: Program::default(), default: profile.default };
    let mut entries = Vec::new();
    for arch in host.arches.iter().rev() {
        entries.push((arch.audit, emit.arch(host, profile, arch, rules)));
    }
    // The native architecture is tested first.
    let mut entry = FOREIGN;
    for (audit, target) in entries {
        entry = emit.program.branch(JEQ, audit, target, entry);
    }
    emit.program.step(LOAD, OFFSET_ARCH, entry);
    emit.program
}

struct Emit {
    program: Program,
    default: Action,
}

impl Emit {
    /// One audit architecture: plain and tagged programs.
    fn arch(&mut self, host: &Host, profile: &Profile, arch: &Arch, rules: &[&Rule]) -> Target {
        let verdicts = |abi| verdict::by_number(abi, rules.iter().copied(), self.default);
        let plain = profile.serves(host, arch.plain.scmp).then(|| verdicts(&arch.plain));
        let tagged = arch.tagged.as_ref().map(|(tag, abi)| {
            let served = profile.serves(host, abi.scmp).then(|| verdicts(abi));
            (*tag, served)
        });
        let plain_entry = match &plain {
            None => FOREIGN,
            Some(verdicts) => {
                let leaves = self.leaves(verdicts);
                self.search(&ranges(&leaves, self.default_leaf()), FOREIGN)
            }
        };
        let entry = match tagged {
            None => plain_entry,
            Some((tag, None)) => {
                // -1 is what a tracer writes to skip a call: it fares as any unknown number.
                let high = self.program.branch(JEQ, u32::MAX, self.default_target(), FOREIGN);
                self.program.branch(JGE, tag, high, plain_entry)
            }
            Some((tag, Some(verdicts))) => {
                let ranges = self.tagged_ranges(&verdicts, plain.as_ref());
                let tree = self.search(&ranges, plain_entry);
                // A subtraction keeps numbers above the tag apart from small ones.
                let untagged = self.program.step(SUB, tag, tree);
                self.program.branch(JGE, tag, untagged, plain_entry)
            }
        };
        self.program.step(LOAD, OFFSET_NUMBER, entry)
    }

    fn default_target(&self) -> Target {
        Target::Ret(self.default.code())
    }

    fn default_leaf(&self) -> Leaf {
        Leaf::Goto(self.default_target())
    }

    /// Writes the comparisons that are needed, each list once.
    fn leaves(&mut self, verdicts: &Verdicts) -> BTreeMap<u32, Leaf> {
        let mut written: Vec<(&Verdict, Target)> = Vec::new();
        let mut leaves = BTreeMap::new();
        for (number, verdict) in verdicts {
            let target = match verdict {
                Verdict::Always(action) => Target::Ret(action.code()),
                Verdict::First(checks) => {
                    match written.iter().find(|(known, _)| *known == verdict) {
                        Some((_, target)) => *target,
                        None => {
                            let target = self.checks(checks);
                            written.push((verdict, target));
                            target
                        }
                    }
                }
            };
            leaves.insert(*number, Leaf::Goto(target));
        }
        leaves
    }

    /// The tagged program's ranges: the longest runs that either fare alike, or each as the plain
    /// program's number.
    fn tagged_ranges(&mut self, tagged: &Verdicts, plain: Option<&Verdicts>) -> Vec<Range> {
        let leaves = self.leaves(tagged);
        let Some(plain) = plain else {
            return ranges(&leaves, self.default_leaf());
        };
        let default = Verdict::Always(self.default);
        let own = |number| match leaves.get(&number) {
            Some(leaf) => leaf.clone(),
            None => self.default_leaf(),
        };
        let is_plain = |number| {
            let (a, b) = (tagged.get(&number), plain.get(&number));
            let (a, b) = (a.unwrap_or(&default), b.unwrap_or(&default));
            a == b && matches!(a, Verdict::Always(_))
        };
        let numbers = tagged.keys().chain(plain.keys());
        let starts: BTreeSet<u32> = numbers.flat_map(|n| [*n, n + 1]).chain([0]).collect();
        let mut runs: Vec<(u32, Option<Leaf>, bool)> = Vec::new();
        for from in starts {
            let (leaf, shared) = (own(from), is_plain(from));
            if let Some((_, alike, all_shared)) = runs.last_mut() {
                let still_alike = alike.as_ref() == Some(&leaf);
                let still_shared = *all_shared && shared;
                if still_alike || still_shared {
                    *alike = alike.take().filter(|_| still_alike);
                    *all_shared = still_shared;
                    continue;
                }
            }
            runs.push((from, Some(leaf), shared));
        }
        runs.into_iter()
            .map(|(from, alike, _)| Range { from, leaf: alike.unwrap_or(Leaf::Plain) })
            .collect()
    }

    /// Binary search for the call number in A.
    fn search(&mut self, ranges: &[Range], plain: Target) -> Target {
        let leaf = |range: &Range| match range.leaf {
            Leaf::Goto(target) => target,
            Leaf::Plain => plain,
        };
        match ranges {
            [] => self.default_target(),
            [one] => leaf(one),
            // One number apart from those around it: a test for equality saves a comparison.
            [before, one, after] if before.leaf == after.leaf && after.from == one.from + 1 => {
                self.program.branch(JEQ, one.from, leaf(one), leaf(before))
            }
            _ => {
                let (low, high) = ranges.split_at(ranges.len() / 2);
                let above = self.search(high, plain);
                let below = self.search(low, plain);
                self.program.branch(JGE, high[0].from, above, below)
            }
        }
    }

    /// The first of `checks` that holds, else the default.
    fn checks(&mut self, checks: &[Check]) -> Target {
        checks.iter().rev().fold(self.default_target(), |otherwise, check| {
            let holds = Target::Ret(check.action.code());
            check.tests.iter().rev().fold(holds, |next, test| self.test(test, next, otherwise))
        })
    }

    /// One comparison of 64 bits, in two halves where the mask has both.
    fn test(&mut self, test: &ArgTest, yes: Target, no: Target) -> Target {
        match test.op {
            Op::Eq | Op::MaskedEq => self.equal(test, yes, no),
            Op::Ne => self.equal(test, no, yes),
            Op::Gt => self.above(test, JGT, yes, no),
            Op::Ge => self.above(test, JGE, yes, no),
            Op::Le => self.above(test, JGT, no, yes),
            Op::Lt => self.above(test, JGE, no, yes),
        }
    }

    fn equal(&mut self, test: &ArgTest, yes: Target, no: Target) -> Target {
        let low = self.equal_half(test, Half::Low, yes, no);
        self.equal_half(test, Half::High, low, no)
    }

    fn equal_half(&mut self, test: &ArgTest, half: Half, yes: Target, no: Target) -> Target {
        let mask = half.of(test.mask);
        if mask == 0 {
            return yes;
        }
        let mut next = self.program.branch(JEQ, half.of(test.value), yes, no);
        if mask != u32::MAX {
            next = self.program.step(AND, mask, next);
        }
        self.program.step(LOAD, half.offset(test.index), next)
    }

    /// Greater, or (with [`JGE`]) greater or equal: the high halves decide unless they are equal.
    fn above(&mut self, test: &ArgTest, low_code: u16, yes: Target, no: Target) -> Target {
        let low = self.program.branch(low_code, Half::Low.of(test.value), yes, no);
        let low = self.program.step(LOAD, Half::Low.offset(test.index), low);
        if Half::High.of(test.mask) == 0 {
            return low;
        }
        let high = Half::High.of(test.value);
        let equal = self.program.branch(JEQ, high, low, no);
        let greater = self.program.branch(JGT, high, yes, equal);
        self.program.step(LOAD, Half::High.offset(test.index), greater)
    }
}

/// A half of a 64-bit word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

impl Half {
    /// These 32 bits of `value`.
    fn of(self, value: u64) -> u32 {
        match self {
            Half::Low => value as u32,
            Half::High => (value >> 32) as u32,
        }
    }

    /// Where these bits of argument `index` lie in `struct seccomp_data`.
    fn offset(self, index: u8) -> u32 {
        let first = cfg!(target_endian = "little") == (self == Half::Low);
        OFFSET_ARGS + 8 * u32::from(index) + if first { 0 } else { 4 }
    }
}

/// Runs of numbers with equal leaves; numbers that are not there get `default`.
fn ranges(leaves: &BTreeMap<u32, Leaf>, default: Leaf) -> Vec<Range> {
    let starts: BTreeSet<u32> = leaves.keys().flat_map(|n| [*n, n + 1]).chain([0]).collect();
    let mut ranges: Vec<Range> = Vec::new();
    for from in starts {
        let leaf = leaves.get(&from).unwrap_or(&default);
        if ranges.last().is_none_or(|last| last.leaf != *leaf) {
            ranges.push(Range { from, leaf: leaf.clone() });
        }
    }
    ranges
}
