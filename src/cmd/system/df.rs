//! `bolt system df`: what images, containers and volumes take on the disk.

use crate::cmd::image::removal::is_alive;
use crate::cmd::image::uses;
use crate::cmd::system::prune::volumes;
use crate::container::config::MountKind;
use crate::container::dir::Containers;
use crate::container::list::{self, Entry};
use crate::image::filter::{created, split_name};
use crate::image::types::Digest;
use crate::rootfs::usage;
use crate::settings::Settings;
use crate::store::{ListedImage, Sizes, Store};
use crate::ui::{format, human, print};
use crate::{container::time, userns};
use rustix::fs::{Mode, OFlags, openat};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Show what images, containers and volumes take on the disk
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show every image, container and volume
    #[arg(short, long, conflicts_with = "format")]
    verbose: bool,
    /// Print as "json", or by a Go template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// What lies on disk at one moment.
#[derive(Debug)]
struct Usage {
    images: Vec<ListedImage>,
    entries: Vec<Entry>,
    sizes: Sizes,
    /// Bytes of the blobs of images that containers were made from.
    blobs_in_use: u64,
    /// Bytes of each container's own files, in the order of `entries`.
    containers: Vec<u64>,
    /// Name and bytes.
    volumes: Vec<(String, u64)>,
}

/// Prints the table. The process enters P, because containers' files belong to subordinate ids.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    userns::enter(&settings.dirs)?;
    let usage = gather(settings)?;
    let text = if args.verbose { verbose(&usage)? } else { table(args.format.as_deref(), &usage)? };
    print::stdout(&text)?;
    Ok(0)
}

fn gather(settings: &Settings) -> anyhow::Result<Usage> {
    let store = Store::open(&settings.dirs.store())?;
    let all = Containers::open(&settings.dirs)?;
    let entries = list::read(&all)?.entries;
    let mut containers = Vec::new();
    for entry in &entries {
        let dir = all.open_id(&entry.config.id)?;
        // `upper` is what the container wrote, `root` a whole copy of its image.
        let part = |name: &str| -> anyhow::Result<u64> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(dir.fd(), name, flags, Mode::empty()) {
                Ok(fd) => Ok(usage::bytes(fd)?),
                Err(_) => Ok(0),
            }
        };
        containers.push(part("upper")? + part("root")?);
    }
    let mut sized = Vec::new();
    for name in volumes(&settings.dirs.volumes())? {
        let bytes = directory(&settings.dirs.volumes().join(&name).join("_data"))?;
        sized.push((name, bytes));
    }
    let (images, sizes) = (store.images()?, store.df()?);
    let blobs_in_use = blobs(&store, &images, &uses::manifests(&entries));
    Ok(Usage { images, entries, sizes, blobs_in_use, containers, volumes: sized })
}

/// Bytes of manifests, configs and kept layers of the images that are `used`.
fn blobs(store: &Store, images: &[ListedImage], used: &BTreeSet<Digest>) -> u64 {
    let records = images.iter().map(|image| &image.record);
    let digests: BTreeSet<&Digest> = records
        .filter(|record| used.contains(&record.manifest))
        .flat_map(|record| {
            let layers = record.layers.iter().map(|layer| &layer.blob.digest);
            [&record.id, &record.manifest].into_iter().chain(&record.index).chain(layers)
        })
        .collect();
    let size = |digest: &&Digest| std::fs::metadata(store.blob_path(digest)).map(|f| f.len()).ok();
    digests.iter().filter_map(size).sum()
}

fn directory(path: &Path) -> anyhow::Result<u64> {
    match std::fs::File::open(path) {
        Ok(dir) => Ok(usage::bytes(dir)?),
        Err(_) => Ok(0),
    }
}

impl Usage {
    /// Bytes of layers and blobs of images that containers were made from.
    fn images_in_use(&self) -> u64 {
        let used = uses::manifests(&self.entries);
        let chains: BTreeSet<&Digest> = self
            .images
            .iter()
            .filter(|image| used.contains(&image.record.manifest))
            .flat_map(|image| image.record.layers.iter().map(|layer| &layer.chain_id))
            .collect();
        let layers = self.sizes.layers.iter().filter(|layer| chains.contains(&layer.key.chain));
        layers.map(|layer| layer.bytes).sum::<u64>() + self.blobs_in_use
    }

    fn volumes_in_use(&self) -> BTreeSet<&str> {
        let mounts = self.entries.iter().flat_map(|entry| &entry.config.mounts);
        let volumes = mounts.filter(|mount| mount.kind == MountKind::Volume);
        volumes.map(|mount| mount.source.as_str()).collect()
    }

    fn rows(&self) -> Vec<Value> {
        let image_bytes = self.sizes.layer_bytes + self.sizes.blob_bytes + self.sizes.partial_bytes;
        let used = uses::manifests(&self.entries);
        let active = self.images.iter().filter(|i| used.contains(&i.record.manifest)).count();
        let images = row(
            "Images",
            self.images.len(),
            active,
            image_bytes,
            image_bytes.saturating_sub(self.images_in_use()),
        );
        let alive = |entry: &&Entry| is_alive(entry.status);
        let idle = self.entries.iter().zip(&self.containers).filter(|(e, _)| !is_alive(e.status));
        let containers = row(
            "Containers",
            self.entries.len(),
            self.entries.iter().filter(alive).count(),
            self.containers.iter().sum(),
            idle.map(|(_, bytes)| bytes).sum(),
        );
        let mounted = self.volumes_in_use();
        let is_used = |name: &str| mounted.contains(name);
        let volumes = row(
            "Local Volumes",
            self.volumes.len(),
            self.volumes.iter().filter(|(name, _)| is_used(name)).count(),
            self.volumes.iter().map(|(_, bytes)| bytes).sum(),
            self.volumes.iter().filter(|(name, _)| !is_used(name)).map(|(_, bytes)| bytes).sum(),
        );
        vec![images, containers, volumes]
    }
}

