//! The keys that leave a terminal and let the container run on.

/// A sequence of keys, looked for in typed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKeys {
    sequence: Vec<u8>,
    held: Vec<u8>,
}

/// A key that is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a key for --detach-keys: use one letter, or ctrl- with a letter or one of @ ^ [ \\ ] _, separated by commas"
)]
pub struct BadKey(String);

impl Default for DetachKeys {
    /// `ctrl-p,ctrl-q`.
    fn default() -> Self {
        DetachKeys { sequence: vec![0x10, 0x11], held: Vec::new() }
    }
}

impl DetachKeys {
    /// Reads podman's syntax (podman-attach(1)): `ctrl-p,ctrl-q`, `a,b`; empty disables.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let keys = if text.is_empty() { Vec::new() } else { text.split(',').collect() };
        let sequence = keys.into_iter().map(key).collect::<Result<_, _>>()?;
        Ok(DetachKeys { sequence, held: Vec::new() })
    }

    /// Appends to `out` what of `input` belongs to the container; true when the whole sequence
    /// was typed. What may be its beginning is held back until the next byte decides.
    pub fn filter(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if self.sequence.is_empty() {
            out.extend_from_slice(input);
            return false;
        }
        for byte in input {
            self.held.push(*byte);
            while !self.sequence.starts_with(&self.held) {
                out.push(self.held.remove(0));
            }
            if self.held.len() == self.sequence.len() {
                self.held.clear();
                return true;
            }
        }
        false
    }

    /// What was held back, when the input has ended.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn key(text: &str) -> Result<u8, BadKey> {
    let bad = || BadKey(text.to_owned());
    if let [byte] = text.as_bytes() {
        return if byte.is_ascii_graphic() { Ok(*byte) } else { Err(bad()) };
    }
    match text.strip_prefix("ctrl-").map(str::as_bytes) {
        Some([byte @ (b'a'..=b'z' | b'A'..=b'Z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')]) => {
            Ok(byte.to_ascii_uppercase() & 0x1f)
        }
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(keys: &str, parts: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = DetachKeys::parse(keys).unwrap();
        let mut out = Vec::new();
        for part in parts {
            if keys.filter(part, &mut out) {
                return (out, true);
            }
        }
        (out, false)
    }

    #[test]
    fn the_sequence_is_found_across_reads() {
        type Case = (&'static str, &'static [&'static [u8]], &'static [u8], bool);
        let cases: &[Case] = &[
            ("ctrl-p,ctrl-q", &[b"ls\x10\x11"], b"ls", true),
            ("ctrl-p,ctrl-q", &[b"a\x10", b"\x11"], b"a", true),
            ("ctrl-p,ctrl-q", &[b"\x10", b"x"], b"\x10x", false),
            ("ctrl-p,ctrl-q", &[b"\x10\x10", b"\x11"], b"\x10", true),
            ("ctrl-p,ctrl-q", &[b"\x10"], b"", false),
            ("a,a,b", &[b"aaab"], b"a", true),
            ("", &[b"\x10\x11"], b"\x10\x11", false),
            ("ctrl-]", &[b"x\x1dy"], b"x", true),
        ];
        for (keys, parts, want, end) in cases {
            assert_eq!(feed(keys, parts), (want.to_vec(), *end), "{keys} {parts:?}");
        }
        assert_eq!(DetachKeys::parse("ctrl-p,ctrl-q").unwrap(), DetachKeys::default());
    }

    #[test]
    fn held_bytes_are_not_lost_at_the_end_of_input() {
        let mut keys = DetachKeys::default();
        let mut out = Vec::new();
        assert!(!keys.filter(b"\x10", &mut out));
        assert_eq!(keys.rest(), b"\x10");
    }

    #[test]
    fn unknown_keys_are_refused() {
        for bad in ["ctrl-", "ctrl-1", "ctrl-ab", "x,", ",", "alt-x", "ab"] {
            assert!(DetachKeys::parse(bad).is_err(), "{bad}");
        }
    }
}
