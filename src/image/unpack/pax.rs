//! Bodies of pax extended headers (POSIX.1-2017 pax, "pax Header Block").

use super::limits::Limits;
use std::collections::BTreeMap;

/// Fields of one extended header that matter to a layer.
#[derive(Debug, Default, Clone)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) linkpath: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub(super) mtime: Option<(i64, u32)>,
    /// Names without `SCHILY.xattr.`, last value of a name wins.
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: PaxSparse,
}

/// `GNU.sparse.*` (GNU tar manual, "Storing Sparse Files").
#[derive(Debug, Default, Clone)]
pub(super) struct PaxSparse {
    /// As they are spelled: `01` is no 1.
    major: Vec<u8>,
    minor: Vec<u8>,
    pub(super) name: Option<Vec<u8>>,
    /// Of 0.0 and 0.1.
    size: Option<u64>,
    /// Of 0.1 and 1.0.
    real_size: Option<u64>,
    /// How many pieces 0.0 and 0.1 have.
    blocks: Option<u64>,
    /// Pieces of 0.0 and 0.1.
    extents: Vec<(u64, u64)>,
    /// An `offset` of 0.0 that waits for its `numbytes`.
    offset: Option<u64>,
}

/// Where the map of a sparse file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MapPlace {
    /// It is no sparse file.
    None,
    /// In the extended header (0.0 and 0.1).
    Header(Vec<(u64, u64)>),
    /// Before the file's content (1.0).
    Data,
}

impl PaxSparse {
    /// Decides by the version, and where there is none by the map, as Go does.
    pub(super) fn map(&self) -> Result<MapPlace, String> {
        match (&self.major[..], &self.minor[..]) {
            (b"1", b"0") => Ok(MapPlace::Data),
            (b"", b"") if self.extents.is_empty() => Ok(MapPlace::None),
            (b"", b"") | (b"0", b"0" | b"1") => {
                if self.blocks != Some(self.extents.len() as u64) {
                    return Err("its sparse map is not as long as it says".to_owned());
                }
                Ok(MapPlace::Header(self.extents.clone()))
            }
            _ => Err("its sparse format is not known".to_owned()),
        }
    }

    /// Length of the file with its holes.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.or(self.real_size)
    }
}

const XATTR: &[u8] = b"SCHILY.xattr.";

/// Parses a body. Records are cut by their length: `tar::PaxExtensions` cuts at newlines, which
/// are lawful inside values (binary xattrs have them), and would see other records than Go does.
pub(super) fn parse(body: &[u8], limits: &Limits) -> Result<Pax, String> {
    let mut pax = Pax::default();
    let mut rest = body;
    while !rest.is_empty() {
        let (key, value, after) = record(rest)?;
        apply(&mut pax, key, value, limits)?;
        rest = after;
    }
    pax.xattrs = last_of_each(std::mem::take(&mut pax.xattrs));
    if pax.sparse.offset.is_some() {
        return Err("pax: GNU.sparse.offset without GNU.sparse.numbytes".to_owned());
    }
    Ok(pax)
}

/// A key, its value, and what follows the record.
type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits `LEN KEY=VALUE\n` off.
fn record(rest: &[u8]) -> Result<Record<'_>, String> {
    let bad = || "pax: a record's length does not fit".to_owned();
    let blank = rest.iter().take(12).position(|b| *b == b' ').ok_or_else(bad)?;
    let len = usize::try_from(decimal(&rest[..blank])?).map_err(|_| bad())?;
    if len <= blank + 1 || len > rest.len() || rest[len - 1] != b'\n' {
        return Err(bad());
    }
    let text = &rest[blank + 1..len - 1];
    let equals = text.iter().position(|b| *b == b'=').ok_or("pax: a record without '='")?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err("pax: a record with an empty or NUL key".to_owned());
    }
    Ok((key, value, &rest[len..]))
}

fn apply(pax: &mut Pax, key: &[u8], value: &[u8], limits: &Limits) -> Result<(), String> {
    if let Some(name) = key.strip_prefix(XATTR) {
        return add_xattr(pax, name, value, limits);
    }
    // An empty value takes the record back: the header's own field counts (POSIX).
    let text = || (!value.is_empty()).then(|| value.to_vec());
    let number = || if value.is_empty() { Ok(None) } else { decimal(value).map(Some) };
    match key {
        b"path" => pax.path = text(),
        b"linkpath" => pax.linkpath = text(),
        b"size" => pax.size = number()?,
        b"uid" => pax.uid = number()?,
        b"gid" => pax.gid = number()?,
        b"mtime" => pax.mtime = if value.is_empty() { None } else { Some(time(value)?) },
        _ => {
            if let Some(name) = key.strip_prefix(b"GNU.sparse.") {
                apply_sparse(&mut pax.sparse, name, value, limits)?;
            }
        }
    }
    Ok(())
}

