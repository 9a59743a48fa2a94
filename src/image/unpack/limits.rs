//! Every limit on a layer, in one place.

use super::files;

/// What a layer may ask for, and use. Each bound is far above real layers and below what fills a disk's
/// inodes or a small machine's memory by surprise.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Headers in the tar plus directories made without one.
    pub entries: u64,
    /// Bytes of the tar, and logical bytes of all its files with their holes.
    pub bytes: u64,
    /// Bytes of the compressed blob, when known: bounds the ratio.
    pub compressed: Option<u64>,
    /// Plain bytes per compressed byte. deflate cannot exceed 1032; what does so beyond
    /// `ratio_floor` is zstd wrapped around nothing.
    pub ratio: u64,
    /// Plain bytes that are always allowed, whatever the ratio.
    pub ratio_floor: u64,
    /// Bytes of a path and of a link target, with the NUL (PATH_MAX).
    pub path: usize,
    /// Bytes of one component (NAME_MAX).
    pub component: usize,
    /// Components of a path.
    pub depth: usize,
    /// Bytes of one pax header's body.
    pub extension: u64,
    /// Bytes of one extended attribute's value (XATTR_SIZE_MAX).
    pub xattr: usize,
    /// Pieces of one sparse file.
    pub extents: usize,
    /// Bytes of directory paths remembered until the end, where modes and times are set.
    pub remembered: usize,
    /// Descriptors that may be held for files whose content is not written yet. Refuses nothing:
    /// three are needed, whatever it says.
    pub descriptors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: 10_000_000,
            bytes: 1 << 40,
            compressed: None,
            ratio: 1100,
            ratio_floor: 1 << 30,
            path: 4096,
            component: 255,
            depth: 512,
            extension: 1 << 20,
            xattr: 64 << 10,
            extents: 1 << 20,
            remembered: 256 << 20,
            descriptors: files::MOST_DESCRIPTORS,
        }
    }
}

impl Limits {
    /// The defaults for a blob of `compressed` bytes.
    pub fn for_blob(compressed: u64) -> Self {
        Limits { compressed: Some(compressed), ..Limits::default() }
    }

    /// Most bytes the tar may have, and the name of the limit.
    pub(super) fn total(&self) -> (u64, &'static str) {
        let by_ratio = self
            .compressed
            .map_or(u64::MAX, |bytes| bytes.saturating_mul(self.ratio).max(self.ratio_floor));
        if by_ratio < self.bytes {
            (by_ratio, "bytes for the size of its blob")
        } else {
            (self.bytes, "bytes")
        }
    }
}
