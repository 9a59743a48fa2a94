//! Containers for games from a program of one's own: this library drives `bolt`.
//!
//! ```no_run
//! # async fn play() -> bolt::Result<()> {
//! use bolt::BoltRuntime;
//!
//! let runtime = BoltRuntime::new()?;
//! runtime.setup_gaming(Some("GE-Proton8-26"), Some("win10")).await?;
//! let volumes = ["/home/me/My Games/Quake:/game".to_owned()];
//! let env = ["WINEPREFIX=/wine-prefix/Quake".to_owned()];
//! runtime.run_container("bolt://quake", Some("quake"), &[], &env, &volumes, true).await?;
//! runtime.launch_game("wine '/home/me/My Games/Quake/quake.exe'", &[]).await?;
//! runtime.stop_container("quake").await
//! # }
//! ```
//!
//! Each call starts the program `bolt` once and waits for it on a thread of its own, so a future
//! of this library runs on any executor, is `Send`, and costs the executor nothing while it
//! waits. Nothing here forks, enters a namespace, or keeps a runtime. Containers belong to their
//! supervisors: they live on when the caller ends, however it ends. A future that is dropped
//! leaves its call to come to its end.
//!
//! The program is looked for in `$BOLT_BIN`, beside the caller, in `PATH`, and in libexec; one
//! that is missing, or older than this library, is a typed error of the first call that needs it.

/// The example of `docs/library.md` is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
mod example {}

mod arguments;
mod boltfile;
mod config;
mod display;
mod error;
mod events;
mod game;
mod list;
mod off_thread;
mod operations;
mod program;
mod runtime;
mod session;
mod words;

pub use boltfile::{BoltFile, BoltFileBuilder, GamingConfig, Service};
pub use config::BoltConfig;
pub use error::{BoltError, GamingError, Result, RuntimeError};
pub use events::{Event, EventFilter, Events};
pub use list::ContainerInfo;
pub use runtime::BoltRuntime;
