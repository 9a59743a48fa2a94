//! [`BoltRuntime`]: the calls.

use crate::config::BoltConfig;
use crate::error::Result;
use crate::events::{EventFilter, Events};
use crate::list::ContainerInfo;
use crate::off_thread::off_thread;
use crate::operations::{Operations, Run};
use std::sync::Arc;
use std::time::SystemTime;

/// The container runtime, as a handle that can be cloned and shared between threads; clones
/// remember the same containers.
#[derive(Debug, Clone, Default)]
pub struct BoltRuntime {
    inner: Arc<Operations>,
}

/// A call on a thread of its own, with arguments that are its own.
macro_rules! call {
    ($self:ident, $inner:ident => $work:expr) => {{
        let $inner = Arc::clone(&$self.inner);
        off_thread(move || $work).await
    }};
}

impl BoltRuntime {
    /// With the user's own choices. Nothing is looked for, read or started: the first call that
    /// needs the program finds it. Never an error in this version.
    pub fn new() -> Result<Self> {
        Ok(BoltRuntime::default())
    }

    /// With choices of the caller's.
    pub fn with_config(config: BoltConfig) -> Self {
        BoltRuntime { inner: Arc::new(Operations::new(config)) }
    }

    /// The choices.
    pub fn config(&self) -> &BoltConfig {
        self.inner.config()
    }

    /// The version of the program, `1.2.3`.
    ///
    /// Errors: `ProgramNotFound`, `ProgramUnusable`, `ProgramTooOld`, as of every other call.
    pub async fn version(&self) -> Result<String> {
        call!(self, inner => inner.version())
    }

    /// Starts a container of `image`.
    ///
    /// - `env` holds `NAME=VALUE`, `volumes` `SOURCE:/TARGET[:OPTIONS]`. Items in the other's list
    ///   are understood, with one warning on standard error.
    /// - A container of that `name` that does not run is replaced.
    /// - With `detach` the call returns when it runs. Where neither command nor entry point is in
    ///   the image it stays up for [`launch_game`](Self::launch_game). After
    ///   [`setup_gaming`](Self::setup_gaming) it always does, whatever the image would run, and
    ///   `/wine-prefix` is a volume that outlives it, `NAME-wine-prefix`.
    /// - Without, it returns at the container's end; what it wrote is in `bolt logs`.
    /// - `DISPLAY=:N` of which there is no socket becomes the caller's own display.
    ///
    /// Errors: `BadArgument`, `NameInUse`, `ImagePullFailed`, `StartFailed`; `Exited` when a
    /// container that is waited for ends with another code than 0.
    pub async fn run_container(
        &self,
        image: &str,
        name: Option<&str>,
        ports: &[String],
        env: &[String],
        volumes: &[String],
        detach: bool,
    ) -> Result<()> {
        let run = Run {
            image: image.to_owned(),
            name: name.map(str::to_owned),
            ports: ports.to_vec(),
            env: env.to_vec(),
            volumes: volumes.to_vec(),
            detach,
        };
        call!(self, inner => inner.run_container(&run))
    }

    /// From now on, containers of this runtime that are started detached are for games.
    ///
    /// `proton` is the directory name of an installed build, which the containers are told as
    /// `PROTON_VERSION`; `windows` is a version as Wine calls it, set in a container's own prefix
    /// before its first game. Nothing on the host is changed, and no Wine is needed there.
    ///
    /// Errors: `ProtonNotFound` with what is installed, `WineSetupFailed`.
    pub async fn setup_gaming(&self, proton: Option<&str>, windows: Option<&str>) -> Result<()> {
        let (proton, windows) = (proton.map(str::to_owned), windows.map(str::to_owned));
        call!(self, inner => inner.setup_gaming(proton, windows))
    }

    /// Launches a game in a container that this runtime has started: in the newest that has one
    /// of its files, else in the newest. Returns when it runs.
    ///
    /// `command` is a command line (quotes as in a shell, which is not run), the path of a
    /// program, a `steam://` address, or a name. `options` are arguments, and variables
    /// (`NAME=VALUE`). Words that are paths below a volume's source become the container's. The
    /// container of a game ends with its last program, and at once when the first does not start.
    ///
    /// Errors: `NoContainer`, `BadArgument`, `ContainerNotFound`, `StartFailed`,
    /// `WineSetupFailed`.
    pub async fn launch_game(&self, command: &str, options: &[String]) -> Result<()> {
        let (command, options) = (command.to_owned(), options.to_vec());
        call!(self, inner => inner.launch_game(&command, &options))
    }