fn add_xattr(pax: &mut Pax, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), String> {
    if value.len() > limits.xattr {
        return Err(format!("an extended attribute of {} bytes", value.len()));
    }
    pax.xattrs.push((name.to_vec(), value.to_vec()));
    Ok(())
}

/// The last value of each name, in the order of the names. Sorted, for a header may have fifty
/// thousand of them.
fn last_of_each(xattrs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    if xattrs.len() < 2 { xattrs } else { BTreeMap::from_iter(xattrs).into_iter().collect() }
}

fn apply_sparse(
    sparse: &mut PaxSparse,
    name: &[u8],
    value: &[u8],
    limits: &Limits,
) -> Result<(), String> {
    match name {
        b"major" => sparse.major = value.to_vec(),
        b"minor" => sparse.minor = value.to_vec(),
        b"name" => sparse.name = Some(value.to_vec()),
        b"size" => sparse.size = Some(decimal(value)?),
        b"realsize" => sparse.real_size = Some(decimal(value)?),
        b"numblocks" => sparse.blocks = Some(decimal(value)?),
        b"offset" if sparse.offset.is_some() => {
            return Err("pax: two GNU.sparse.offset in a row".to_owned());
        }
        b"offset" => sparse.offset = Some(decimal(value)?),
        b"numbytes" => {
            let offset = sparse.offset.take().ok_or("pax: GNU.sparse.numbytes comes first")?;
            let extents = &mut sparse.extents;
            if extents.len() >= limits.extents {
                return Err(format!("a sparse file of more than {} pieces", limits.extents));
            }
            extents.push((offset, decimal(value)?));
        }
        b"map" => sparse.extents = map(value)?,
        _ => {}
    }
    Ok(())
}

/// `offset,length,offset,length…` of format 0.1. The body's limit bounds it.
fn map(value: &[u8]) -> Result<Vec<(u64, u64)>, String> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    let numbers = value.split(|b| *b == b',').map(decimal).collect::<Result<Vec<u64>, String>>()?;
    if numbers.len() % 2 != 0 {
        return Err("pax: GNU.sparse.map has an odd number of fields".to_owned());
    }
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Decimal digits and nothing else.
pub(super) fn decimal(text: &[u8]) -> Result<u64, String> {
    let bad = || format!("pax: {:?} is no decimal number", shorten(text));
    if text.is_empty() {
        return Err(bad());
    }
    text.iter().try_fold(0u64, |sum, b| {
        let digit = b.checked_sub(b'0').filter(|d| *d < 10).ok_or_else(bad)?;
        sum.checked_mul(10).and_then(|s| s.checked_add(u64::from(digit))).ok_or_else(bad)
    })
}

/// `[-]SECONDS[.FRACTION]` as whole seconds (rounded down) and nanoseconds.
fn time(text: &[u8]) -> Result<(i64, u32), String> {
    let bad = || format!("pax: {:?} is no time", shorten(text));
    let (negative, digits) = match text.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let dot = digits.iter().position(|b| *b == b'.');
    let (whole, fraction) = digits.split_at(dot.unwrap_or(digits.len()));
    let fraction = fraction.get(1..).unwrap_or_default();
    let seconds = i64::try_from(decimal(whole)?).map_err(|_| bad())?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(bad());
    }
    let nanos = (0..9).fold(0u32, |sum, at| {
        sum * 10 + fraction.get(at).map_or(0, |digit| u32::from(digit - b'0'))
    });
    Ok(match (negative, nanos) {
        (false, _) => (seconds, nanos),
        (true, 0) => (-seconds, 0),
        (true, _) => (-seconds - 1, 1_000_000_000 - nanos),
    })
}

fn shorten(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, value) in [
            ("1", Some((1, 0))),
            ("1.5", Some((1, 500_000_000))),
            ("1.0000000019", Some((1, 1))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("1.", Some((1, 0))),
            ("", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(time(text.as_bytes()).ok(), value, "{text}");
        }
    }

    #[test]
    fn values_may_hold_newlines() {
        let pax = parse(b"28 SCHILY.xattr.user.a=\n=\n\n\n", &Limits::default());
        let pax = pax.unwrap();
        assert_eq!(pax.xattrs, [(b"user.a".to_vec(), b"\n=\n\n".to_vec())]);
    }

    #[test]
    fn the_last_value_of_an_attribute_counts() {
        let body = b"20 SCHILY.xattr.b=3\n20 SCHILY.xattr.a=1\n20 SCHILY.xattr.a=2\n";
        let pax = parse(&body[..], &Limits::default()).unwrap();
        let pair = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
        assert_eq!(pax.xattrs, [pair(b"a", b"2"), pair(b"b", b"3")]);
    }

    #[test]
    fn records_of_wrong_length_are_refused() {
        for body in ["4 a=\n", "7 a=b\n", "6 a=bc\n", "+6 a=b\n", "5 =b\n", "99999999999999 a=b\n"]
        {
            assert!(parse(body.as_bytes(), &Limits::default()).is_err(), "{body:?}");
        }
    }
}
