//! The kernel's reading of a filter, for tests: as strict as `seccomp_check_filter`.

use super::bpf::{AND, INSN, JA, JEQ, JGE, JGT, LOAD, RET, SUB};

/// `struct seccomp_data` of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    fn bytes(&self) -> [u8; 64] {
        let mut data = [0; 64];
        data[0..4].copy_from_slice(&self.number.to_ne_bytes());
        data[4..8].copy_from_slice(&self.arch.to_ne_bytes());
        for (at, arg) in self.args.iter().enumerate() {
            data[16 + 8 * at..24 + 8 * at].copy_from_slice(&arg.to_ne_bytes());
        }
        data
    }
}

/// What a program (of ours or libseccomp's) returns. Panics on a program the kernel would refuse.
pub(super) fn run(program: &[u8], call: &Call) -> u32 {
    const JSET: u16 = 0x45;
    let data = call.bytes();
    let word = |at: u32| u32::from_ne_bytes(data[at as usize..][..4].try_into().unwrap());
    let (mut at, mut a) = (0, 0u32);
    loop {
        let insn = &program[at * INSN..][..INSN];
        let code = u16::from_ne_bytes([insn[0], insn[1]]);
        let k = u32::from_ne_bytes(insn[4..8].try_into().unwrap());
        let mut jump = |taken: bool| at += usize::from(if taken { insn[2] } else { insn[3] });
        match code {
            LOAD => {
                assert!(k.is_multiple_of(4) && k < 64);
                a = word(k);
            }
            JEQ => jump(a == k),
            JGT => jump(a > k),
            JGE => jump(a >= k),
            JSET => jump(a & k != 0),
            JA => at += k as usize,
            SUB => a = a.wrapping_sub(k),
            AND => a &= k,
            RET => return k,
            other => panic!("instruction {at}: code {other:#x}"),
        }
        at += 1;
    }
}
