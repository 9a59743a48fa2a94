//! The last steps of a payload or an exec: user, directory, capabilities, filter, execve.

use crate::at::{At, Res, failure};
use crate::handshake::{self, Message};
use crate::step::{limits, tty, user};
use crate::sys::{process as proc, seccomp};
use bolt_shim::launch::{Log, Process};
use bolt_shim::report::{Failure, Step};
use bolt_shim::secret::Variable;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use std::ffi::CString;
use std::os::fd::OwnedFd;

/// Where programs are looked up when the environment has no PATH.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whose the standard streams of a program are that has no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    /// Pipes that were made for it.
    Own,
    /// The caller's: what becomes of them is his affair, also when the program has ended.
    Callers,
}

impl Streams {
    /// Those of a container's own program.
    pub(crate) fn of(log: &Log) -> Self {
        if *log == Log::Passthrough { Streams::Callers } else { Streams::Own }
    }
}

/// Turns this process into the program, or tells why not and ends.
///
/// Order: the user is looked up and the working directory made while we are root; the bounding
/// set needs CAP_SETPCAP; capabilities survive the change of uid, then are set; no_new_privs
/// comes before the filter, because an unprivileged filter needs it; without it the filter is
/// loaded while CAP_SYS_ADMIN is still there.
///
/// First of all every descriptor but `socket` goes: directory, program and account files are
/// paths that an image chose, and one below `/proc/self/fd` must find nothing of the host
/// (CVE-2024-21626). `socket` is told when only execve(2) is left. `passed` is what the caller
/// gave by name: it lies from number 3 on.
pub(crate) fn program(
    process: &Process,
    secrets: &[Variable],
    socket: &OwnedFd,
    passed: Vec<OwnedFd>,
    streams: Streams,
) -> ! {
    if passed.len() != process.passed as usize {
        tell(socket, failure(Step::Exec, "descriptors", libc::EBADF));
    }
    let socket = match proc::keep_only(socket, passed) {
        Ok(kept) => kept,
        Err(e) => tell(socket, failure(Step::Exec, "descriptors", e as i32)),
    };
    match prepare(process, secrets, streams) {
        Ok(env) => {
            let _ = handshake::send(&*socket, &Message::Execing, &[]);
            tell(&socket, execute(process, &env))
        }
        Err(failure) => tell(&socket, failure),
    }
}

/// The last word of a process that does not become its program.
pub(crate) fn tell(socket: &OwnedFd, failure: Failure) -> ! {
    let _ = handshake::send(socket, &Message::Failed(failure), &[]);
    proc::exit_now(125)
}

fn prepare(process: &Process, secrets: &[Variable], streams: Streams) -> Res<Vec<Vec<u8>>> {
    limits::rlimits(&process.rlimits)?;
    let who = user::lookup(process)?;
    if process.make_cwd {
        // Missing parents and all, as podman does for the image's own working directory.
        let _ = std::fs::create_dir_all(&process.cwd);
    }
    if process.tty.is_some() || streams == Streams::Own {
        tty::give_streams(who.uid);
    }
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(process.umask));
    limits::bound(process.caps)?;
    if !process.no_new_privs && !process.seccomp.is_empty() {
        seccomp::load(&process.seccomp).at(Step::Seccomp, "filter")?;
    }
    // A directory that the image keeps from its user is where he begins all the same; one that is
    // kept from root (a file system of the host's, NFS) may be open to him.
    let is_kept = match enter(&process.cwd) {
        Ok(()) => false,
        Err(failure) if failure.errno == libc::EACCES => true,
        Err(failure) => return Err(failure),
    };
    proc::keep_caps(true);
    user::become_user(&who)?;
    proc::keep_caps(false);
    if is_kept {
        enter(&process.cwd)?;
    }
    limits::set_caps(limits::held(process.caps, process.ambient, who.uid))?;
    if process.no_new_privs {
        proc::no_new_privs().at(Step::Caps, "no_new_privs")?;
        if !process.seccomp.is_empty() {
            seccomp::load(&process.seccomp).at(Step::Seccomp, "filter")?;
        }
    }
    Ok(environment(process, secrets, &who.home))
}

fn environment(process: &Process, secrets: &[Variable], home: &str) -> Vec<Vec<u8>> {
    let mut env: Vec<Vec<u8>> = process.env.iter().map(|e| e.as_bytes().to_vec()).collect();
    for secret in secrets {
        if value(&env, &secret.name).is_none() {
            env.push([secret.name.as_bytes(), b"=", secret.value.bytes()].concat());
        }
    }
    if value(&env, "HOME").is_none() {
        env.push([b"HOME=", home.as_bytes()].concat());
    }
    if process.listens {
        env.push(format!("LISTEN_PID={}", std::process::id()).into_bytes());
    }
    env
}

fn value<'a>(env: &'a [Vec<u8>], name: &str) -> Option<&'a [u8]> {
    env.iter().find_map(|e| e.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
}

/// A directory that `/` does not lead to is none of the container's, whatever link led there
/// (a standard descriptor of the caller, another process): the kernel names it `(unreachable)`.
fn enter(cwd: &str) -> Res<()> {
    nix::unistd::chdir(cwd).at(Step::WorkDir, cwd)?;
    match rustix::process::getcwd(Vec::new()) {
        Ok(path) if path.as_bytes().starts_with(b"/") => Ok(()),
        Ok(_) => Err(failure(Step::WorkDir, cwd, libc::EXDEV)),
        Err(e) => Err(e).at(Step::WorkDir, cwd),
    }
}

fn execute(process: &Process, env: &[Vec<u8>]) -> Failure {
    let Some(name) = process.args.first() else {
        return failure(Step::Exec, "", libc::EINVAL);
    };
    let Some((argv, envp)) = strings(&process.args).zip(strings(env)) else {
        return failure(Step::Exec, name, libc::EINVAL);
    };
    // Rust's start-up ignores SIGPIPE, and M SIGXFSZ; the program must not inherit that.
    proc::default_signals();
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    proc::cloexec_from(3 + process.passed);
    let mut errno = Errno::ENOENT;
    for path in candidates(name, env) {
        let Ok(path) = CString::new(path) else { continue };
        match nix::unistd::execve(&path, &argv, &envp) {
            Ok(never) => match never {},
            // As execvp(3): a directory without it, or without access to it, is passed over.
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::EACCES) => errno = Errno::EACCES,
            Err(e) => return failure(Step::Exec, name, e as i32),
        }
    }
    failure(Step::Exec, name, errno as i32)
}

fn strings<S: AsRef<[u8]>>(list: &[S]) -> Option<Vec<CString>> {
    list.iter().map(|s| CString::new(s.as_ref()).ok()).collect()
}

fn candidates(name: &str, env: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if name.contains('/') {
        return vec![name.as_bytes().to_vec()];
    }
    let path = value(env, "PATH").unwrap_or(DEFAULT_PATH);
    path.split(|b| *b == b':')
        .map(|dir| [if dir.is_empty() { b"." } else { dir }, b"/", name.as_bytes()].concat())
        .collect()
}
