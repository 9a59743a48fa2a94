//! What can go wrong, by kind. Each message is whole: it names the object, the reason, the fix.

use std::path::PathBuf;

/// A result of this library.
pub type Result<T, E = BoltError> = std::result::Result<T, E>;

/// Everything that a call can fail with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BoltError {
    /// A container, an image, or the program itself.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// Proton and Wine.
    #[error(transparent)]
    Gaming(#[from] GamingError),
    /// The system refused.
    #[error("{action}: {error}")]
    Io {
        /// What was attempted.
        action: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The program's answer is not what was asked for.
    #[error("{command} answered with something else than was asked for: {error}")]
    Json {
        /// The command line.
        command: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
}

/// Containers, images, and the program `bolt`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No program `bolt` in any place.
    #[error(
        "the program bolt is not installed: it is neither beside this program, in PATH, nor in libexec; install it, or set BOLT_BIN to its path"
    )]
    ProgramNotFound {
        /// Every path that was looked at.
        searched: Vec<PathBuf>,
    },
    /// What was found, or named, is not Bolt.
    #[error("{} cannot be used as bolt: {reason}", path.display())]
    ProgramUnusable {
        /// The program.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The program is older than this library.
    #[error("{} is bolt {found}, and this library needs {needed} or newer; update it", path.display())]
    ProgramTooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The version of this library.
        needed: String,
    },
    /// No container has this name or id.
    #[error("there is no container {name:?}")]
    ContainerNotFound {
        /// As it was given.
        name: String,
    },
    /// A running container has this name.
    #[error("the name {name:?} is in use by a container that runs: stop it first")]
    NameInUse {
        /// The name.
        name: String,
    },
    /// The image is not here, and could not be had.
    #[error("image {image:?}: {reason}")]
    ImagePullFailed {
        /// As it was given.
        image: String,
        /// What `bolt` said.
        reason: String,
    },
    /// A container, or a program in it, did not start.
    #[error("{reason}")]
    StartFailed {
        /// What `bolt` said.
        reason: String,
    },
    /// A container that was waited for did not end with 0.
    #[error("container {name:?} ended with exit code {code}")]
    Exited {
        /// Its name, or its id.
        name: String,
        /// Its exit code; 128+n: killed by signal n.
        code: i32,
    },
    /// A game has no container to be launched in.
    #[error("no container was started for a game yet: call run_container first")]
    NoContainer,
    /// An argument that makes no sense.
    #[error("{argument:?}: {reason}")]
    BadArgument {
        /// As it was given.
        argument: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another command of `bolt` failed.
    #[error("{command}: {reason}")]
    CommandFailed {
        /// The verb and what it was about.
        command: String,
        /// What `bolt` said.
        reason: String,
    },
}

/// Proton and Wine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GamingError {
    /// No directory of an installed Proton has this name.
    #[error("Proton {name:?} is not installed; {}", told(installed, unread))]
    ProtonNotFound {
        /// As it was given.
        name: String,
        /// What is installed, by directory.
        installed: Vec<String>,
        /// Files of Steam's that could not be read, and why: builds that they lead to are not in
        /// `installed`.
        unread: Vec<String>,
    },
    /// Wine cannot be set up as asked.
    #[error("Wine cannot be set up: {reason}")]
    WineSetupFailed {
        /// Why.
        reason: String,
    },
}

fn told(installed: &[String], unread: &[String]) -> String {
    match (installed, unread) {
        ([], []) => {
            "none is: install one by Steam, or below ~/.steam/root/compatibilitytools.d".into()
        }
        (names, []) => format!("there are: {}", names.join(", ")),
        ([], files) => format!("none was found, but not all could be read: {}", files.join("; ")),
        (names, files) => {
            let (names, files) = (names.join(", "), files.join("; "));
            format!("there are: {names}; but not all could be read: {files}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_listed() {
        let error = |installed: &[&str], unread: &[&str]| {
            let [installed, unread] = [installed, unread]
                .map(|list| list.iter().map(|name| (*name).to_owned()).collect());
            GamingError::ProtonNotFound { name: "X".into(), installed, unread }.to_string()
        };
        let start = "Proton \"X\" is not installed; ";
        assert_eq!(error(&["A", "B 9"], &[]), format!("{start}there are: A, B 9"));
        assert!(error(&[], &[]).contains("none is: install one"));
        let rest = "but not all could be read: F is broken";
        let unread = &["F is broken"];
        assert_eq!(error(&["A"], unread), format!("{start}there are: A; {rest}"));
        assert_eq!(error(&[], unread), format!("{start}none was found, {rest}"));
    }

    #[test]
    fn errors_cross_threads() {
        fn crosses<T: Send + Sync + std::error::Error + 'static>() {}
        crosses::<BoltError>();
    }
}
