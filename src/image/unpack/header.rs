//! Fields of one 512-byte header (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual,
//! "Basic Tar Format").

use std::ops::Range;
use tar::Header;

/// Bytes of a header and of the unit data is padded to.
pub(super) const BLOCK: u64 = 512;
/// A header, or a piece of a sparse map.
pub(super) type Block = [u8; BLOCK as usize];
/// Where a header has its checksum.
const CHECKSUM: Range<usize> = 148..156;

/// Who laid the header out. The magic decides, and nothing else: whoever looks at more of it than
/// Go's `archive/tar` reads another name than every other engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Unix version 7: no field behind the link.
    V7,
    Ustar,
    /// Jörg Schilling's star: times behind a shorter prefix.
    Star,
    Gnu,
}

fn dialect(header: &[u8; BLOCK as usize]) -> Dialect {
    match (&header[257..263], &header[263..265]) {
        (b"ustar\0", _) if &header[508..] == b"tar\0" => Dialect::Star,
        (b"ustar\0", _) => Dialect::Ustar,
        (b"ustar ", b" \0") => Dialect::Gnu,
        _ => Dialect::V7,
    }
}

/// The name in the header itself, with its prefix.
pub(super) fn name(header: &Header) -> Vec<u8> {
    let bytes = header.as_bytes();
    let name = text(&bytes[..100]);
    let prefix = match dialect(bytes) {
        Dialect::V7 => b"",
        Dialect::Ustar => text(&bytes[345..500]),
        Dialect::Star => text(&bytes[345..476]),
        Dialect::Gnu => prefix_of_old_go(bytes),
    };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// GNU's header has no prefix but two times. Go before 1.8 wrote one all the same, and Go since
/// then takes what is no time for it.
fn prefix_of_old_go(header: &[u8; BLOCK as usize]) -> &[u8] {
    let is_time = |field: &[u8]| field[0] == 0 || signed_number(field).is_ok();
    let prefix = text(&header[345..500]);
    let times = is_time(&header[345..357]) && is_time(&header[357..369]);
    if times || !prefix.is_ascii() { b"" } else { prefix }
}

/// Major and minor number of a device, which version 7 has no place for.
pub(super) fn device(header: &Header) -> Result<(u64, u64), String> {
    let bytes = header.as_bytes();
    match dialect(bytes) {
        Dialect::V7 => Ok((0, 0)),
        _ => Ok((number(&bytes[329..337])?, number(&bytes[337..345])?)),
    }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The checksum is right: the sum of all bytes with the field itself as blanks. Old writers
/// summed signed bytes.
pub(super) fn checksum_fits(header: &Header) -> bool {
    let Ok(wanted) = number(&header.as_old().cksum) else { return false };
    let (before, rest) = header.as_bytes().split_at(CHECKSUM.start);
    let (field, behind) = rest.split_at(CHECKSUM.len());
    // Without a condition for each byte, the compiler sums many at a time.
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    let unsigned = sum(before) + sum(behind) + u32::from(b' ') * field.len() as u32;
    if wanted == u64::from(unsigned) {
        return true;
    }
    // As signed ones they count 256 less.
    let high = before.iter().chain(behind).filter(|byte| !byte.is_ascii()).count();
    i64::try_from(wanted) == Ok(i64::from(unsigned) - 256 * high as i64)
}

/// A non-negative number: octal digits between blanks and NULs, or base-256 big-endian when the
/// first bit is set. `tar::Header` cuts base-256 numbers to their last eight bytes, which turns a
/// negative or huge size into a small one; here they are errors.
pub(super) fn number(field: &[u8]) -> Result<u64, String> {
    match field.first() {
        Some(0x80) => {
            let (high, low) = field[1..].split_at(field.len().saturating_sub(9));
            if high.iter().any(|b| *b != 0) {
                return Err("a number is too large".to_owned());
            }
            Ok(low.iter().fold(0, |sum, b| (sum << 8) | u64::from(*b)))
        }
        Some(first) if first & 0x80 != 0 => Err("a number is negative or too large".to_owned()),
        _ => octal(field),
    }
}

/// Like [`number`], and negative base-256 numbers too: times before 1970.
pub(super) fn signed_number(field: &[u8]) -> Result<i64, String> {
    if field.first() != Some(&0xff) {
        let value = number(field)?;
        return i64::try_from(value).map_err(|_| "a time is too large".to_owned());
    }
    let (high, low) = field.split_at(field.len().saturating_sub(8));
    let value = low.iter().fold(0, |sum: i64, b| (sum << 8) | i64::from(*b));
    if high.iter().any(|b| *b != 0xff) || value >= 0 {
        return Err("a time is too small".to_owned());
    }
    Ok(value)
}

/// Blanks and NULs around the field mean nothing; up to the first NUL that is left there are digits
/// and nothing else.
fn octal(field: &[u8]) -> Result<u64, String> {
    let is_pad = |b: &u8| *b == b' ' || *b == 0;
    let start = field.iter().position(|b| !is_pad(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !is_pad(b)).map_or(start, |last| last + 1);
    let bad = || format!("{:?} is no octal number", String::from_utf8_lossy(field));
    text(&field[start..end]).iter().try_fold(0u64, |sum, b| {
        let digit = b.checked_sub(b'0').filter(|d| *d < 8).ok_or_else(bad)?;
        sum.checked_mul(8).and_then(|s| s.checked_add(u64::from(digit))).ok_or_else(bad)
    })
}

/// Bytes from the end of `size` bytes of data to the next block.
pub(super) fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_sum_of_unsigned_or_of_signed_bytes() {
        // Bytes above 127 before and behind the field.
        for (path, link, high) in [("a", "b", 0), ("\u{e4}", "b", 2), ("\u{e4}", "\u{f6}\u{fc}", 6)]
        {
            let mut header = Header::new_ustar();
            header.set_path(path).unwrap();
            header.set_link_name(link).unwrap();
            header.set_cksum();
            let unsigned = number(&header.as_old().cksum).unwrap();
            let signed = unsigned - 256 * high;
            for sum in [unsigned / 2, signed - 256, signed, unsigned - 256, unsigned, unsigned + 1]
            {
                header.as_old_mut().cksum.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                assert_eq!(
                    checksum_fits(&header),
                    sum == signed || sum == unsigned,
                    "{path} {sum}"
                );
            }
        }
    }

    #[test]
    fn numbers() {
        let base256 = |last: [u8; 8], first: [u8; 4]| [&first[..], &last[..]].concat();
        for (field, value) in [
            (b"0000644\0".to_vec(), Some(0o644)),
            (b"  755 \0 ".to_vec(), Some(0o755)),
            (b"\0\0\0\0".to_vec(), Some(0)),
            (b"644\0junk".to_vec(), Some(0o644)),
            (b"644 \0junk".to_vec(), None),
            (b"12 34\0".to_vec(), None),
            (b"77777777777\0".to_vec(), Some(0o77777777777)),
            (base256([0, 0, 0, 2, 0, 0, 0, 1], [0x80, 0, 0, 0]), Some(0x2_0000_0001)),
            (base256([0xff; 8], [0x80, 0, 0, 0]), Some(u64::MAX)),
            (base256([0; 8], [0x80, 0, 0, 1]), None),
            (base256([0xff; 8], [0xff; 4]), None),
            (b"-1\0".to_vec(), None),
            (b"0x10".to_vec(), None),
            (b"+7".to_vec(), None),
            (b"128".to_vec(), None),
        ] {
            assert_eq!(number(&field).ok(), value, "{field:?}");
        }
        assert_eq!(signed_number(&[0xff; 12]), Ok(-1));
        assert!(signed_number(&base256([0x7f, 0, 0, 0, 0, 0, 0, 0], [0xff; 4])).is_err());
    }
}
