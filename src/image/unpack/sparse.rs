//! Where the data of a sparse file goes: old GNU, pax 0.0, 0.1 and 1.0.

use super::error::UnpackError;
use super::header::{BLOCK, Block, number};
use super::limits::Limits;
use super::pax::decimal;
use super::source::Source;
use std::io::BufRead;
use tar::GnuHeader;

/// The pieces of a sparse file that have data, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SparseMap {
    /// Offset in the file and length.
    pub(super) extents: Vec<(u64, u64)>,
    /// Length of the file with its holes.
    pub(super) size: u64,
}

impl SparseMap {
    /// Checks that the pieces follow one another, lie inside the file and hold `stored` bytes.
    pub(super) fn checked(
        extents: Vec<(u64, u64)>,
        size: u64,
        stored: u64,
    ) -> Result<Self, String> {
        let (mut end, mut sum) = (0u64, 0u64);
        for (offset, len) in &extents {
            let stop = offset.checked_add(*len).ok_or("its sparse map overflows")?;
            if *offset < end || stop > size {
                return Err("its sparse map overlaps or leaves the file".to_owned());
            }
            end = stop;
            sum += len;
        }
        if sum != stored {
            return Err(format!("its sparse map has {sum} bytes, the tar has {stored}"));
        }
        Ok(SparseMap { extents, size })
    }
}

/// Reads the map of an old GNU header (type `S`) and the extension blocks behind it.
pub(super) fn old_gnu<R: BufRead>(
    source: &mut Source<'_, R>,
    header: &GnuHeader,
    limits: &Limits,
    entry: u64,
) -> Result<(Vec<(u64, u64)>, u64), UnpackError> {
    let damaged = |reason| UnpackError::Header { entry, reason };
    let size = number(&header.realsize).map_err(damaged)?;
    let mut extents = Vec::new();
    for piece in &header.sparse {
        push(&mut extents, &piece.offset, &piece.numbytes).map_err(damaged)?;
    }
    let mut more = header.isextended[0] != 0;
    let mut block: Block = [0; _];
    while more {
        source.must_read_block(&mut block)?;
        for piece in block[..504].chunks_exact(24) {
            push(&mut extents, &piece[..12], &piece[12..]).map_err(damaged)?;
        }
        if extents.len() > limits.extents {
            return Err(too_many(limits, entry));
        }
        more = block[504] != 0;
    }
    Ok((extents, size))
}

/// Adds one piece of an old GNU map; an empty field ends a block's list.
fn push(extents: &mut Vec<(u64, u64)>, offset: &[u8], len: &[u8]) -> Result<(), String> {
    if offset.first() != Some(&0) && len.first() != Some(&0) {
        extents.push((number(offset)?, number(len)?));
    }
    Ok(())
}

/// Reads the map in front of the data (pax 1.0): decimal lines, padded to a block. Returns the
/// pieces and how many bytes the map took.
pub(super) fn pax_1_0<R: BufRead>(
    source: &mut Source<'_, R>,
    stored: u64,
    limits: &Limits,
    entry: u64,
) -> Result<(Vec<(u64, u64)>, u64), UnpackError> {
    let damaged = |reason: String| UnpackError::Header { entry, reason };
    let mut numbers: Vec<u64> = Vec::new();
    let mut wanted = None;
    let mut line: Vec<u8> = Vec::new();
    let mut read = 0;
    let mut block: Block = [0; _];
    while wanted.is_none_or(|count| (numbers.len() as u64) < count) {
        if read + BLOCK > stored {
            return Err(damaged("its sparse map is longer than its data".to_owned()));
        }
        source.must_read_block(&mut block)?;
        read += BLOCK;
        for byte in block {
            if wanted == Some(numbers.len() as u64) {
                break;
            }
            if byte != b'\n' {
                line.push(byte);
                if line.len() > 20 {
                    return Err(damaged("its sparse map has an endless line".to_owned()));
                }
                continue;
            }
            let value = decimal(&line).map_err(damaged)?;
            line.clear();
            if wanted.is_some() {
                numbers.push(value);
            } else if value > limits.extents as u64 {
                return Err(too_many(limits, entry));
            } else {
                wanted = Some(value * 2);
            }
        }
    }
    Ok((numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect(), read))
}

fn too_many(limits: &Limits, entry: u64) -> UnpackError {
    UnpackError::Limit { entry, max: limits.extents as u64, what: "pieces of a sparse file" }
}
