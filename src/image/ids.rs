//! How many ids an image uses: what a range of its own must hold.

use crate::image::types::{Digest, ImageRecord};
use crate::store::{NOBODY, Store, StoreError};
use crate::sys::beneath;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use std::io::Read;
use std::os::fd::OwnedFd;

/// Largest account file that is looked at, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Why that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum IdsError {
    /// Unpacked by a version that did not note it.
    #[error(
        "the owners in layer {0} are not known; say how many ids the image needs (--userns auto:size=65536)"
    )]
    Unknown(Digest),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The highest uid or gid of the image's files and of its accounts; nobody (65534) does not
/// count, who looks the same where he does not exist, unless he is among those that a process
/// is to become: `wanted`, names or numbers of users and groups.
pub fn highest(store: &Store, image: &ImageRecord, wanted: &[&str]) -> Result<u32, IdsError> {
    let layouts = store.layouts()?;
    let mut highest = 0;
    for layer in &image.layers {
        let mut known = None;
        for layout in &layouts {
            if let Some(facts) = store.layer_facts(*layout, &layer.chain_id)? {
                known = known.max(facts.highest);
            }
        }
        highest = highest.max(known.ok_or_else(|| IdsError::Unknown(layer.chain_id.clone()))?);
    }
    for path in ["etc/passwd", "etc/group"] {
        if let Some(text) = account_file(store, image, path)? {
            highest = highest.max(highest_account(&text, wanted));
        }
    }
    Ok(highest)
}

/// The file as the uppermost layer has it that has it at all. An image's accounts only say how
/// much its programs may want: what cannot be read here counts as absent.
fn account_file(
    store: &Store,
    image: &ImageRecord,
    path: &str,
) -> Result<Option<String>, IdsError> {
    let layouts = store.layouts()?;
    for layer in image.layers[image.visible_from..].iter().rev() {
        for layout in &layouts {
            if !store.has_layer(*layout, &layer.chain_id)? {
                continue;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = openat(CWD, store.layer_path(*layout, &layer.chain_id), flags, Mode::empty());
            match dir.map(|dir| open(&dir, path)) {
                Ok(Found::File(text)) => return Ok(Some(text)),
                Ok(Found::Hidden) => return Ok(None),
                Ok(Found::Nothing) | Err(_) => {}
            }
            break;
        }
    }
    Ok(None)
}

enum Found {
    File(String),
    /// A whiteout, or what is no file.
    Hidden,
    Nothing,
}

fn open(dir: &OwnedFd, path: &str) -> Found {
    // O_NONBLOCK: an image may put a pipe there.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(fd) = beneath::open_in_root(dir, path, flags, Mode::empty()) else {
        let is_there = beneath::open_in_root(dir, path, OFlags::PATH, Mode::empty()).is_ok();
        return if is_there { Found::Hidden } else { Found::Nothing };
    };
    let is_file =
        fstat(&fd).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile);
    let mut bytes = Vec::new();
    if !is_file || std::fs::File::from(fd).take(MAX_FILE).read_to_end(&mut bytes).is_err() {
        return Found::Hidden;
    }
    Found::File(String::from_utf8_lossy(&bytes).into_owned())
}

/// The third field of passwd(5) and group(5), and a wanted user's own group.
fn highest_account(text: &str, wanted: &[&str]) -> u32 {
    let mut highest = 0;
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let mut ids = fields.skip(1).map_while(|id| id.parse::<u32>().ok());
        let (id, group) = (ids.next(), ids.next());
        let is_wanted = wanted.iter().any(|w| *w == name || w.parse().is_ok_and(|n| id == Some(n)));
        let known = id.into_iter().chain(group.filter(|_| is_wanted));
        let counts = |id: &u32| *id != u32::MAX && (is_wanted || *id != NOBODY);
        highest = known.filter(counts).fold(highest, u32::max);
    }
    highest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn accounts_are_counted_without_nobody() {
        let text = "root:x:0:0::/:\nnobody:x:65534:65534::/:\nhi:x:4000:1::/:\nbad:x:y\n-1:x:4294967295:\n";
        assert_eq!(highest_account(text, &[]), 4000);
        assert_eq!(highest_account("", &[]), 0);
    }

    #[test]
    fn nobody_counts_where_he_is_to_be_become() {
        let text = "nobody:x:65534:65534::/:\ngame:x:500:65534::/:\nusers:x:100:a,b\n";
        assert_eq!(highest_account(text, &["nobody"]), 65534);
        assert_eq!(highest_account(text, &["65534"]), 65534);
        assert_eq!(highest_account(text, &["game"]), 65534, "his group");
        assert_eq!(highest_account(text, &["users"]), 500);
    }

    #[test]
    fn account_files_are_looked_for_inside_the_layer() {
        let scratch = Scratch::new("accounts");
        let dir: OwnedFd = std::fs::File::open(scratch.path()).unwrap().into();
        assert!(matches!(open(&dir, "etc/passwd"), Found::Nothing));
        std::fs::create_dir(scratch.path().join("etc")).unwrap();
        let passwd = scratch.path().join("etc/passwd");
        std::os::unix::fs::symlink("/etc/shadow-of-nothing", &passwd).unwrap();
        assert!(matches!(open(&dir, "etc/passwd"), Found::Nothing));
        std::fs::remove_file(&passwd).unwrap();
        std::fs::create_dir(&passwd).unwrap();
        assert!(matches!(open(&dir, "etc/passwd"), Found::Hidden));
        std::fs::remove_dir(&passwd).unwrap();
        std::fs::write(&passwd, "a:x:7:7::/:\n").unwrap();
        assert!(matches!(open(&dir, "etc/passwd"), Found::File(text) if text.starts_with("a:x")));
    }
}
