//! L2: unit files of systemd that run containers.
//!
//! ```text
//! create command ─▶ command::parts ─▶ service::Service ─▶ text ─▶ file::write
//! ```
//! A unit runs `bolt` in the foreground: systemd has the very process whose exit code is the
//! container's, and the container lies in the unit's own control group. Quoting is systemd's
//! (systemd.syntax(7), systemd.service(5) "Command lines").

pub mod command;
pub mod escape;
pub mod file;
pub mod service;
