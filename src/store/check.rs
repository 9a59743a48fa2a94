//! `bolt system check`: what is wrong in the store, and mending it.

use super::files::{is_record, is_temporary};
use super::gc::{describe, needed_blobs};
use super::images::RefFile;
use super::{ExclusiveGuard, LayerKey, Result, Store, StoreError};
use crate::image::types::{Digest, ImageRecord};
use std::collections::BTreeSet;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong with which file, and what repair does about it.
    pub text: String,
    /// Whether it was mended just now.
    pub repaired: bool,
    /// Space that can be had back, nothing wrong.
    pub harmless: bool,
}

/// The findings so far.
struct Findings {
    repair: bool,
    found: Vec<Problem>,
}

impl Findings {
    /// Notes a problem and mends it when asked to.
    fn add(&mut self, text: String, mend: impl FnOnce() -> Result<bool>) -> Result<()> {
        let repaired = self.repair && mend()?;
        self.found.push(Problem { text, repaired, harmless: false });
        Ok(())
    }

    fn reclaimable(&mut self, text: String) {
        self.found.push(Problem { text, repaired: false, harmless: true });
    }
}

impl Store {
    /// Looks for damage. `repair` removes what is broken, so that a pull brings it again;
    /// `deep` reads every kept blob and compares it with its digest.
    ///
    /// A layer of an image that is absent from one layout is no damage: layouts are made at
    /// first use. It is when no layout has it and its blob is not kept either.
    pub fn check(&self, _lock: &ExclusiveGuard, repair: bool, deep: bool) -> Result<Vec<Problem>> {
        let mut findings = Findings { repair, found: Vec::new() };
        self.check_layers(&mut findings)?;
        self.check_blobs(deep, &mut findings)?;
        let records = self.check_records(&mut findings)?;
        self.check_refs(&mut findings)?;
        self.check_partials(&records, &mut findings)?;
        Ok(findings.found)
    }

    /// Layers need facts; anything else in their folder is left over.
    fn check_layers(&self, findings: &mut Findings) -> Result<()> {
        for key in self.layers_on_disk()? {
            let reason = match self.layer_facts(key.layout, &key.chain) {
                Ok(Some(facts)) if self.layer_counts(&key, facts.boot.as_deref())? => continue,
                Ok(Some(_)) => "was unpacked before a crash of the machine",
                Ok(None) => "has no facts beside it",
                Err(StoreError::Damaged { .. }) => "has damaged facts",
                Err(e) => return Err(e),
            };
            let text = format!("{} {reason}; repair removes it", describe(&key));
            findings.add(text, || self.drop_layer(key.layout, &key.chain))?;
        }
        for layout in self.layouts()? {
            let leftovers = self.leftovers(layout)?;
            if leftovers.is_empty() {
                continue;
            }
            let dir = self.folder(&format!("layers/{layout}"))?;
            for name in leftovers {
                let text = format!("layers/{layout}/{name} is left over from a crash");
                let mend = || self.drop_tree(&dir, layout, &name).map(|()| true);
                findings.add(text, mend)?;
            }
        }
        Ok(())
    }

    /// Whether the layer's directory is permanent or fresh in this boot.
    fn layer_counts(&self, key: &LayerKey, boot: Option<&str>) -> Result<bool> {
        let permanent = self.exists(&super::layers::layer_path(key.layout, &key.chain))?;
        Ok(permanent || (boot.is_some() && boot == super::layers::boot_id().as_deref()))
    }

    /// Kept blobs have the content they are named after.
    fn check_blobs(&self, deep: bool, findings: &mut Findings) -> Result<()> {
        for (digest, size, partial) in self.blobs_on_disk()? {
            if partial || (!deep && size > 0) {
                continue;
            }
            let Some(file) = self.open_blob(&digest)? else { continue };
            let path = super::blobs::blob_path(&digest);
            let found = digest.rehash(file).map_err(|e| self.io("read", &path, e))?;
            if found != digest {
                let text = format!("{path} has the content of {found}; repair removes it");
                findings.add(text, || self.remove_blob(&digest))?;
            }
        }
        Ok(())
    }

    /// Image records can be read and what they name is here. Returns the good ones.
    fn check_records(&self, findings: &mut Findings) -> Result<Vec<ImageRecord>> {
        let mut good = Vec::new();
        for name in self.list("images")?.into_iter().filter(|n| is_record(n)) {
            let path = format!("images/{name}");
            let record = match self.read_json::<ImageRecord>(&path) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(StoreError::Damaged { source, .. }) => {
                    let text = format!("{path} is damaged ({source}); repair removes it");
                    findings.add(text, || self.unlink(&path))?;
                    continue;
                }
                Err(e) => return Err(e),
            };
            match self.missing_part(&record)? {
                Some(missing) => {
                    let text = format!("{path} needs {missing}, which is gone; repair removes it");
                    findings.add(text, || self.unlink(&path))?;
                }
                None => good.push(record),
            }
        }
        Ok(good)
    }

    /// The first blob or layer of an image that is nowhere.
    fn missing_part(&self, record: &ImageRecord) -> Result<Option<String>> {
        for digest in [&record.manifest, &record.id] {
            if !self.has_blob(digest)? {
                return Ok(Some(format!("blob {digest}")));
            }
        }
        for layer in &record.layers {
            let mut here = self.has_blob(&layer.blob.digest)?;
            for layout in self.layouts()? {
                here = here || self.has_layer(layout, &layer.chain_id)?;
            }
            if !here {
                return Ok(Some(format!("layer {}", layer.chain_id)));
            }
        }
        Ok(None)
    }

    /// Names can be read and point to an image.
    fn check_refs(&self, findings: &mut Findings) -> Result<()> {
        for name in self.list("refs")?.into_iter().filter(|n| !is_temporary(n)) {
            let path = format!("refs/{name}");
            let reason = match self.read_json::<RefFile>(&path) {
                Ok(Some(entry)) if self.points_somewhere(&entry.manifest)? => continue,
                Ok(Some(entry)) => format!("points to {}, which is not here", entry.manifest),
                Ok(None) => continue,
                Err(StoreError::Damaged { source, .. }) => format!("is damaged ({source})"),
                Err(e) => return Err(e),
            };
            findings.add(format!("{path} {reason}; repair removes it"), || self.unlink(&path))?;
        }
        Ok(())
    }

    fn points_somewhere(&self, manifest: &Digest) -> Result<bool> {
        self.exists(&format!("images/{}", super::images::image_file(manifest)))
    }

    /// Broken-off downloads and unreferenced blobs: space, no damage. Stale temporary files go.
    fn check_partials(&self, records: &[ImageRecord], findings: &mut Findings) -> Result<()> {
        let needed: BTreeSet<Digest> = needed_blobs(records);
        for (digest, bytes, partial) in self.blobs_on_disk()? {
            if partial {
                let text = format!("download of {digest} broke off at {bytes} bytes");
                findings.reclaimable(text);
            } else if !needed.contains(&digest) {
                findings.reclaimable(format!("blob {digest} ({bytes} bytes) belongs to no image"));
            }
        }
        for path in self.temporaries()? {
            let text = format!("{path} is left over from a crash");
            findings.add(text, || self.unlink(&path))?;
        }
        Ok(())
    }
}
