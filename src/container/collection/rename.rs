//! Other names for containers, and names that killed commands have lost.

use super::*;
use crate::container::dir::STATE;

/// How the name of a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::container) enum Named {
    /// It leads to it, or the container is gone.
    Well,
    /// It leads nowhere.
    Lost,
    /// It led nowhere, and leads to the container again.
    Mended,
    /// It leads to this other one.
    Taken(String),
}

impl Containers {
    /// Gives a container another name: a second link, then `config.json`, then `tell`, which lets
    /// its supervisor know; then the first link goes. The new config.
    ///
    /// Whoever is killed in between leaves a container that both names lead to, and the same
    /// command goes on with that. A supervisor that removes its container (`--rm`) takes away the
    /// name it knows: nobody else can have that yet.
    pub fn rename<E: From<Error>>(
        &self,
        dir: &ContainerDir,
        to: &str,
        tell: impl FnOnce() -> Result<(), E>,
    ) -> Result<Config, E> {
        name::check(to)?;
        // No removal in between, which would take the old name away and leave the new one.
        let held = self.hold_names()?;
        let before = dir.read_config()?;
        if before.name == to && self.leads_to(to, dir.id())? {
            return Err(Error::Renamed { name: before.name, id: dir.id().to_owned() }.into());
        }
        self.open_id(dir.id())?;
        let was_locked = exists(dir, LOCK)?;
        self.relink(to, dir.id(), &held).map_err(|error| match error {
            Error::NameInUse { name, id } => Error::Renamed { name, id },
            other => other,
        })?;
        let after = Config { name: to.to_owned(), ..before.clone() };
        let told =
            dir.write_config(&after, atomic::Sync::Durable).map_err(E::from).and_then(|()| tell());
        if self.is_going(dir, was_locked)? {
            self.forget(dir, [&before.name, to])?;
            return Err(Error::NotFound(dir.id().to_owned()).into());
        }
        if let Err(error) = told {
            self.undo_rename(dir, &before, to)?;
            return Err(error);
        }
        if before.name != to {
            self.unlink_own(&before.name, dir.id())?;
        }
        Ok(after)
    }

    /// Looks at the name of a container; `repair` makes the link again where it is free.
    pub(in crate::container) fn name_stands(
        &self,
        dir: &ContainerDir,
        repair: bool,
    ) -> Result<Named, Error> {
        let held = self.hold_names()?;
        let name = match dir.read_config() {
            Err(Error::NotFound(_)) => return Ok(Named::Well),
            config => config?.name,
        };
        if self.leads_to(&name, dir.id())? {
            return Ok(Named::Well);
        }
        if name::check(&name).is_err() {
            return Ok(Named::Lost);
        }
        if !repair {
            let other = self.target(&name)?.filter(|id| self.open_id(id).is_ok());
            return Ok(other.map_or(Named::Lost, Named::Taken));
        }
        let was_locked = exists(dir, LOCK)?;
        match self.relink(&name, dir.id(), &held) {
            Err(Error::NameInUse { id, .. }) => return Ok(Named::Taken(id)),
            other => other?,
        }
        if self.is_going(dir, was_locked)? {
            self.unlink_own(&name, dir.id())?;
            return Ok(Named::Well);
        }
        Ok(Named::Mended)
    }

    /// [`Self::link`] for a container that may have the name already.
    fn relink(&self, name: &str, id: &str, held: &OwnedFd) -> Result<(), Error> {
        let target = name::to_link(id).ok_or_else(|| Error::NotFound(id.to_owned()))?;
        loop {
            match fs::symlinkat(&target, &self.names, name) {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST) if self.leads_to(name, id)? => return Ok(()),
                Err(Errno::EXIST) => self.free_stale_held(name, held)?,
                Err(e) => return Err(errno("make", self.shown_name(name))(e)),
            }
        }
    }

    /// A supervisor removes its container without asking anybody: first the record, the lock
    /// before the directory.
    fn is_going(&self, dir: &ContainerDir, was_locked: bool) -> Result<bool, Error> {
        match self.open_id(dir.id()) {
            Err(Error::NotFound(_)) => return Ok(true),
            other => drop(other?),
        }
        Ok(!exists(dir, CONFIG)? || (was_locked && !exists(dir, LOCK)?))
    }

    /// What was written of a container that is removed at this moment.
    fn forget(&self, dir: &ContainerDir, names: [&str; 2]) -> Result<(), Error> {
        for file in [CONFIG, STATE] {
            let _ = fs::unlinkat(dir.fd(), file, AtFlags::empty());
        }
        names.iter().try_for_each(|name| self.unlink_own(name, dir.id()))
    }

    /// Nothing is another than it was, but for a name that had been lost.
    fn undo_rename(&self, dir: &ContainerDir, before: &Config, to: &str) -> Result<(), Error> {
        if before.name != to && self.leads_to(&before.name, dir.id())? {
            let _ = dir.write_config(before, atomic::Sync::Durable);
            self.unlink_own(to, dir.id())?;
        }
        Ok(())
    }
}
