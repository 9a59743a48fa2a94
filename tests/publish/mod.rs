//! The verbs that publish, as an ordinary user types them.

mod annotate;
mod manifest;
mod profile;
mod push;
mod search;
