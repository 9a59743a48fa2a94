//! A second id layout of an image that is here: each layer's tar is rebuilt from the tree and
//! its record, and unpacked again for other owners. Done once, at first use; no network.

use crate::image::hash::HashingReader;
use crate::image::share::Share;
use crate::image::types::{Digest, ImageRecord, LayerRecord};
use crate::image::unpack::{Owners, RebuildError, UnpackError, rebuild, unpack_layer};
use crate::store::{Layout, Store, StoreError};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::AsFd;

/// Bytes of a tar between the thread that rebuilds it and the one that unpacks it.
const BUFFER: usize = 256 << 10;

/// Why a layer could not be had in another layout.
#[derive(Debug, thiserror::Error)]
pub enum RelayoutError {
    /// No layout of it can give the tar again.
    #[error(
        "layer {0} is not here in a form that can be unpacked again; pull the image for this layout"
    )]
    NoSource(Digest),
    /// The files are not what was unpacked.
    #[error("layer {0} was changed on disk: its tar has another digest; pull the image again")]
    Changed(Digest),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tar could not be made.
    #[error("rebuild layer {0}")]
    Rebuild(Digest, #[source] RebuildError),
    /// The tar could not be unpacked.
    #[error("unpack layer {0}")]
    Unpack(Digest, #[source] UnpackError),
    /// Files of the store.
    #[error("read layer {0}")]
    Io(Digest, #[source] io::Error),
}

/// The layers that `layout` lacks, or that whoever unpacked them did not come to make permanent.
pub fn missing<'a>(
    store: &Store,
    image: &'a ImageRecord,
    layout: Layout,
) -> Result<Vec<&'a LayerRecord>, StoreError> {
    let mut list = Vec::new();
    for layer in &image.layers {
        if !store.has_settled_layer(layout, &layer.chain_id)? {
            list.push(layer);
        }
    }
    Ok(list)
}

/// Makes the missing layers of `image` in `layout`. To be run inside P.
pub fn make(
    store: &Store,
    image: &ImageRecord,
    layout: Layout,
    owners: &Owners,
) -> Result<(), RelayoutError> {
    let _held = store.shared_lock()?;
    for layer in missing(store, image, layout)? {
        if !store.has_layer(layout, &layer.chain_id)? {
            one(store, layer, layout, owners)?;
        }
    }
    let chains: Vec<Digest> = image.layers.iter().map(|l| l.chain_id.clone()).collect();
    store.settle(layout, &chains)?;
    Ok(())
}

fn one(
    store: &Store,
    layer: &LayerRecord,
    layout: Layout,
    owners: &Owners,
) -> Result<(), RelayoutError> {
    let chain = &layer.chain_id;
    let Some(from) = rebuildable(store, chain, Some(layout))? else {
        return Err(RelayoutError::NoSource(chain.clone()));
    };
    let Some(staging) = store.stage_layer(layout, chain)? else { return Ok(()) };
    let facts =
        store.layer_facts(from, chain)?.ok_or_else(|| RelayoutError::NoSource(chain.clone()))?;
    let record =
        store.read_record(from, chain)?.ok_or_else(|| RelayoutError::NoSource(chain.clone()))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let tree = openat(CWD, store.layer_path(from, chain), flags, Mode::empty())
        .map_err(|e| RelayoutError::Io(chain.clone(), e.into()))?;
    let (read, write) = io::pipe().map_err(|e| RelayoutError::Io(chain.clone(), e))?;
    let mut writer = staging.record_writer()?;
    let mut reader = HashingReader::new(read, &layer.diff_id);
    let limits = Share::of(1).limits(None);
    let (rebuilt, unpacked) = std::thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            let mut out = BufWriter::new(write);
            rebuild(record, tree.as_fd(), &mut out)
                .and_then(|()| out.flush().map_err(RebuildError::Write))
        });
        let tar = BufReader::with_capacity(BUFFER, &mut reader);
        let unpacked = unpack_layer(tar, staging.dir(), owners, &limits, Some(&mut writer));
        if unpacked.is_err() {
            // A feeder that still writes must not wait for a reader that has given up.
            let _ = io::copy(&mut reader, &mut io::sink());
        }
        (feeder.join(), unpacked)
    });
    if let Ok(Err(error)) = rebuilt {
        return Err(RelayoutError::Rebuild(chain.clone(), error));
    }
    unpacked.map_err(|e| RelayoutError::Unpack(chain.clone(), e))?;
    let digest = reader.finish().map_err(|e| RelayoutError::Io(chain.clone(), e))?;
    if digest != layer.diff_id.as_str() {
        return Err(RelayoutError::Changed(chain.clone()));
    }
    staging.commit(&facts, Some(writer))?;
    Ok(())
}

/// A layout other than `except` that has the layer and can give its tar again.
pub(super) fn rebuildable(
    store: &Store,
    chain: &Digest,
    except: Option<Layout>,
) -> Result<Option<Layout>, StoreError> {
    for layout in store.layouts()? {
        if Some(layout) != except
            && store.has_settled_layer(layout, chain)?
            && store.layer_facts(layout, chain)?.is_some_and(|f| f.rebuildable)
        {
            return Ok(Some(layout));
        }
    }
    Ok(None)
}
