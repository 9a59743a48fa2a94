//! A reader that works ahead in a thread of its own: decompressing and hashing a layer go on while
//! its files are written.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Bytes handed over at once.
const CHUNK: usize = 256 << 10;
/// Chunks that may lie ready. With the one being filled and the one being read they bound the
/// memory of a layer.
const READY: usize = 2;

/// What the other thread has read, in order.
pub(super) struct Ahead {
    ready: Receiver<io::Result<Vec<u8>>>,
    used: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

/// Starts to read `reader`, to its end, its first error, or until the `Ahead` is dropped; the
/// thread then returns it.
pub(super) fn read_ahead<'scope, R: Read + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut reader: R,
) -> (Ahead, ScopedJoinHandle<'scope, R>) {
    let (sender, ready) = sync_channel(READY);
    let (used, again) = channel();
    let thread = scope.spawn(move || {
        read_all(&mut reader, &sender, &again);
        reader
    });
    (Ahead { ready, used, chunk: Vec::new(), at: 0 }, thread)
}

fn read_all(
    reader: &mut impl Read,
    sender: &SyncSender<io::Result<Vec<u8>>>,
    again: &Receiver<Vec<u8>>,
) {
    loop {
        let mut chunk = again.try_recv().unwrap_or_default();
        let read = fill(reader, &mut chunk);
        let last = chunk.is_empty() || read.is_err();
        // What came before an error is good, and may be all that is wanted.
        let sent = chunk.is_empty() || sender.send(Ok(chunk)).is_ok();
        if let Err(e) = read {
            let _ = sender.send(Err(e));
        }
        if last || !sent {
            return;
        }
    }
}

/// Fills a chunk; it is shorter at the end and before an error.
fn fill(reader: &mut impl Read, chunk: &mut Vec<u8>) -> io::Result<()> {
    chunk.resize(CHUNK, 0);
    let mut have = 0;
    let result = loop {
        match reader.read(&mut chunk[have..]) {
            Ok(0) => break Ok(()),
            Ok(got) => have += got,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => break Err(e),
        }
        if have == CHUNK {
            break Ok(());
        }
    };
    chunk.truncate(have);
    result
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() {
            let next = self.ready.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            let old = std::mem::replace(&mut self.chunk, next);
            self.at = 0;
            // The other thread has ended when it takes none.
            let _ = self.used.send(old);
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at = (self.at + amount).min(self.chunk.len());
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.fill_buf()?.read(buffer)?;
        self.consume(got);
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::scope;

    /// Gives odd pieces of `left` bytes, then an error or the end.
    struct Pieces {
        left: usize,
        broken: bool,
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.left == 0 && self.broken {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            let n = buffer.len().min(self.left).min(77_777);
            for (i, byte) in buffer[..n].iter_mut().enumerate() {
                *byte = ((self.left - i) % 251) as u8;
            }
            self.left -= n;
            Ok(n)
        }
    }

    #[test]
    fn all_bytes_come_in_order_and_the_reader_comes_back() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 5] {
            let read = scope(|scope| {
                let (mut ahead, thread) = read_ahead(scope, Pieces { left: len, broken: false });
                let mut read = Vec::new();
                ahead.read_to_end(&mut read).unwrap();
                assert_eq!(thread.join().unwrap().left, 0);
                read
            });
            assert!(read.iter().copied().eq((1..=len).rev().map(|n| (n % 251) as u8)), "{len}");
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        for len in [0, 5, 3 * CHUNK] {
            scope(|scope| {
                let (mut ahead, _) = read_ahead(scope, Pieces { left: len, broken: true });
                let mut read = Vec::new();
                let error = ahead.read_to_end(&mut read).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
                assert_eq!(read.len(), len);
            });
        }
    }

    #[test]
    fn a_dropped_one_ends_the_reading() {
        scope(|scope| {
            let (ahead, thread) = read_ahead(scope, Pieces { left: usize::MAX, broken: false });
            drop(ahead);
            thread.join().unwrap();
        });
    }
}
