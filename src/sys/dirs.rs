//! Where Bolt keeps its files for one user (XDG Base Directory Specification 0.8).

use super::accounts;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The base directories of one user. Built once by `settings`, passed down by reference.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// `$XDG_DATA_HOME/bolt`, or `/var/lib/bolt` for root: store, containers, volumes.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME/bolt`, or `/var/cache/bolt` for root: things that can be made again.
    pub cache: PathBuf,
    /// `$XDG_STATE_HOME/bolt`, or `/var/lib/bolt/state` for root: the wrapper's log and what it
    /// has still to undo.
    pub state: PathBuf,
    /// `$XDG_CONFIG_HOME` (not only Bolt's part): `containers/registries.conf` lies below it.
    pub config_home: PathBuf,
    /// The user's home directory.
    pub home: PathBuf,
    /// Filled when [`Self::user`] is first asked for.
    pub login: OnceLock<String>,
    /// Real uid in the namespace where the command was typed.
    pub uid: u32,
    /// Real gid in the namespace where the command was typed.
    pub gid: u32,
}

impl Dirs {
    /// Login name of the user, or the uid in digits. Most starts need none, and /etc/passwd is not
    /// read for them.
    pub fn user(&self) -> &str {
        self.login.get_or_init(|| {
            let entry = accounts::line("/etc/passwd", self.uid);
            let name = entry.and_then(|fields| fields.into_iter().next());
            name.unwrap_or_else(|| self.uid.to_string())
        })
    }

    /// `data/store`: blobs, layers, image records.
    pub fn store(&self) -> PathBuf {
        self.data.join("store")
    }
    /// `data/containers`: one directory a container, plus `by-name`.
    pub fn containers(&self) -> PathBuf {
        self.data.join("containers")
    }
    /// `data/events`: what happened.
    pub fn events(&self) -> PathBuf {
        self.data.join("events")
    }
    /// `data/lock.json`: what `bolt://` names were resolved to.
    pub fn lock_file(&self) -> PathBuf {
        self.data.join("lock.json")
    }
    /// `data/measured.json`: frames measured on this machine.
    pub fn measured(&self) -> PathBuf {
        self.data.join("measured.json")
    }
    /// `state/wrap`: what the watchers of running games have to undo; gone when there is none.
    pub fn undo(&self) -> PathBuf {
        self.state.join("wrap")
    }
    /// `state/wrap.log`: what the wrapper could not do.
    pub fn wrap_log(&self) -> PathBuf {
        self.state.join("wrap.log")
    }
    /// `data/secrets`: one file a secret.
    pub fn secrets(&self) -> PathBuf {
        self.data.join("secrets")
    }
    /// `data/volumes`: one directory a named volume.
    pub fn volumes(&self) -> PathBuf {
        self.data.join("volumes")
    }
}
