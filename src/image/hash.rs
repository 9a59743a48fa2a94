//! Digests of streams: bytes are hashed on their way through.

use crate::image::types::Digest;
use std::io::{self, Read, Write};

/// A running hash of the algorithm that some digest names.
#[derive(Clone)]
pub(super) struct Hasher {
    context: ring::digest::Context,
    algorithm: &'static str,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hasher({})", self.algorithm)
    }
}

impl Hasher {
    /// A hash that can be compared with `wanted`: sha256 or sha512.
    pub(super) fn like(wanted: &Digest) -> Self {
        let (algorithm, ring) = match wanted.algorithm() {
            "sha512" => ("sha512", &ring::digest::SHA512),
            _ => ("sha256", &ring::digest::SHA256),
        };
        Hasher { context: ring::digest::Context::new(ring), algorithm }
    }
    /// Takes in more bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }
    /// `algorithm:hex` of everything taken in.
    pub(super) fn finish(self) -> String {
        use std::fmt::Write;
        let mut text = format!("{}:", self.algorithm);
        for byte in self.context.finish().as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// The digest of `bytes` in the algorithm of `wanted`, as `algorithm:hex`.
pub(super) fn digest_like(wanted: &Digest, bytes: &[u8]) -> String {
    let mut hasher = Hasher::like(wanted);
    hasher.update(bytes);
    hasher.finish()
}

/// A reader that hashes what passes through it.
#[derive(Debug)]
pub(super) struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    /// Hashes `inner` with the algorithm of `wanted`.
    pub(super) fn new(inner: R, wanted: &Digest) -> Self {
        HashingReader { inner, hasher: Hasher::like(wanted) }
    }
    /// Reads what is left and returns `algorithm:hex` of the whole stream.
    pub(super) fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finish())
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        Ok(n)
    }
}

/// A writer that hashes and counts what passes through it.
#[derive(Debug)]
pub(super) struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Hashes what goes to `inner` with the algorithm of `wanted`.
    pub(super) fn new(inner: W, wanted: &Digest) -> Self {
        HashingWriter { inner, hasher: Hasher::like(wanted), count: 0 }
    }
    /// The writer, the digest of what it got, and how many bytes that were.
    pub(super) fn finish(self) -> (W, Digest, u64) {
        let Hasher { context, algorithm } = self.hasher;
        (self.inner, Digest::from_hash(algorithm, context.finish().as_ref()), self.count)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_the_digest_of_its_bytes() {
        let wanted = Digest::sha256_of(b"abc");
        let mut reader = HashingReader::new(&b"abc"[..], &wanted);
        let mut one = [0; 1];
        reader.read_exact(&mut one).unwrap();
        assert_eq!(reader.finish().unwrap(), wanted.as_str());
    }

    #[test]
    fn sha512_is_known() {
        // FIPS 180-4 example "abc".
        let wanted: Digest =
            "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
                .parse()
                .unwrap();
        assert_eq!(digest_like(&wanted, b"abc"), wanted.as_str());
    }
}
