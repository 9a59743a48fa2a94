//! An image whose manifests come from one place and whose blobs come from several.

use super::pool::Pool;
use super::{Delivery, Kept, RawDocument, Source, SourceError};
use crate::image::types::{Descriptor, Digest};
use std::rc::Rc;

/// Names and manifests of one image.
pub(in crate::image) trait Documents {
    /// The place, for messages.
    fn name(&self) -> String;
    /// The manifest or index that the image's name stands for.
    fn root(&self) -> Result<RawDocument, SourceError>;
    /// A manifest or index that another one lists; bytes and digest agree.
    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError>;
}

/// The two together.
pub(in crate::image) struct Pooled<'a> {
    documents: Rc<dyn Documents + 'a>,
    pool: Pool<'a>,
}

impl<'a> Pooled<'a> {
    pub(in crate::image) fn new(documents: Rc<dyn Documents + 'a>, pool: Pool<'a>) -> Self {
        Pooled { documents, pool }
    }
}

impl Source for Pooled<'_> {
    fn name(&self) -> String {
        self.documents.name()
    }

    fn root(&self) -> Result<RawDocument, SourceError> {
        self.documents.root()
    }

    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError> {
        self.documents.document(wanted)
    }

    fn blob(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        self.pool.small(wanted, limit)
    }

    fn pass_over(&self, wrong: &Digest) -> Result<(), String> {
        self.pool.wrong(wrong).map_err(|who| {
            self.pool.remember();
            who.unwrap_or_else(|| self.name())
        })
    }

    fn kept(&self, blob: &Digest, have: u64) -> Kept {
        self.pool.kept(blob, have)
    }

    fn settled(&self) {
        self.pool.settled();
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery::Fetch(&self.pool)
    }
}
