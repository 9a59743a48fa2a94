//! Containers that live on: what is true of them, whatever was killed.

mod crashes;
mod files;
mod inside;
mod keep_alive;
mod list;
mod logs;
mod memory;
mod programs;
mod restarts;
