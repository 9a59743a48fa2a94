//! The container's terminal: made in its own devpts, so that it has a name there. Runs in I
//! or a joiner.

use crate::at::{At, Res, failure};
use bolt_shim::launch::TtySize;
use bolt_shim::report::Step;
use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Opens a new pair in the devpts at `dev/pts` below `root`: (master, slave).
pub(crate) fn open(root: BorrowedFd<'_>, size: TtySize) -> Res<(OwnedFd, OwnedFd)> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let how = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
    let master = rustix::fs::openat2(root, "dev/pts/ptmx", flags, Mode::empty(), how)
        .at(Step::Terminal, "/dev/pts/ptmx")?;
    check(&master)?;
    rustix::pty::unlockpt(&master).at(Step::Terminal, "unlockpt")?;
    let slave = rustix::pty::ioctl_tiocgptpeer(
        &master,
        OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC,
    )
    .at(Step::Terminal, "slave")?;
    let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).at(Step::Terminal, "size")?;
    Ok((master, slave))
}

/// A payload may have mounted something else over its devpts before an exec joins it.
fn check(master: &OwnedFd) -> Res<()> {
    let stat = rustix::fs::fstat(master).at(Step::Terminal, "/dev/pts/ptmx")?;
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    if stat.st_mode & libc::S_IFMT != libc::S_IFCHR || device != (5, 2) {
        return Err(failure(Step::Terminal, "/dev/pts/ptmx", libc::ENODEV));
    }
    Ok(())
}

/// Makes `slave` the controlling terminal and the three standard descriptors.
pub(crate) fn adopt(slave: &OwnedFd) -> Res<()> {
    crate::sys::process::controlling_terminal(slave).at(Step::Terminal, "TIOCSCTTY")?;
    stdio(slave, slave, slave)
}

/// Gives the standard streams to the program's user, as runc and crun do: who may not open them
/// anew cannot write to `/dev/stdout`, nor to the terminal that ttyname(3) names.
///
/// Where they were made for it, as pipes or as a terminal; /dev/null stays whose it is.
pub(crate) fn give_streams(uid: u32) {
    let streams = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    for stream in streams {
        let Ok(stat) = rustix::fs::fstat(stream) else { continue };
        let is_null = stat.st_mode & libc::S_IFMT == libc::S_IFCHR
            && stat.st_rdev == rustix::fs::makedev(1, 3);
        if stat.st_uid != uid && !is_null {
            // Where its owner has no name in here, nobody can be given it.
            let _ = rustix::fs::fchown(stream, Some(rustix::fs::Uid::from_raw(uid)), None);
        }
    }
}

/// Puts three descriptors on 0, 1 and 2.
pub(crate) fn stdio(input: &OwnedFd, output: &OwnedFd, error: &OwnedFd) -> Res<()> {
    rustix::stdio::dup2_stdin(input).at(Step::Exec, "stdin")?;
    rustix::stdio::dup2_stdout(output).at(Step::Exec, "stdout")?;
    rustix::stdio::dup2_stderr(error).at(Step::Exec, "stderr")
}
