//! Image layouts (image-spec image-layout.md): `oci:PATH`, and what archives have in common.

use crate::image::hash::digest_like;
use crate::image::manifest::{self, Document, MAX_DOCUMENT, ManifestError};
use crate::image::reference::LayoutImage;
use crate::image::source::{Delivery, OpenBlob, RawDocument, Source, SourceError};
use crate::image::types::{Descriptor, Digest};
use crate::sys::beneath;
use crate::ui::json_fault;
use crate::ui::redact::foreign;
use rustix::fs::{FileType, Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why an image layout cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file of the layout cannot be opened or read.
    #[error("{place}{}", inside(file))]
    Io {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// Path inside the layout, `.` for the layout itself.
        file: String,
        /// Of the disk.
        #[source]
        source: io::Error,
    },
    /// A link or another thing where a file belongs.
    #[error("{place}: {file} is no regular file inside the layout (links are not followed)")]
    NotAFile {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// Path inside the layout.
        file: String,
    },
    /// The file is not there.
    #[error("{place}: {file} does not exist; is this an OCI image layout?")]
    Missing {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// Path inside the layout.
        file: String,
    },
    /// `oci-layout` or `index.json` is not what the specification says.
    #[error("{place}: {file}: {reason}")]
    Invalid {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// Path inside the layout.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// `index.json` is no index.
    #[error("{place}: index.json")]
    Index {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// What is wrong.
        #[source]
        source: ManifestError,
    },
    /// No or several images fit.
    #[error("{place}: {reason}; it has {has}")]
    Choice {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// What was looked for.
        reason: String,
        /// Names of what is there.
        has: String,
    },
    /// Content and name differ.
    #[error("{place}: blob {wanted} has the digest {got} and {size} bytes")]
    Digest {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// The blob's name.
        wanted: Digest,
        /// Of its bytes.
        got: String,
        /// Length of its bytes.
        size: u64,
    },
    /// A blob with another length than its descriptor says.
    #[error("{place}: blob {digest} has {got} bytes, its descriptor says {wanted}")]
    Size {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// The blob.
        digest: Digest,
        /// Bytes, by the descriptor.
        wanted: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// Too long for its kind.
    #[error("{place}: {file} has {size} bytes, more than the {limit} allowed{}", smaller(file))]
    TooLarge {
        /// `oci:PATH` or `oci-archive:PATH`.
        place: String,
        /// Path inside the layout.
        file: String,
        /// Bytes there.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// What to do about a document of a layout that is too large.
fn smaller(file: &str) -> &'static str {
    if file == MARKER { "" } else { "; shorten its annotations, or split it" }
}

/// A path inside a layout as it is told behind the layout's own.
fn inside(file: &str) -> String {
    if file == "." { String::new() } else { format!(": {file}") }
}

/// The files of a layout, wherever they lie.
pub trait Files: Sync {
    /// `oci:PATH` or `oci-archive:PATH`.
    fn place(&self) -> String;
    /// A regular file by its path inside the layout, and its length.
    fn open(&self, path: &str) -> Result<(Box<dyn Read + Send>, u64), LayoutError>;
}

/// One image of a layout.
#[derive(Debug)]
pub struct LayoutSource<F> {
    files: F,
    image: Option<LayoutImage>,
}

/// A layout that is a directory.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

/// The file that makes a directory a layout.
pub(super) const MARKER: &str = "oci-layout";
/// Largest [`MARKER`] that is read, in bytes.
pub(super) const MAX_MARKER: u64 = 64 << 10;
/// The file that lists a layout's images.
pub(super) const INDEX: &str = "index.json";

/// Where a blob lies in every layout.
fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm(), digest.hex())
}

impl Directory {
    /// Opens the directory `path`.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| LayoutError::Io {
            place: format!("oci:{}", path.display()),
            file: ".".to_owned(),
            source: e.into(),
        })?;
        Ok(Directory { path: path.to_owned(), fd })
    }
}

impl Files for Directory {
    fn place(&self) -> String {
        format!("oci:{}", self.path.display())
    }

    fn open(&self, path: &str) -> Result<(Box<dyn Read + Send>, u64), LayoutError> {
        let (place, file) = (self.place(), path.to_owned());
        // O_NONBLOCK: a FIFO must not stop us before its type is known.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let fd = match beneath::open_no_links(&self.fd, path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(source) => match source.raw_os_error() {
                Some(libc::ENOENT) => return Err(LayoutError::Missing { place, file }),
                Some(libc::ELOOP | libc::EXDEV | libc::ENXIO) => {
                    return Err(LayoutError::NotAFile { place, file });
                }
                _ => return Err(LayoutError::Io { place, file, source }),
            },
        };
        let io = |source: rustix::io::Errno| LayoutError::Io {
            place: self.place(),
            file: path.to_owned(),
            source: source.into(),
        };
        let stat = rustix::fs::fstat(&fd).map_err(io)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(LayoutError::NotAFile { place, file });
        }
        Ok((Box::new(File::from(fd)), u64::try_from(stat.st_size).unwrap_or(0)))
    }
}

