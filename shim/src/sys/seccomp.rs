//! seccomp(2): loads a filter that arrived compiled.

use nix::errno::Errno;

/// Sets `program` (8-byte classic BPF instructions) as the filter of this thread.
///
/// Needs no_new_privs or CAP_SYS_ADMIN. EINVAL when the length is no multiple of 8.
pub(crate) fn load(program: &[u8]) -> Result<(), Errno> {
    if !program.len().is_multiple_of(8) || program.len() / 8 > u16::MAX as usize {
        return Err(Errno::EINVAL);
    }
    // The bytes may lie unaligned in the plan: copy them to where the kernel may read them.
    let mut code: Vec<libc::sock_filter> = Vec::with_capacity(program.len() / 8);
    for i in program.chunks_exact(8) {
        code.push(libc::sock_filter {
            code: u16::from_ne_bytes([i[0], i[1]]),
            jt: i[2],
            jf: i[3],
            k: u32::from_ne_bytes([i[4], i[5], i[6], i[7]]),
        });
    }
    let fprog = libc::sock_fprog { len: code.len() as u16, filter: code.as_mut_ptr() };
    const SECCOMP_SET_MODE_FILTER: libc::c_int = 1;
    // SAFETY: fprog points to `code`, which lives until after the call; the kernel copies it.
    let rc =
        unsafe { libc::syscall(libc::SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &raw const fprog) };
    Errno::result(rc).map(drop)
}
