//! posix_spawn(3) of the shim with descriptors at fixed numbers, and the same without a wait for
//! its execve(2).

#[cfg(target_arch = "x86_64")]
mod beside;
#[cfg(target_arch = "x86_64")]
mod child;
mod elsewhere;
pub mod holder;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

/// A program that is being started.
#[derive(Debug)]
pub struct Starting {
    /// Its process.
    pub pid: i32,
    /// The errno of a step to it that failed, execve(2) mostly; 0 before that.
    errno: &'static AtomicI32,
}

impl Starting {
    /// Why it is no program, once its process has ended.
    pub fn failure(&self) -> Option<io::Error> {
        let errno = self.errno.load(Ordering::Acquire);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }

    /// Waits for its end; its exit code, unless a signal ended it.
    pub fn wait(&self) -> io::Result<Option<i32>> {
        let mut status = 0;
        loop {
            // SAFETY: a child of ours, and a place for its status.
            if unsafe { libc::waitpid(self.pid, &mut status, 0) } >= 0 {
                return Ok(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)));
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// One that [`spawn`] has started: it is a program.
    pub fn executed(pid: i32) -> Self {
        static NONE: AtomicI32 = AtomicI32::new(0);
        Starting { pid, errno: &NONE }
    }
}

/// As [`spawn`], but comes back before the program is executed, which takes the kernel a quarter
/// of a millisecond: whether it could be is asked of the result. It starts with all signals blocked.
pub fn begin(program: &Path, args: &[&str], fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<Starting> {
    #[cfg(target_arch = "x86_64")]
    return beside::begin(program, args, fds);
    #[cfg(not(target_arch = "x86_64"))]
    return spawn(program, args, fds).map(Starting::executed);
}

/// Starts `program` with `args`, an empty environment, `/dev/null` as 0, 1 and 2, each of `fds`
/// at its number, and nothing else open. Returns its pid. It has a session of its own from the
/// first instant: no key of the caller's terminal reaches it.
///
/// posix_spawn shares no state with threads of the caller, so it is safe in any of them.
pub fn spawn(program: &Path, args: &[&str], fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<i32> {
    let path = c_string(program.as_os_str().as_encoded_bytes())?;
    let args: Vec<CString> =
        args.iter().map(|a| c_string(a.as_bytes())).collect::<Result<_, _>>()?;
    let mut argv: Vec<*mut libc::c_char> = args.iter().map(|a| a.as_ptr().cast_mut()).collect();
    argv.push(ptr::null_mut());
    let envp: [*mut libc::c_char; 1] = [ptr::null_mut()];
    let copies = out_of_the_way(fds)?;
    let mut actions = Actions::new()?;
    for number in 0..3 {
        actions.open_null(number)?;
    }
    for (copy, (_, number)) in copies.iter().zip(fds) {
        actions.dup2(copy.as_raw_fd(), *number)?;
    }
    let attributes = Attributes::new_session()?;
    let mut pid: libc::pid_t = 0;
    // SAFETY: path, argv and envp are terminated arrays of terminated strings that outlive the
    // call; actions and attributes were initialised.
    let rc = unsafe {
        libc::posix_spawn(
            &mut pid,
            path.as_ptr(),
            &actions.0,
            &attributes.0,
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    if rc == 0 { Ok(pid) } else { Err(io::Error::from_raw_os_error(rc)) }
}

fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Above the fixed numbers, so that no dup2 tramples on a later source.
fn out_of_the_way(fds: &[(BorrowedFd<'_>, i32)]) -> io::Result<Vec<OwnedFd>> {
    fds.iter().map(|(fd, _)| above(*fd, 64)).collect()
}

fn above(fd: BorrowedFd<'_>, lowest: i32) -> io::Result<OwnedFd> {
    // SAFETY: the source is borrowed; the result is new and ours.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, lowest) };
    if copy < 0 {
        let error = io::Error::last_os_error();
        // `lowest` is not below the limit of descriptors (fcntl(2)).
        let full = error.raw_os_error() == Some(libc::EINVAL);
        return Err(if full { io::Error::from_raw_os_error(libc::EMFILE) } else { error });
    }
    // SAFETY: fcntl has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new_session() -> io::Result<Self> {
        // SAFETY: the struct is plain data that init fills.
        let mut attributes = unsafe { std::mem::zeroed() };
        // SAFETY: a valid place for the struct.
        check(unsafe { libc::posix_spawnattr_init(&mut attributes) })?;
        let mut attributes = Attributes(attributes);
        let flags = libc::POSIX_SPAWN_SETSID;
        // SAFETY: initialised above.
        check(unsafe { libc::posix_spawnattr_setflags(&mut attributes.0, flags) })?;
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in new_session, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        // SAFETY: the struct is plain data that init fills.
        let mut actions = unsafe { std::mem::zeroed() };
        // SAFETY: a valid place for the struct.
        check(unsafe { libc::posix_spawn_file_actions_init(&mut actions) })?;
        Ok(Actions(actions))
    }
    fn dup2(&mut self, from: i32, to: i32) -> io::Result<()> {
        // SAFETY: initialised in new.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }
    fn open_null(&mut self, number: i32) -> io::Result<()> {
        // SAFETY: initialised in new; the path is terminated and copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(
                &mut self.0,
                number,
                c"/dev/null".as_ptr(),
                libc::O_RDWR,
                0,
            )
        })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised in new, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

fn check(rc: libc::c_int) -> io::Result<()> {
    if rc == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(rc)) }
}
