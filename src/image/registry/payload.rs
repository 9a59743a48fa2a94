//! What a request carries to a registry: bytes of memory or a stretch of a file, read as it goes,
//! and again for another try.

use futures_util::stream;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes handed to the connection at once.
const PIECE: u64 = 64 << 10;

/// The body of a request.
#[derive(Clone)]
pub(in crate::image) struct Payload {
    pub(super) content_type: String,
    /// First and last byte of the blob that it is, in the registries' form of `Content-Range`.
    pub(super) range: Option<(u64, u64)>,
    /// Whether the server has more to do than to take the bytes.
    pub(super) ends: bool,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Memory(Arc<Vec<u8>>),
    File { file: Arc<File>, at: u64, len: u64 },
}

/// How many bytes of a body have gone to the connection.
#[derive(Clone, Default)]
pub(super) struct Moved(Arc<AtomicU64>);

impl Moved {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Payload {
    /// Bytes that are here.
    pub(super) fn memory(content_type: &str, bytes: Vec<u8>) -> Self {
        let bytes = Bytes::Memory(Arc::new(bytes));
        Payload { content_type: content_type.to_owned(), range: None, ends: false, bytes }
    }

    /// `len` bytes of `file` from `at`.
    pub(super) fn file(file: &Arc<File>, at: u64, len: u64) -> Self {
        let bytes = Bytes::File { file: Arc::clone(file), at, len };
        let content_type = "application/octet-stream".to_owned();
        Payload { content_type, range: None, ends: false, bytes }
    }

    pub(super) fn len(&self) -> u64 {
        match &self.bytes {
            Bytes::Memory(bytes) => bytes.len() as u64,
            Bytes::File { len, .. } => *len,
        }
    }

    /// The bytes as they are sent; `moved` counts them.
    pub(super) fn body(&self, moved: &Moved) -> reqwest::Body {
        let (bytes, moved, end) = (self.bytes.clone(), moved.clone(), self.len());
        reqwest::Body::wrap_stream(stream::iter((0..end.div_ceil(PIECE)).map(move |n| {
            let piece = piece(&bytes, n * PIECE, PIECE.min(end - n * PIECE));
            if let Ok(piece) = &piece {
                moved.0.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            piece
        })))
    }
}

fn piece(bytes: &Bytes, from: u64, len: u64) -> io::Result<Vec<u8>> {
    match bytes {
        Bytes::Memory(all) => {
            let all = all.get(from as usize..(from + len) as usize);
            all.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
        Bytes::File { file, at, .. } => {
            let mut buffer = vec![0; len as usize];
            file.read_exact_at(&mut buffer, at + from)?;
            Ok(buffer)
        }
    }
}
