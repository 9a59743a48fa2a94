//! `bolt run` as an ordinary user, with the real supervisor and a real image.

mod arguments;
mod buckets;
mod cves;
mod environment;
mod exit;
mod first;
mod limits;
mod network;
mod ports;
mod roots;
mod sandbox;
mod security;
mod streams;
mod surge;
mod terminal;
mod userns;
mod volumes;