fn row(kind: &str, total: usize, active: usize, size: u64, free: u64) -> Value {
    let percent = if size == 0 { 0 } else { (free as f64 / size as f64 * 100.0).round() as u64 };
    json!({
        "Type": kind,
        "Total": total,
        "TotalCount": total,
        "Active": active,
        "RawSize": size,
        "RawReclaimable": free,
        "Size": human::size_short(size),
        "Reclaimable": format!("{} ({percent}%)", human::size_short(free)),
    })
}

fn table(format: Option<&str>, usage: &Usage) -> anyhow::Result<String> {
    let columns = "{{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";
    let defaults = format::Defaults { columns, headings: &[], bare: false };
    Ok(format::rows(format, &usage.rows(), &defaults)?)
}

fn verbose(usage: &Usage) -> anyhow::Result<String> {
    let show = |columns: &str, rows: &[Value]| {
        let headings = &[("ID", "IMAGE ID"), ("UniqueSize", "UNIQUE SIZE")];
        format::rows(None, rows, &format::Defaults { columns, headings, bare: false })
    };
    let images = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
    let containers = "{{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}";
    let volumes = "{{.VolumeName}}\t{{.Links}}\t{{.Size}}";
    Ok(format!(
        "Images space usage:\n\n{}\nContainers space usage:\n\n{}\nLocal Volumes space usage:\n\n{}",
        show(images, &image_rows(usage))?,
        show(containers, &container_rows(usage))?,
        show(volumes, &volume_rows(usage))?
    ))
}

fn image_rows(usage: &Usage) -> Vec<Value> {
    let mut rows = Vec::new();
    for image in &usage.images {
        let record = &image.record;
        let chains: BTreeSet<&Digest> = record.layers.iter().map(|l| &l.chain_id).collect();
        let ours = usage.sizes.layers.iter().filter(|layer| chains.contains(&layer.key.chain));
        let (mut shared, mut unique) = (0, 0);
        for layer in ours {
            *(if layer.images > 1 { &mut shared } else { &mut unique }) += layer.bytes;
        }
        let name = image.names.first().map(|name| split_name(name));
        rows.push(json!({
            "Repository": name.map_or("<none>", |(name, _)| name),
            "Tag": name.map(|(_, tag)| tag).filter(|tag| !tag.is_empty()).unwrap_or("<none>"),
            "ID": &record.id.hex()[..12],
            "Created": ago(created(record)),
            "Size": human::size_short(shared + unique),
            "SharedSize": human::size_short(shared),
            "UniqueSize": human::size_short(unique),
            "Containers": uses::containers(&usage.entries, record).count(),
        }));
    }
    rows
}

fn container_rows(usage: &Usage) -> Vec<Value> {
    let row = |(entry, bytes): (&Entry, &u64)| {
        let config = &entry.config;
        let image = match &config.origin {
            crate::container::config::Origin::Image { name, .. } => name.clone(),
            crate::container::config::Origin::Directory(path) => path.display().to_string(),
        };
        json!({
            "ContainerID": config.short_id(),
            "Image": image,
            "Command": config.args().join(" "),
            "Size": human::size_short(*bytes),
            "Created": ago(config.created),
            "Status": entry.status.word(),
            "Names": config.name,
        })
    };
    usage.entries.iter().zip(&usage.containers).map(row).collect()
}

fn volume_rows(usage: &Usage) -> Vec<Value> {
    let links = |name: &str| {
        let mounts = |entry: &&Entry| {
            let mut mounts = entry.config.mounts.iter();
            mounts.any(|mount| mount.kind == MountKind::Volume && mount.source == name)
        };
        usage.entries.iter().filter(mounts).count()
    };
    let row = |(name, bytes): &(String, u64)| json!({ "VolumeName": name, "Links": links(name), "Size": human::size_short(*bytes) });
    usage.volumes.iter().map(row).collect()
}

fn ago(at: i64) -> String {
    let age = u64::try_from(time::now().saturating_sub(at)).unwrap_or(0);
    format!("{} ago", human::duration(Duration::from_nanos(age)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_whole() {
        let value = row("Images", 3, 1, 2000, 500);
        assert_eq!(value["Size"], "2kB");
        assert_eq!(value["Reclaimable"], "500B (25%)");
        assert_eq!((&value["RawSize"], &value["Total"]), (&json!(2000), &json!(3)));
        assert_eq!(row("Local Volumes", 0, 0, 0, 0)["Reclaimable"], "0B (0%)");
    }

    #[test]
    fn an_empty_store_has_three_rows() {
        let usage = Usage {
            images: Vec::new(),
            entries: Vec::new(),
            sizes: Sizes::default(),
            blobs_in_use: 0,
            containers: Vec::new(),
            volumes: vec![("saves".into(), 7000)],
        };
        let text = table(None, &usage).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.contains("7kB (100%)"), "{text}");
        assert!(verbose(&usage).unwrap().contains("saves"));
    }
}
