//! Layers as plain tar streams, whatever they are packed with.

use std::io::{self, BufRead, Read};

/// Largest window a zstd frame may ask for, as a power of two: 128 MiB, what `zstd --ultra -22`
/// and `--long` write. A layer that wants more is refused instead of eating the memory.
const ZSTD_WINDOW: u32 = 27;

/// The plain bytes of `packed`: gzip with any number of members (RFC 1952), zstd with any number
/// of frames (RFC 8878), or as it is.
///
/// The first bytes decide, not the media type: tools exist that name the wrong one, and the
/// content is verified by its diff id either way.
pub(super) fn decompress<'a>(
    mut packed: impl BufRead + Send + 'a,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    // A reader that follows a download may give its first bytes one by one.
    let mut start = Vec::with_capacity(4);
    packed.by_ref().take(4).read_to_end(&mut start)?;
    let kind: [u8; 4] = [0, 1, 2, 3].map(|i| start.get(i).copied().unwrap_or(0));
    let whole = io::Cursor::new(start).chain(packed);
    Ok(match kind {
        [0x1f, 0x8b, _, _] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        // A frame, or a skippable one before it.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(whole)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        _ => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Write};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_frame(bytes: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(bytes, 1).unwrap()
    }

    /// Gives one byte a read, as a slow download may.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = buf.len().min(1);
            self.0.read(&mut buf[..n])
        }
    }

    fn plain(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(BufReader::new(Slow(packed)))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn unpacks_every_packing() {
        let skippable =
            [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7][..], &zstd_frame(b"ab")].concat();
        let cases = [
            (b"ab".to_vec(), b"ab".to_vec()),
            (Vec::new(), Vec::new()),
            (gzip(b"ab"), b"ab".to_vec()),
            ([gzip(b"ab"), gzip(b"cd")].concat(), b"abcd".to_vec()),
            (zstd_frame(b"ab"), b"ab".to_vec()),
            ([zstd_frame(b"ab"), zstd_frame(b"cd")].concat(), b"abcd".to_vec()),
            (skippable, b"ab".to_vec()),
        ];
        for (packed, expected) in cases {
            assert_eq!(plain(&packed).unwrap(), expected);
        }
    }

    #[test]
    fn a_cut_or_broken_stream_is_an_error() {
        for mut packed in [gzip(&[7; 4096]), zstd_frame(&[7; 4096])] {
            let whole = packed.clone();
            packed.truncate(packed.len() - 3);
            assert!(plain(&packed).is_err());
            assert!(plain(&[&whole[..], b"garbage"].concat()).is_err());
        }
    }

    #[test]
    fn a_huge_zstd_window_is_refused() {
        // Frame header: no single segment, window descriptor of 2^31 bytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0];
        assert!(plain(&frame).is_err());
    }
}
