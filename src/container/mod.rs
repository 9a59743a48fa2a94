//! L1: one directory a container, and what can be told from it without asking anybody.
//!
//! ```text
//! containers/<id>/{lock, config.json, state.json, health.json?, log, upper, work, control.sock?,
//! secret-<n>?}
//! containers/by-name/<name> → <id in base64url>
//! containers/list (see `cache`)
//! secrets/<name>
//! ```
//! `config.json` is written once by `create`; `state.json` by the supervisor; `lock` is an OFD
//! write lock held by the supervisor for its whole life: free lock = no supervisor.

mod cache;
pub mod check;
mod collection;
pub mod config;
pub mod dir;
pub mod error;
pub mod events;
mod files;
pub mod filter;
pub mod freezer;
pub mod health;
pub mod holder;
pub mod inspect;
pub mod journal;
pub mod list;
pub mod live;
pub mod log_driver;
pub mod logs;
pub mod name;
pub mod orphan;
pub mod ports;
pub mod processes;
pub mod secret;
pub mod service;
pub mod state;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod usage;
pub mod volume;
