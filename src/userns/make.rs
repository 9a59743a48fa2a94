//! A new P: a user namespace, and the two setuid programs that write its maps.

use super::subid::{SubIds, Writers};
use crate::sys::dirs::Dirs;
use crate::sys::spawn::holder::Holder;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// P while its maps are being written: who joins it can do nothing before that but wait. Dropped, P
/// stays for those who are in it.
#[derive(Debug)]
pub struct Making {
    namespace: OwnedFd,
    writers: Option<Writers>,
    // Ends after the two programs that look at it: dropping this waits for them first.
    _holder: Holder,
}

impl Making {
    /// Makes the namespace and starts the two programs, which take longer than anything else of a
    /// start. Errors: those of [`Holder::new`].
    pub fn begin(dirs: &Dirs, ids: &SubIds) -> io::Result<Making> {
        let holder = Holder::new()?;
        let writers = Some(Writers::start(holder.pid() as u32, dirs.uid, dirs.gid, ids));
        Ok(Making { namespace: holder.namespace()?, writers, _holder: holder })
    }

    /// P.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Waits for the maps. An error: at least one of them is not written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.writers.take().map_or(Ok(()), Writers::finish)
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let _ = self.finish();
    }
}
