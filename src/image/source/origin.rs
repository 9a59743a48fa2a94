//! One place that blobs can be fetched from by their digest: a bucket, a registry, later a peer.

use super::SourceError;
use crate::image::types::Descriptor;
use futures_util::future::LocalBoxFuture;

/// First and last byte of a Range header.
pub(in crate::image) type Range = (u64, Option<u64>);

/// Takes bytes as they come; an error ends the transfer.
pub(in crate::image) type Receive<'s> = dyn FnMut(&[u8]) -> Result<(), SourceError> + 's;

/// Which bytes of a blob are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Part {
    /// The first one.
    pub(in crate::image) from: u64,
    /// The one behind the last. With it a server that ignores Range is an error; without it all
    /// bytes to the end are wanted, and such a server's first bytes are passed over.
    pub(in crate::image) until: Option<u64>,
}

impl Part {
    /// The Range header for a blob of `size` bytes; `None` when the whole is wanted.
    pub(in crate::image) fn range(&self, size: u64) -> Option<Range> {
        let part = self.from > 0 || self.until.is_some_and(|until| until < size);
        part.then(|| (self.from, self.until.map(|until| until.saturating_sub(1))))
    }
}

/// How a part came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Served {
    /// All of the blob was sent where a range of it was asked for.
    pub(in crate::image) whole: bool,
}

/// What kind of place it is, nearest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::image) enum Tier {
    /// A bucket that mirrors registries, or holds the image itself.
    Mirror,
    /// A registry that mirrors the image's own.
    RegistryMirror,
    /// The registry.
    Registry,
}

/// A place that blobs come from.
pub(in crate::image) trait Origin {
    /// For messages and for the history: the same in every pull.
    fn name(&self) -> String;
    /// What kind of place it is.
    fn tier(&self) -> Tier;
    /// It was left for another, and the user knows.
    fn is_left(&self) -> bool {
        false
    }
    /// Fetches a part of a blob, without trying again. The bytes are not verified, but neither
    /// more nor fewer come than were asked for.
    fn part<'s>(
        &'s self,
        blob: &'s Descriptor,
        part: Part,
        receive: &'s mut Receive<'s>,
    ) -> LocalBoxFuture<'s, Result<Served, SourceError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_blob_needs_no_range() {
        let range = |from, until| Part { from, until }.range(10);
        assert_eq!(range(0, None), None);
        assert_eq!(range(0, Some(10)), None);
        assert_eq!(range(0, Some(9)), Some((0, Some(8))));
        assert_eq!(range(3, None), Some((3, None)));
        assert_eq!(range(3, Some(10)), Some((3, Some(9))));
    }
}
