//! What a transfer tells whoever watches it: the user interface, or nobody.

use crate::image::types::Digest;

/// Receives what happens during a pull, from several threads at once.
///
/// Calls must return soon: they are made between two pieces of work of the transfer itself.
pub trait Progress: Sync {
    /// A blob begins to arrive: `had` of its `size` bytes lay here from an earlier try.
    fn blob_started(&self, digest: &Digest, size: u64, had: u64) {
        let _ = (digest, size, had);
    }
    /// `count` more bytes of a blob have arrived.
    fn blob_bytes(&self, digest: &Digest, count: u64) {
        let _ = (digest, count);
    }
    /// All bytes of a blob have arrived; its layers may still be unpacking.
    fn blob_done(&self, digest: &Digest) {
        let _ = digest;
    }
    /// A blob has been taken by the place it is pushed to.
    fn blob_sent(&self, digest: &Digest) {
        let _ = digest;
    }
    /// A blob needs no transfer: every layer made of it is already in the store.
    fn blob_exists(&self, digest: &Digest) {
        let _ = digest;
    }
    /// Every layer made of a blob has been unpacked and committed.
    fn layer_unpacked(&self, digest: &Digest) {
        let _ = digest;
    }
    /// One line for the user: a retry, a mirror that was passed over.
    fn note(&self, line: &str) {
        let _ = line;
    }
    /// One line that the user is to see even where he wants to hear of no progress.
    fn warning(&self, line: &str) {
        self.note(&format!("warning: {line}"));
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

/// Writes everything down, for tests of this crate and of programs built on it.
#[derive(Debug, Default)]
pub struct Recording {
    events: std::sync::Mutex<Vec<Event>>,
}

/// One call of [`Progress`], as [`Recording`] keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// [`Progress::blob_started`]: digest, size, bytes already here.
    Started(Digest, u64, u64),
    /// [`Progress::blob_bytes`].
    Bytes(Digest, u64),
    /// [`Progress::blob_done`].
    Done(Digest),
    /// [`Progress::blob_sent`].
    Sent(Digest),
    /// [`Progress::blob_exists`].
    Exists(Digest),
    /// [`Progress::layer_unpacked`].
    Unpacked(Digest),
    /// [`Progress::note`].
    Note(String),
}

impl Recording {
    /// Everything so far, in order of arrival.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
    /// Bytes that crossed the network so far.
    pub fn transferred(&self) -> u64 {
        let bytes = |e: &Event| if let Event::Bytes(_, n) = e { *n } else { 0 };
        self.events().iter().map(bytes).sum()
    }
    /// The note lines so far.
    pub fn notes(&self) -> Vec<String> {
        let note = |e| if let Event::Note(line) = e { Some(line) } else { None };
        self.events().into_iter().filter_map(note).collect()
    }
    fn push(&self, event: Event) {
        self.events.lock().unwrap_or_else(|e| e.into_inner()).push(event);
    }
}

impl Progress for Recording {
    fn blob_started(&self, digest: &Digest, size: u64, had: u64) {
        self.push(Event::Started(digest.clone(), size, had));
    }
    fn blob_bytes(&self, digest: &Digest, count: u64) {
        self.push(Event::Bytes(digest.clone(), count));
    }
    fn blob_done(&self, digest: &Digest) {
        self.push(Event::Done(digest.clone()));
    }
    fn blob_sent(&self, digest: &Digest) {
        self.push(Event::Sent(digest.clone()));
    }
    fn blob_exists(&self, digest: &Digest) {
        self.push(Event::Exists(digest.clone()));
    }
    fn layer_unpacked(&self, digest: &Digest) {
        self.push(Event::Unpacked(digest.clone()));
    }
    fn note(&self, line: &str) {
        self.push(Event::Note(line.to_owned()));
    }
}
