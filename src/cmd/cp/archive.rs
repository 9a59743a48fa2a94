//! Tar archives on the standard streams.

use super::tree::{Meta, Sink};
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::path::Component;
use tar::{Archive, Builder, EntryType, Header};

/// Writes an archive.
pub(super) struct TarSink<W: Write> {
    builder: Builder<W>,
    path: Vec<String>,
}

impl<W: Write> TarSink<W> {
    pub(super) fn new(out: W) -> Self {
        TarSink { builder: Builder::new(out), path: Vec::new() }
    }

    /// Writes the end of the archive.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.builder.finish().context("write the archive")?;
        self.builder.get_mut().flush().context("write the archive")
    }

    fn name(&self, name: &str) -> String {
        let mut path = self.path.join("/");
        if !path.is_empty() {
            path.push('/');
        }
        path + name
    }
}

fn header(meta: &Meta, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode);
    header.set_uid(meta.uid.into());
    header.set_gid(meta.gid.into());
    header.set_mtime(u64::try_from(meta.mtime.0).unwrap_or(0));
    header.set_size(size);
    header
}

impl<W: Write> Sink for TarSink<W> {
    fn enter(&mut self, name: &str, meta: &Meta) -> anyhow::Result<()> {
        let path = self.name(name) + "/";
        let mut header = header(meta, EntryType::Directory, 0);
        self.builder.append_data(&mut header, path, std::io::empty())?;
        self.path.push(name.to_owned());
        Ok(())
    }

    fn leave(&mut self) -> anyhow::Result<()> {
        self.path.pop();
        Ok(())
    }

    fn file(&mut self, name: &str, meta: &Meta, content: &mut dyn Read) -> anyhow::Result<()> {
        let mut header = header(meta, EntryType::Regular, meta.size);
        // A file that grows or shrinks meanwhile must not shift what follows.
        let whole = content.take(meta.size).chain(std::io::repeat(0)).take(meta.size);
        Ok(self.builder.append_data(&mut header, self.name(name), whole)?)
    }

    fn link(&mut self, name: &str, meta: &Meta, target: &str) -> anyhow::Result<()> {
        let mut header = header(meta, EntryType::Symlink, 0);
        Ok(self.builder.append_link(&mut header, self.name(name), target)?)
    }
}

/// Gives the members of an archive to `sink`. Absolute names and `..` are refused; each
/// directory on the way is entered without following links.
pub(super) fn unpack(input: impl Read, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let mut archive = Archive::new(input);
    let plain = Meta { mode: 0o755, uid: 0, gid: 0, mtime: (0, 0), size: 0 };
    for entry in archive.entries().context("read the archive")? {
        let mut entry = entry.context("read the archive")?;
        let path = entry.path().context("read the archive")?.into_owned();
        let mut names = Vec::new();
        for part in path.components() {
            match part {
                Component::Normal(name) => {
                    names.push(name.to_str().context("a name in the archive is not UTF-8")?);
                }
                Component::CurDir => {}
                _ => bail!("{} in the archive leads out of the target", path.display()),
            }
        }
        let Some((last, parents)) = names.split_last() else { continue };
        for parent in parents {
            sink.enter(parent, &plain)?;
        }
        let head = entry.header();
        let meta = Meta {
            mode: head.mode()? & 0o7777,
            uid: u32::try_from(head.uid()?).context("uid in the archive")?,
            gid: u32::try_from(head.gid()?).context("gid in the archive")?,
            mtime: (i64::try_from(head.mtime()?).unwrap_or(0), 0),
            size: entry.size(),
        };
        let link = entry.link_name().context("read the archive")?.map(|l| l.into_owned());
        match entry.header().entry_type() {
            EntryType::Directory => {
                sink.enter(last, &meta)?;
                sink.leave()?;
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                sink.file(last, &meta, &mut entry)?;
            }
            EntryType::Symlink => {
                let link = link.context("a link in the archive has no target")?;
                sink.link(last, &meta, link.to_str().context("a link is not UTF-8")?)?;
            }
            kind => bail!("{} in the archive is of kind {kind:?}: not copied", path.display()),
        }
        for _ in parents {
            sink.leave()?;
        }
    }
    Ok(())
}
