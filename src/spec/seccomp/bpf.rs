//! Classic BPF, written from the last instruction to the first, so that every jump's distance is
//! known when the jump is written. Jumps only go forward, and conditional ones at most 255 far.

use std::collections::HashMap;

/// `BPF_LD|BPF_W|BPF_ABS`: load a word of `seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
/// `BPF_JMP|BPF_JEQ|BPF_K`.
pub(super) const JEQ: u16 = 0x15;
/// `BPF_JMP|BPF_JGT|BPF_K`, unsigned.
pub(super) const JGT: u16 = 0x25;
/// `BPF_JMP|BPF_JGE|BPF_K`, unsigned.
pub(super) const JGE: u16 = 0x35;
/// `BPF_JMP|BPF_JA`.
pub(super) const JA: u16 = 0x05;
/// `BPF_ALU|BPF_SUB|BPF_K`.
pub(super) const SUB: u16 = 0x14;
/// `BPF_ALU|BPF_AND|BPF_K`.
pub(super) const AND: u16 = 0x54;
/// `BPF_RET|BPF_K`.
pub(super) const RET: u16 = 0x06;

/// Bytes of one `struct sock_filter`.
pub(super) const INSN: usize = 8;

/// How far a conditional jump reaches, less what may still be put between: two trampolines.
const REACH: usize = 255 - 2;

#[derive(Debug, Clone, Copy)]
struct Insn {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

/// Where a jump leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Leave the filter with this `SECCOMP_RET_*`.
    Ret(u32),
    /// An instruction already written, counted from the program's end.
    At(usize),
}

/// A program in the making.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// The last instruction first.
    reversed: Vec<Insn>,
    /// The nearest return of each kind.
    returns: HashMap<u32, usize>,
}

impl Program {
    /// How many instructions there are.
    pub(super) fn len(&self) -> usize {
        self.reversed.len()
    }

    /// Writes `if A <code> k goto yes else goto no`.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let yes = self.near(yes);
        let no = self.near(no);
        let here = self.len();
        let distance = |at: usize| {
            // `near` left both within reach of a byte.
            u8::try_from(here - at - 1).unwrap_or(u8::MAX)
        };
        let (jt, jf) = (distance(yes), distance(no));
        self.push(Insn { code, jt, jf, k })
    }

    /// Writes an instruction that runs on into `next`.
    pub(super) fn step(&mut self, code: u16, k: u32, next: Target) -> Target {
        match next {
            Target::At(at) if at + 1 == self.len() => {}
            far => {
                self.near_by(far, 0);
            }
        }
        self.push(Insn { code, jt: 0, jf: 0, k })
    }

    /// The program in the kernel's form, native byte order.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.reversed
            .iter()
            .rev()
            .flat_map(|insn| {
                let [c0, c1] = insn.code.to_ne_bytes();
                let [k0, k1, k2, k3] = insn.k.to_ne_bytes();
                [c0, c1, insn.jt, insn.jf, k0, k1, k2, k3]
            })
            .collect()
    }

    /// An instruction that a conditional jump reaches and that leads to `target`.
    fn near(&mut self, target: Target) -> usize {
        self.near_by(target, REACH)
    }

    fn near_by(&mut self, target: Target, reach: usize) -> usize {
        let here = self.len();
        match target {
            Target::At(at) if here - at <= reach => at,
            Target::At(at) => self.jump(at),
            Target::Ret(code) => match self.returns.get(&code) {
                Some(at) if here - at <= reach => *at,
                _ => {
                    self.push(Insn { code: RET, jt: 0, jf: 0, k: code });
                    self.returns.insert(code, here);
                    here
                }
            },
        }
    }

    /// Writes an unconditional jump, which reaches everywhere.
    fn jump(&mut self, at: usize) -> usize {
        let here = self.len();
        // Programs are cut off at 4096 instructions, long before this overflows.
        let k = u32::try_from(here - at - 1).unwrap_or(u32::MAX);
        self.push(Insn { code: JA, jt: 0, jf: 0, k });
        here
    }

    fn push(&mut self, insn: Insn) -> Target {
        self.reversed.push(insn);
        Target::At(self.len() - 1)
    }
}
