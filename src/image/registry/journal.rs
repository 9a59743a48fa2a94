//! Uploads that were begun and not ended, so that the next process goes on with them.

use crate::sys::atomic::{self, Sync};
use crate::sys::small;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Uploads that are remembered.
const MOST: usize = 1_000;
/// Longest address that is remembered: with [`MOST`] of them the file can still be read.
const LONGEST: usize = 3_000;

/// Which uploads are open: by repository and blob the address that goes on with each. A file that
/// may be removed at any time; then those blobs are sent from their beginning. Addresses may let
/// whoever knows them write, so it is its owner's alone.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    file: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
struct Contents {
    version: u32,
    uploads: BTreeMap<String, String>,
}

impl Uploads {
    pub(super) fn at(file: &Path) -> Self {
        Uploads { file: Some(file.to_owned()) }
    }

    /// The address of an open upload.
    pub(super) fn find(&self, upload: &str) -> Option<String> {
        self.read().remove(upload)
    }

    /// Remembers an upload, or its next address.
    pub(super) fn note(&self, upload: &str, address: &str) {
        if address.len() > LONGEST {
            return self.end(upload);
        }
        let mut all = self.read();
        if all.len() < MOST || all.contains_key(upload) {
            all.insert(upload.to_owned(), address.to_owned());
            self.keep(all);
        }
    }

    /// Forgets it.
    pub(super) fn end(&self, upload: &str) {
        let mut all = self.read();
        if all.remove(upload).is_some() {
            self.keep(all);
        }
    }

    /// A file that is not there, or not understood, says nothing; nor does what is none.
    fn read(&self) -> BTreeMap<String, String> {
        let bytes = self.file.as_ref().and_then(|file| small::read_regular(file).ok());
        let contents = bytes.and_then(|b| serde_json::from_slice::<Contents>(&b).ok());
        contents.filter(|c| c.version == 1).unwrap_or_default().uploads
    }

    /// A journal that cannot be written costs a repeated upload.
    fn keep(&self, uploads: BTreeMap<String, String>) {
        if let Err(e) = self.write(uploads) {
            tracing::debug!("the journal of uploads is not written: {e}");
        }
    }

    fn write(&self, uploads: BTreeMap<String, String>) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (Some(dir), Some(name)) = (file.parent(), file.file_name()) else { return Ok(()) };
        std::fs::create_dir_all(dir)?;
        let bytes = serde_json::to_vec(&Contents { version: 1, uploads })?;
        let name = name.to_string_lossy();
        atomic::write_mode(File::open(dir)?, &name, &bytes, Sync::Fast, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn uploads_are_remembered_by_their_owner_alone() {
        let dir = Scratch::new("pushes");
        let file = dir.path().join("below/pushes.json");
        let uploads = Uploads::at(&file);
        assert_eq!(uploads.find("a"), None);
        uploads.note("a", "http://x/1");
        uploads.note("a", "http://x/2");
        uploads.note("b", "http://x/3");
        let later = Uploads::at(&file);
        assert_eq!(later.find("a").as_deref(), Some("http://x/2"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        later.end("a");
        assert_eq!((uploads.find("a"), uploads.find("b").is_some()), (None, true));
        std::fs::write(&file, "{").unwrap();
        assert_eq!(uploads.find("b"), None);
        Uploads::default().note("a", "nowhere");
    }

    #[test]
    fn a_pipe_in_the_journals_place_is_not_waited_for() {
        let dir = Scratch::new("pushes");
        let file = dir.path().join("pushes.json");
        rustix::fs::mkfifoat(rustix::fs::CWD, &file, 0o600.into()).unwrap();
        let uploads = Uploads::at(&file);
        assert_eq!(uploads.find("a"), None);
        uploads.note("a", "http://x/1");
        assert_eq!(uploads.find("a").as_deref(), Some("http://x/1"), "it was replaced");
        uploads.note("a", &"x".repeat(LONGEST + 1));
        assert_eq!(uploads.find("a"), None, "neither the old address nor one without an end");
    }
}
