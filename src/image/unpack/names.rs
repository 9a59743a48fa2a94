//! Paths of entries: cleaned lexically, as Go's `filepath.Clean` does, and whiteouts.

use super::limits::Limits;

const PREFIX: &[u8] = b".wh.";
const META: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What a `.wh.` name asks for (image-spec, layer.md#whiteouts).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// Hide `name` of the layers below.
    Name(&'a [u8]),
    /// Hide everything the layers below have in this directory.
    Opaque,
    /// AUFS' own bookkeeping: means nothing here.
    Ignored,
}

/// The path without leading, double and trailing slashes and without `.` and `..`; empty for the
/// layer's root.
pub(super) fn clean(path: &[u8], limits: &Limits) -> Result<Vec<u8>, String> {
    if path.is_empty() {
        return Err("its name is empty".to_owned());
    }
    if path.contains(&0) {
        return Err("its name has a NUL byte".to_owned());
    }
    let mut clean = Vec::with_capacity(path.len());
    let mut depth = 0usize;
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                depth = depth.checked_sub(1).ok_or("it leads out of the layer with `..`")?;
                clean.truncate(split(&clean).0.len());
            }
            _ if part.len() > limits.component => {
                return Err(format!("a name is longer than {} bytes", limits.component));
            }
            _ => {
                if depth > 0 {
                    clean.push(b'/');
                }
                clean.extend_from_slice(part);
                depth += 1;
            }
        }
    }
    if depth > limits.depth {
        return Err(format!("it is more than {} directories deep", limits.depth));
    }
    if clean.len() >= limits.path {
        return Err(format!("its path is longer than {} bytes", limits.path - 1));
    }
    Ok(clean)
}

/// Directory and last component of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// Whether a clean path is a whiteout. `.wh.` in the name of a parent has no meaning in any
/// layer and is refused, as is a whiteout of `.`, `..` or nothing.
pub(super) fn whiteout(path: &[u8]) -> Result<Option<Whiteout<'_>>, String> {
    let (parent, base) = split(path);
    if parent.split(|b| *b == b'/').any(|part| part.starts_with(PREFIX)) {
        return Err("it lies below a whiteout".to_owned());
    }
    if base == OPAQUE {
        return Ok(Some(Whiteout::Opaque));
    }
    if base.starts_with(META) {
        return Ok(Some(Whiteout::Ignored));
    }
    match base.strip_prefix(PREFIX) {
        None => Ok(None),
        Some(b"" | b"." | b"..") => Err("it is a whiteout of no name".to_owned()),
        Some(name) => Ok(Some(Whiteout::Name(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_or_refused() {
        for (path, wanted) in [
            ("a/b", Some("a/b")),
            ("/a//./b/", Some("a/b")),
            ("./", Some("")),
            ("a/../b", Some("b")),
            ("a/b/../c", Some("a/c")),
            ("a/b/../../c/.", Some("c")),
            ("a/b/..", Some("a")),
            ("..", None),
            ("a/../../b", None),
            ("/../etc/passwd", None),
            ("", None),
            ("a\0b", None),
        ] {
            let got = clean(path.as_bytes(), &Limits::default()).ok();
            assert_eq!(got.as_deref(), wanted.map(str::as_bytes), "{path:?}");
        }
        assert!(clean(&[b'x'; 256], &Limits::default()).is_err());
        assert!(clean("a/".repeat(600).as_bytes(), &Limits::default()).is_err());
        assert!(
            clean(format!("{}/", "x".repeat(200)).repeat(21).as_bytes(), &Limits::default())
                .is_err()
        );
    }

    #[test]
    fn whiteouts() {
        for (path, wanted) in [
            ("a/.wh.b", Some(Whiteout::Name(b"b"))),
            (".wh..wh..opq", Some(Whiteout::Opaque)),
            ("a/.wh..wh.plnk", Some(Whiteout::Ignored)),
            ("a/wh.b", None),
        ] {
            assert_eq!(whiteout(path.as_bytes()), Ok(wanted), "{path}");
        }
        for path in [".wh.", ".wh..", "a/.wh...", ".wh.a/b", "a/.wh./etc"] {
            assert!(whiteout(path.as_bytes()).is_err(), "{path}");
        }
    }
}
