//! A blob on its way: fetched into the store's directory of downloads, verified, read from there.

use super::MirrorError;
use crate::image::progress::Progress;
use crate::image::pull::PullError;
use crate::image::source::{Delivery, Kept, Sink, Source, SourceError, Wanted};
use crate::image::types::Descriptor;
use crate::store::{Partial, Store};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;

/// A blob that is here whole and right.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) partial: Partial,
    pub(super) file: File,
}

/// Fetches a blob, from another place when the first one's bytes are wrong.
pub(super) fn fetch(
    store: &Store,
    source: &dyn Source,
    blob: &Descriptor,
    progress: &dyn Progress,
) -> Result<Spooled, MirrorError> {
    loop {
        let partial = Rc::new(store.partial(&blob.digest)?);
        match source.kept(&blob.digest, partial.len()) {
            Kept::ToBeReplaced => partial.rewind(),
            Kept::First(_) if partial.len() > blob.size => partial.restart()?,
            Kept::First(bytes) if bytes < partial.len() => partial.cut(bytes)?,
            Kept::First(_) => {}
        }
        let had = partial.len();
        match source.delivery() {
            Delivery::Open(opener) => copy(&partial, opener.open(blob)?, blob)?,
            Delivery::Fetch(fetch) => {
                let result = Rc::new(RefCell::new(None));
                let sink = Box::new(Spool { partial: partial.clone(), result: result.clone() });
                fetch.fetch(vec![Wanted { blob, sink }], &AtomicBool::new(false));
                result.take().unwrap_or(Err(SourceError::Stopped))?;
            }
        }
        let file = partial.file()?;
        let kept = |source| SourceError::Keep { digest: blob.digest.clone(), source };
        let got = blob.digest.rehash(&file).map_err(kept)?;
        if got == blob.digest && partial.len() == blob.size {
            // The sink is gone with the fetch.
            let partial = Rc::into_inner(partial).ok_or(SourceError::Stopped)?;
            return Ok(Spooled { partial, file });
        }
        let passed = source.pass_over(&blob.digest);
        if source.kept(&blob.digest, blob.size) != Kept::ToBeReplaced {
            partial.restart()?;
        }
        match passed {
            Ok(()) => {}
            // The wrong bytes may have been those of an earlier try.
            Err(place) if had > 0 => progress.note(&format!(
                "{place}: what an earlier try left of blob {} was wrong; fetching it anew",
                blob.digest
            )),
            Err(place) => {
                let (wanted, got) = (blob.digest.clone(), got.to_string());
                return Err(PullError::BlobDigest { place, wanted, got, resumed: false }.into());
            }
        }
    }
}

/// Copies what lies on this machine.
fn copy(
    partial: &Partial,
    mut reader: Box<dyn Read + Send>,
    blob: &Descriptor,
) -> Result<(), MirrorError> {
    partial.restart()?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let kept = |source| SourceError::Keep { digest: blob.digest.clone(), source };
        match reader.read(&mut buffer).map_err(kept)? {
            0 => return Ok(()),
            n => partial.append(&buffer[..n])?,
        }
    }
}

struct Spool {
    partial: Rc<Partial>,
    result: Rc<RefCell<Option<Result<(), SourceError>>>>,
}

impl Sink for Spool {
    fn len(&self) -> u64 {
        self.partial.len()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.partial.append(bytes).map_err(io::Error::other)
    }

    fn reuse(&mut self, count: u64) -> io::Result<()> {
        self.partial.reuse(count).map_err(io::Error::other)
    }

    fn differs(&self, at: u64, bytes: &[u8]) -> io::Result<bool> {
        self.partial.differs(at, bytes).map_err(io::Error::other)
    }

    fn end(self: Box<Self>, result: Result<(), SourceError>) {
        *self.result.borrow_mut() = Some(result);
    }
}
