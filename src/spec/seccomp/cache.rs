//! Compiled filters on disk: `DIR/seccomp/NAME.bpf`, the program and then a checksum of it.
//!
//! The name says all that goes into a filter, so a file is never out of date; one that
//! is damaged is compiled anew. A hit costs one open and one read, and builds no table.

use super::{COMPILER_VERSION, MAX_INSNS, Options, Profile, SeccompError, bpf, builtin, compile};
use crate::image::types::Digest;
use crate::spec::caps::CapSet;
use crate::sys::atomic::{self, Sync};
use crate::sys::small;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Where the profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Bolt's own.
    Builtin,
    /// The contents of a profile file.
    Json(&'a [u8]),
}

/// The filter's bytes for `source`, from the cache below `cache_dir` where it is there.
///
/// A cache that cannot be read or written is not an error. `cache_dir` must be writable by the
/// user alone: the checksum finds damage, not malice.
pub fn cached(
    source: Source,
    caps: CapSet,
    options: &Options,
    cache_dir: &Path,
) -> Result<Vec<u8>, SeccompError> {
    let dir = cache_dir.join("seccomp");
    let name = file_name(source, caps, options);
    if let Some(program) = load(&dir.join(&name)) {
        return Ok(program);
    }
    let profile = match source {
        Source::Builtin => Profile::builtin(),
        Source::Json(json) => Profile::parse(json)?,
    };
    let program = compile(&profile, caps, options)?.into_bytes();
    if let Err(error) = save(&dir, &name, &program) {
        tracing::debug!(dir = %dir.display(), %error, "the seccomp filter was not cached");
    }
    Ok(program)
}

/// Spelled out, but for a profile of the user's: to hash alone makes ring ask the processor for
/// what it can, and a virtual machine answers that in a few microseconds each time.
fn file_name(source: Source, caps: CapSet, options: &Options) -> String {
    let profile = match source {
        Source::Builtin => format!("builtin{}", builtin::VERSION),
        Source::Json(json) => Digest::sha256_of(json).hex().to_owned(),
    };
    let kernel =
        options.kernel.map_or(String::new(), |(major, minor)| format!("-linux{major}.{minor}"));
    let games = if options.games { "-games" } else { "" };
    let (arch, caps) = (std::env::consts::ARCH, caps.bits());
    format!("{profile}-{COMPILER_VERSION}-{arch}{kernel}{games}-{caps:x}.bpf")
}

/// The program, if the file is there and whole.
fn load(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = small::read_regular(path).ok()?;
    bytes.truncate(whole(&bytes)?);
    Some(bytes)
}

/// The length of the program, if these bytes are one of legal length and its checksum.
fn whole(bytes: &[u8]) -> Option<usize> {
    let (program, sum) = bytes.split_last_chunk()?;
    let legal = !program.is_empty()
        && program.len().is_multiple_of(bpf::INSN)
        && program.len() / bpf::INSN <= MAX_INSNS;
    (legal && checksum(program) == u64::from_le_bytes(*sum)).then_some(program.len())
}

/// After FNV-1a (RFC 9923), but over whole instructions, and over their number: SHA-256 of the program took a
/// sixteenth of all that `bolt run` computes, to find a write that a power cut had torn.
fn checksum(program: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325 ^ program.len() as u64;
    for insn in program.as_chunks().0 {
        sum = (sum ^ u64::from_le_bytes(*insn)).wrapping_mul(0x0100_0000_01b3);
        // The product carries upwards only.
        sum ^= sum >> 32;
    }
    sum
}

fn save(dir: &Path, name: &str, program: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut bytes = program.to_vec();
    bytes.extend_from_slice(&checksum(program).to_le_bytes());
    // Torn by a power cut it fails the checksum and is made again: no fsync.
    atomic::write(File::open(dir)?, name, &bytes, Sync::Fast)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir =
                std::env::temp_dir().join(format!("bolt-seccomp-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }

        fn files(&self) -> Vec<PathBuf> {
            let entries = fs::read_dir(self.0.join("seccomp")).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn builtin(dir: &Dir) -> Vec<u8> {
        cached(Source::Builtin, CapSet::EMPTY, &Options::default(), &dir.0).unwrap()
    }

    #[test]
    fn a_hit_is_what_was_compiled() {
        let dir = Dir::new("hit");
        let fresh = builtin(&dir);
        let filter = compile(&Profile::builtin(), CapSet::EMPTY, &Options::default()).unwrap();
        assert_eq!(fresh, filter.bytes());
        let [file] = dir.files().try_into().unwrap();
        assert_eq!(load(&file).unwrap(), fresh);
        assert_eq!(builtin(&dir), fresh);
        assert_eq!(dir.files(), [file]);
    }

    #[test]
    fn damaged_files_are_made_again() {
        let dir = Dir::new("damaged");
        let fresh = builtin(&dir);
        let [file] = dir.files().try_into().unwrap();
        let good = fs::read(&file).unwrap();
        let mut flipped = good.clone();
        flipped[100] ^= 1;
        let mut longer = good.clone();
        longer.extend_from_slice(&[0; 8]);
        let huge = vec![0; 1 << 20];
        for bad in
            [&[][..], &good[..good.len() - 1], &good[8..], &flipped, &longer, &huge, &[0; 64]]
        {
            fs::write(&file, bad).unwrap();
            assert_eq!(load(&file), None);
            assert_eq!(builtin(&dir), fresh);
            assert_eq!(fs::read(&file).unwrap(), good);
        }
    }

    #[test]
    fn whatever_shapes_the_filter_shapes_the_name() {
        let none = Options::default();
        let games = Options { games: true, ..none };
        let kernel = Options { kernel: Some((6, 1)), ..none };
        let json = br#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
        let mut names = [
            file_name(Source::Builtin, CapSet::EMPTY, &none),
            file_name(Source::Builtin, CapSet::ALL, &none),
            file_name(Source::Builtin, CapSet::EMPTY, &games),
            file_name(Source::Builtin, CapSet::EMPTY, &kernel),
            file_name(Source::Json(json), CapSet::EMPTY, &none),
            file_name(Source::Json(&json[1..]), CapSet::EMPTY, &none),
        ];
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn no_cache_is_no_error_and_a_bad_profile_is() {
        let dir = Dir::new("none");
        let blocked = dir.0.join("file");
        fs::write(&blocked, b"").unwrap();
        let options = Options::default();
        assert!(cached(Source::Builtin, CapSet::EMPTY, &options, &blocked).is_ok());
        let bad = cached(Source::Json(b"[]"), CapSet::EMPTY, &options, &dir.0);
        assert!(matches!(bad, Err(SeccompError::Malformed { .. })));
        assert!(!dir.0.join("seccomp").exists());
    }
}
