//! The verbs that publish, as an ordinary user types them.

mod annotate;
mod manifest;
mod peers;
mod profile;
mod push;
mod refusals;
mod search;
