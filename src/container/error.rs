//! What can go wrong with the directories of containers.

use std::io;

/// An error of [`super::dir`] and its neighbours; names the container and the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name has a letter that is not allowed.
    #[error(
        "{0:?} is not a container name: use letters, digits, '_', '.' and '-', the first one a letter or digit"
    )]
    BadName(String),
    /// An id given by the caller is not one.
    #[error("{0:?} is not a container id: 64 lower-case hex digits are needed")]
    BadId(String),
    /// Another container has the name.
    #[error(
        "the container name {name:?} is already in use by {id}; remove that container or use --replace"
    )]
    NameInUse {
        /// The wanted name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// A container that is to be renamed cannot have the name: another one has it, or itself.
    #[error("the name {name:?} is already in use by {id}; give a name that no container has")]
    Renamed {
        /// The wanted name.
        name: String,
        /// Who has it.
        id: String,
    },
    /// No free name was found by chance.
    #[error("no free generated name was found; give one with --name")]
    NoFreeName,
    /// Nothing has this name or id.
    #[error("no container with name or ID {0:?} found")]
    NotFound(String),
    /// More than one id starts like this.
    #[error("{prefix:?} is the start of more than one container ID ({}); give more digits", .ids.join(", "))]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// Short ids that match.
        ids: Vec<String>,
    },
    /// The log is in the journal, and what reads it is missing.
    #[error(
        "the log is in the systemd journal, and there is no journalctl to read it; install systemd's"
    )]
    NoJournalctl,
    /// The journal cannot be read.
    #[error("journalctl: {0}")]
    Journal(String),
    /// A supervisor or another command works on the container.
    #[error("container {0} is in use by its supervisor or another command")]
    Busy(String),
    /// A file of the container is not what Bolt writes.
    #[error("container {id}: {file} is damaged")]
    Damaged {
        /// Container id.
        id: String,
        /// File name.
        file: &'static str,
        /// Where the text broke off.
        source: serde_json::Error,
    },
    /// A file was written by a newer Bolt.
    #[error("container {id}: {file} has format version {version}, this program reads {known}")]
    Version {
        /// Container id.
        id: String,
        /// File name.
        file: &'static str,
        /// Version found.
        version: u32,
        /// Version known here.
        known: u32,
    },
    /// The system refused.
    #[error("{action} {object}")]
    Io {
        /// What was done.
        action: &'static str,
        /// To which file.
        object: String,
        /// Why not.
        source: io::Error,
    },
}

/// Attaches the action and the object to an error of the system.
pub(crate) fn io(
    action: &'static str,
    object: impl Into<String>,
) -> impl FnOnce(io::Error) -> Error {
    let object = object.into();
    move |source| Error::Io { action, object, source }
}

/// [`io`] for rustix calls.
pub(crate) fn errno(
    action: &'static str,
    object: impl Into<String>,
) -> impl FnOnce(rustix::io::Errno) -> Error {
    let object = object.into();
    move |source| Error::Io { action, object, source: source.into() }
}