impl<F: Files> LayoutSource<F> {
    /// The image `image` among `files`; without a name the layout must hold exactly one.
    pub fn new(files: F, image: Option<LayoutImage>) -> Self {
        LayoutSource { files, image }
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, LayoutError> {
        let (reader, size) = self.files.open(path)?;
        let (place, file) = (self.files.place(), path.to_owned());
        if size > limit {
            return Err(LayoutError::TooLarge { place, file, size, limit });
        }
        let mut bytes = Vec::new();
        match reader.take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(source) => Err(LayoutError::Io { place, file, source }),
        }
    }

    fn verified(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
        let bytes = self.read(&blob_path(&wanted.digest), limit)?;
        let got = digest_like(&wanted.digest, &bytes);
        let size = bytes.len() as u64;
        if got != wanted.digest.as_str() || size != wanted.size {
            let (place, wanted) = (self.files.place(), wanted.digest.clone());
            return Err(LayoutError::Digest { place, wanted, got, size });
        }
        Ok(bytes)
    }

    fn choose(&self) -> Result<Descriptor, LayoutError> {
        let place = self.files.place();
        check_version(&place, &self.read(MARKER, MAX_MARKER)?)?;
        choose(&place, &self.read(INDEX, MAX_DOCUMENT)?, self.image.as_ref())
    }
}

/// Reads a layout's [`MARKER`]. Errors: not its form, or a version that is not known.
pub(super) fn check_version(place: &str, marker: &[u8]) -> Result<(), LayoutError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    let invalid = |reason: String| LayoutError::Invalid {
        place: place.to_owned(),
        file: MARKER.to_owned(),
        reason,
    };
    let marker: Marker = json_fault::read(marker).map_err(|e| invalid(e.to_string()))?;
    match marker.image_layout_version.split('.').next() {
        Some("1") => Ok(()),
        _ => Err(invalid(format!(
            "imageLayoutVersion {:?} is not supported, only 1.x",
            foreign(&marker.image_layout_version, 40)
        ))),
    }
}

/// The entry of a layout's [`INDEX`] that `image` names.
pub(super) fn choose(
    place: &str,
    index: &[u8],
    image: Option<&LayoutImage>,
) -> Result<Descriptor, LayoutError> {
    let fault = |source| LayoutError::Index { place: place.to_owned(), source };
    let entries = match manifest::parse(index, "").map_err(fault)? {
        Document::Index(entries) => entries,
        Document::Manifest(_) => {
            return Err(fault(ManifestError::Unknown("an image manifest".to_owned())));
        }
    };
    let choice = |reason: String| LayoutError::Choice {
        place: place.to_owned(),
        reason,
        has: names(&entries),
    };
    match image {
        Some(LayoutImage::Name(name)) => {
            let mut found =
                entries.iter().filter(|e| manifest::ref_name(&e.annotations) == Some(name));
            match (found.next(), found.next()) {
                (Some(entry), None) => Ok(entry.clone()),
                (None, _) => Err(choice(format!("no image is named {name:?}"))),
                _ => Err(choice(format!("several images are named {name:?}"))),
            }
        }
        Some(LayoutImage::Index(n)) => match entries.get(*n) {
            Some(entry) => Ok(entry.clone()),
            None => Err(choice(format!("there is no image @{n}, counted from 0"))),
        },
        Some(LayoutImage::Digest(digest)) => match entries.iter().find(|e| e.digest == *digest) {
            Some(entry) => Ok(entry.clone()),
            None => Err(choice(format!("no image has the digest {digest}"))),
        },
        None => match entries.as_slice() {
            [entry] => Ok(entry.clone()),
            _ => Err(choice("a name is needed to choose one image".to_owned())),
        },
    }
}

/// The names of a layout's images, for a message.
fn names(entries: &[Descriptor]) -> String {
    if entries.is_empty() {
        return "no image".to_owned();
    }
    let name = |e: &Descriptor| {
        let name = manifest::ref_name(&e.annotations).unwrap_or(e.digest.as_str());
        foreign(name, 128)
    };
    let mut list: Vec<String> = entries.iter().take(20).map(name).collect();
    if entries.len() > list.len() {
        list.push("…".to_owned());
    }
    list.join(", ")
}

impl<F: Files> Source for LayoutSource<F> {
    fn name(&self) -> String {
        self.files.place()
    }

    fn root(&self) -> Result<RawDocument, SourceError> {
        let entry = self.choose()?;
        self.document(&entry)
    }

    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError> {
        let bytes = self.verified(wanted, MAX_DOCUMENT)?;
        let media_type = wanted.media_type.clone();
        let given_name = manifest::ref_name(&wanted.annotations).map(str::to_owned);
        Ok(RawDocument { bytes, media_type, digest: wanted.digest.clone(), given_name })
    }

    fn blob(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        Ok(self.verified(wanted, limit)?)
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery::Open(self)
    }
}

impl<F: Files> OpenBlob for LayoutSource<F> {
    fn open(&self, wanted: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let (reader, got) = self.files.open(&blob_path(&wanted.digest))?;
        if got != wanted.size {
            let (place, digest) = (self.files.place(), wanted.digest.clone());
            return Err(LayoutError::Size { place, digest, wanted: wanted.size, got }.into());
        }
        Ok(reader)
    }
}
