//! The contract between `bolt` and `bolt-shim`: plain serde types, the one file to which both
//! append ([`eventlog`]), the links that both remove ([`link`]), and where what both make begins to
//! run ([`processor`]).
//!
//! [`launch::Launch`] goes down in a sealed memfd; [`report::Report`] comes up on a socket;
//! [`control`] is what later `bolt` processes say to the supervisor over `control.sock`.

pub mod accounts;
pub mod control;
pub mod eventlog;
pub mod head;
pub mod launch;
pub mod link;
pub mod processor;
pub mod report;
pub mod secret;
