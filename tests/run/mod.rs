//! `bolt run` as an ordinary user, with the real supervisor and a real image.

mod arguments;
mod buckets;
mod cves;
mod denied;
mod distribution;
mod doctor;
mod environment;
mod exit;
mod first;
mod groups;
mod limits;
mod machine;
mod network;
mod ports;
mod roots;
mod sandbox;
mod security;
mod streams;
mod surge;
mod terminal;
mod trees;
mod userns;
mod volumes;
mod zone;
