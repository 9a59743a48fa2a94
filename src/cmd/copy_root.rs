//! `bolt __copy-root ID`, hidden: fills the root of a container whose driver is `copy`.

use crate::container::config::Origin;
use crate::container::dir::Containers;
use crate::rootfs::copy;
use crate::settings::Settings;
use crate::store::{Layout, Store};
use crate::sys::tree;
use crate::ui::print;
use crate::userns;
use anyhow::{Context, bail};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use std::process::{Command, Stdio};

/// Name of the copy in the container's directory.
const ROOT: &str = "root";

/// Copies in a process inside P, because the files belong to subordinate ids.
pub fn start(id: &str) -> anyhow::Result<()> {
    let status = Command::new("/proc/self/exe")
        .args(["__copy-root", id])
        .stdin(Stdio::null())
        .status()
        .context("start the copy of the layers")?;
    if status.success() { Ok(()) } else { Err(print::Silent.into()) }
}

/// Body of the hidden verb. A copy that does not come to its end is removed.
pub fn run(settings: &Settings, args: &[String]) -> anyhow::Result<()> {
    let [id] = args else { bail!("__copy-root is for bolt itself") };
    userns::enter(&settings.dirs)?;
    let dir = Containers::open(&settings.dirs)?.open_id(id)?;
    let Origin::Image { layers, layout, .. } = dir.read_config()?.origin else {
        bail!("container {id} has no image");
    };
    let store = Store::open(&settings.dirs.store())?;
    let layout: Layout = layout.parse()?;
    let lower = layers
        .iter()
        .map(|chain| Ok(store.layer_path(layout, &chain.parse()?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    mkdirat(dir.fd(), ROOT, Mode::RWXU).with_context(|| format!("make {}", dir.shown(ROOT)))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat(dir.fd(), ROOT, flags, Mode::empty())
        .with_context(|| format!("open {}", dir.shown(ROOT)))?;
    let copied = copy::layers(&lower, &root).context("copy the image's layers");
    if copied.is_err() {
        let _ = tree::remove_tree(dir.fd(), ROOT);
    }
    copied
}
