//! SEQPACKET sockets that carry postcard packets and descriptors (unix(7), SCM_RIGHTS).

use bolt_shim::report::MAX_PACKET;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, getsockopt,
    recvmsg, sendmsg, setsockopt, socketpair, sockopt,
};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Most descriptors in one packet: the kernel's own limit (SCM_MAX_FD). With room for fewer it
/// would cut a packet's, and those already made would belong to nobody.
pub(crate) const MAX_FDS: usize = 253;

/// A connected pair, both ends close-on-exec.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Lets the queue of sent packets take half of what it could, see [`open_reserve`].
pub(crate) fn keep_reserve(socket: &OwnedFd) {
    scale_queue(socket, |now| now / 2);
}

/// Lets the queue take all that it could before [`keep_reserve`]: room for the last packet to a
/// reader that has gone to sleep. It is more than one packet of output, by which a queue may be
/// overdrawn.
pub(crate) fn open_reserve(socket: &OwnedFd) {
    scale_queue(socket, |now| now * 2);
}

/// The kernel doubles what is set for its own bookkeeping, and tells the doubled (socket(7),
/// SO_SNDBUF). Where it refuses, the queue stays as it was: output waits sooner or later.
fn scale_queue(socket: &OwnedFd, scale: fn(usize) -> usize) {
    if let Ok(now) = getsockopt(socket, sockopt::SndBuf) {
        let _ = setsockopt(socket, sockopt::SndBuf, &(scale(now) / 2));
    }
}

/// Sends one packet with `fds`. EAGAIN on a full non-blocking socket.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let control = if raw.is_empty() { &[][..] } else { &rights[..] };
    let iov = [IoSlice::new(bytes)];
    loop {
        match sendmsg::<()>(socket.as_fd().as_raw_fd(), &iov, control, MsgFlags::MSG_NOSIGNAL, None)
        {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// One packet of any size and its descriptors; `None` at end of file.
pub(crate) fn receive(
    socket: impl AsFd,
    buffer: &mut Vec<u8>,
) -> Result<Option<Vec<OwnedFd>>, Errno> {
    buffer.resize(MAX_PACKET, 0);
    let received = receive_into(socket, buffer)?;
    buffer.truncate(received.as_ref().map_or(0, |(len, _)| *len));
    Ok(received.map(|(_, fds)| fds))
}

/// One packet that fits `buffer` and its descriptors (close-on-exec): its length and them;
/// `None` at end of file. EMSGSIZE when it does not fit.
pub(crate) fn receive_into(
    socket: impl AsFd,
    buffer: &mut [u8],
) -> Result<Option<(usize, Vec<OwnedFd>)>, Errno> {
    let mut space = nix::cmsg_space!([RawFd; MAX_FDS]);
    let (len, fds, truncated) = loop {
        let mut iov = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(
            socket.as_fd().as_raw_fd(),
            &mut iov,
            Some(&mut space),
            MsgFlags::MSG_CMSG_CLOEXEC,
        ) {
            Ok(message) => {
                let mut fds = Vec::new();
                for control in message.cmsgs()? {
                    if let ControlMessageOwned::ScmRights(raw) = control {
                        // SAFETY: the kernel has just made these descriptors for us.
                        fds.extend(raw.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
                    }
                }
                break (message.bytes, fds, message.flags.contains(MsgFlags::MSG_TRUNC));
            }
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    };
    if truncated {
        return Err(Errno::EMSGSIZE);
    }
    if len == 0 && fds.is_empty() { Ok(None) } else { Ok(Some((len, fds))) }
}
