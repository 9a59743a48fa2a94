//! Why a layer was not unpacked.

use std::io;

/// An error of [`super::unpack_layer`]. Entries count from 1, extension headers not counted.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The reader failed: broken download, bad compression, wrong digest.
    #[error("read the layer")]
    Read(#[source] io::Error),
    /// The tar record could not be written.
    #[error("write the tar record")]
    Record(#[source] io::Error),
    /// The tar ends inside something.
    #[error("the layer ends in the middle of entry {entry}")]
    Truncated {
        /// Which entry.
        entry: u64,
    },
    /// A header makes no sense.
    #[error("entry {entry} of the layer is damaged: {reason}")]
    Header {
        /// Which entry.
        entry: u64,
        /// What is wrong.
        reason: String,
    },
    /// An entry asks for something no layer may have.
    #[error("entry {entry} of the layer, {path:?}, is refused: {reason}")]
    Refused {
        /// Which entry.
        entry: u64,
        /// Its path as the tar spells it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A limit of [`super::Limits`] was passed.
    #[error("entry {entry} of the layer passes the limit of {max} {what}")]
    Limit {
        /// Which entry.
        entry: u64,
        /// The limit.
        max: u64,
        /// What is counted.
        what: &'static str,
    },
    /// The kernel refused something.
    #[error("{doing} {path:?} (entry {entry} of the layer)")]
    Write {
        /// Which entry.
        entry: u64,
        /// Its path as the tar spells it.
        path: String,
        /// What was being done.
        doing: &'static str,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl UnpackError {
    /// Sets the entry's number where only the byte source was involved.
    pub(super) fn at(self, at: &super::Entry) -> Self {
        match self {
            UnpackError::Truncated { .. } => UnpackError::Truncated { entry: at.number },
            other => other,
        }
    }
}