    /// Stops a container by name or id: asks it to end, and ends it after 10 seconds (or what it
    /// was created with). One that does not run is no error.
    ///
    /// Errors: `ContainerNotFound`, `CommandFailed`.
    pub async fn stop_container(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        call!(self, inner => inner.on_container(&["stop"], &name))
    }

    /// Removes a container; with `force` also one that runs. Its named volumes stay.
    ///
    /// Errors: `ContainerNotFound`, `CommandFailed` (it runs).
    pub async fn remove_container(&self, name: &str, force: bool) -> Result<()> {
        let name = name.to_owned();
        call!(self, inner => inner.remove_container(&name, force))
    }

    /// Stops a container, kills it after `timeout` seconds, and starts it again.
    ///
    /// Errors: `ContainerNotFound`, `CommandFailed`.
    pub async fn restart_container(&self, name: &str, timeout: u64) -> Result<()> {
        let name = name.to_owned();
        call!(self, inner => inner.on_container(&["restart", "--time", &timeout.to_string()], &name))
    }

    /// The containers that run, or with `all` every one; the oldest first.
    pub async fn list_containers(&self, all: bool) -> Result<Vec<ContainerInfo>> {
        call!(self, inner => inner.list_containers(all))
    }

    /// Events as they happen. The stream holds one process and one thread, which end with it.
    ///
    /// Errors: those of every call that looks for the program; the stream tells its own.
    pub async fn events(&self, filter: &EventFilter) -> Result<Events> {
        let (filter, now) = (filter.clone(), SystemTime::now());
        call!(self, inner => inner.events(&filter, now))
    }

    /// Pulls an image, or makes sure that it is the newest.
    ///
    /// Errors: `ImagePullFailed`.
    pub async fn pull_image(&self, image: &str) -> Result<()> {
        let image = image.to_owned();
        call!(self, inner => inner.pull_image(&image))
    }

    /// Pushes an image to the registry that its name tells.
    ///
    /// Errors: `CommandFailed`.
    pub async fn push_image(&self, image: &str) -> Result<()> {
        let image = image.to_owned();
        call!(self, inner => inner.push_image(&image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{BoltError, RuntimeError};
    use crate::off_thread::tests::block_on;
    use std::future::Future;

    /// As GhostForge uses it (`src/bolt_integration.rs:150-551`, `src/gui.rs:1500`): in an `Arc`,
    /// from other threads, its futures spawned.
    #[test]
    fn the_runtime_and_its_futures_cross_threads() {
        fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
        fn sent<T>(_: impl Future<Output = Result<T>> + Send) {}
        let runtime = BoltRuntime::new().unwrap();
        shared(&runtime);
        sent(runtime.setup_gaming(Some("GE-Proton8-26"), Some("win10")));
        let volumes = ["/g:/game".to_owned()];
        sent(runtime.run_container("i", Some("n"), &[], &volumes, &Vec::new(), true));
        sent(runtime.launch_game("wine '/g/x.exe'", &[]));
        sent(runtime.stop_container("n"));
        sent(runtime.list_containers(true));
        sent(runtime.version());
        sent(runtime.events(&EventFilter::default()));
    }

    #[test]
    fn what_makes_no_sense_needs_no_program() {
        let config = BoltConfig { program: Some("/none".into()), ..BoltConfig::default() };
        let runtime = BoltRuntime::with_config(config.clone());
        assert_eq!(runtime.config(), &config);
        let odd = ["what".to_owned()];
        let run = block_on(runtime.run_container("i", None, &[], &odd, &[], true));
        assert!(
            matches!(run, Err(BoltError::Runtime(RuntimeError::BadArgument { .. }))),
            "{run:?}"
        );
        let launch = block_on(runtime.launch_game("wine x", &[]));
        assert!(matches!(launch, Err(BoltError::Runtime(RuntimeError::NoContainer))), "{launch:?}");
        let windows = block_on(runtime.setup_gaming(None, Some("win12")));
        assert!(matches!(windows, Err(BoltError::Gaming(_))), "{windows:?}");
        let missing = block_on(runtime.list_containers(false));
        let missing = missing.unwrap_err().to_string();
        assert!(missing.starts_with("/none cannot be used as bolt: there is no"), "{missing}");
    }
}
