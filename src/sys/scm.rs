//! Packets with descriptors on a Unix socket (unix(7), `SCM_RIGHTS`).

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Most descriptors in one packet: the kernel's own limit (SCM_MAX_FD).
pub const MAX_FDS: usize = 253;

/// Sends one packet whole. `wait`: block while the peer's queue is full, else `WouldBlock`.
///
/// A peer that is gone is `BrokenPipe`, never a signal.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>], wait: bool) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    let mut flags = SendFlags::NOSIGNAL;
    if !wait {
        flags |= SendFlags::DONTWAIT;
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// The length of the next packet, which stays where it is; 0 is the end.
pub fn next_length(socket: impl AsFd, wait: bool) -> io::Result<usize> {
    let mut flags = RecvFlags::PEEK | RecvFlags::TRUNC;
    if !wait {
        flags |= RecvFlags::DONTWAIT;
    }
    loop {
        match recv(&socket, &mut [0; 1], flags) {
            // See `receive`.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            other => break Ok(other?.1),
        }
    }
}

/// Receives one packet into `buffer`: its length and its descriptors (close-on-exec). Length 0
/// is the end. A packet larger than the buffer is `InvalidData`.
pub fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if !wait {
        flags |= RecvFlags::DONTWAIT;
    }
    let message = loop {
        match recvmsg(&socket, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
            // CONNRESET is told once when the peer went without reading all of ours; what it
            // sent before still lies in the queue.
            Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNRESET) => {}
            other => break other?,
        }
    };
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(list) = part {
            fds.extend(list);
        }
    }
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet was cut off"));
    }
    Ok((message.bytes, fds))
}

/// A connected SEQPACKET pair, close-on-exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use std::io::Read;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn descriptors_arrive_with_their_packet() {
        let (a, b) = pair();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(&a, b"one", &[writer.as_fd()], true).unwrap();
        drop(writer);
        let mut buffer = [0; 16];
        let (n, fds) = receive(&b, &mut buffer, true).unwrap();
        assert_eq!((&buffer[..n], fds.len()), (&b"one"[..], 1));
        let flags = rustix::io::fcntl_getfd(&fds[0]).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        drop(fds);
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
    }

    #[test]
    fn last_words_arrive_from_a_peer_that_did_not_listen() {
        let (a, b) = pair();
        send(&a, b"never read", &[], true).unwrap();
        send(&b, b"last words", &[], true).unwrap();
        drop(b);
        let mut buffer = [0; 16];
        let (n, _) = receive(&a, &mut buffer, true).unwrap();
        assert_eq!(&buffer[..n], b"last words");
        assert_eq!(receive(&a, &mut buffer, true).unwrap().0, 0);
    }

    #[test]
    fn the_end_an_empty_queue_and_a_long_packet_are_told_apart() {
        let (a, b) = pair();
        let mut buffer = [0; 4];
        let e = receive(&b, &mut buffer, false).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(next_length(&b, false).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        send(&a, b"too long", &[], true).unwrap();
        assert_eq!(next_length(&b, true).unwrap(), 8);
        let e = receive(&b, &mut buffer, true).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::InvalidData);
        drop(a);
        assert_eq!(next_length(&b, true).unwrap(), 0);
        assert_eq!(receive(&b, &mut buffer, true).unwrap().0, 0);
        let e = send(&b, b"x", &[], true).unwrap_err();
        assert_eq!(e.kind(), io::ErrorKind::BrokenPipe);
    }
}
