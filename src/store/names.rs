//! Full image names as file names below `refs/`.

use crate::image::types::Digest;

/// Longest encoded name kept as it is; NAME_MAX is 255 and temporary names need some of it.
const MAX_PLAIN: usize = 200;

/// The file name of a full image name: bytes outside `[A-Za-z0-9._:@+-]` become `%XX`, as does a
/// leading dot. Names that grow too long are hashed; `%h` is no percent code, so both never meet.
pub(super) fn encode(full_name: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(full_name.len() + 16);
    for (at, byte) in full_name.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"._:@+-".contains(&byte);
        if plain && !(at == 0 && byte == b'.') {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    if out.len() > MAX_PLAIN {
        out = format!("%h{}", Digest::sha256_of(full_name.as_bytes()).hex());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_one_component() {
        for (name, file) in [
            ("docker.io/library/alpine:3.20", "docker.io%2Flibrary%2Falpine:3.20"),
            ("..", "%2E."),
            (".", "%2E"),
            ("a%2Fb", "a%252Fb"),
            ("a b\n", "a%20b%0A"),
        ] {
            assert_eq!(encode(name), file);
        }
        let long = encode(&"x/".repeat(100));
        assert_eq!(long.len(), 66);
        assert!(!long.contains('/'));
    }
}
