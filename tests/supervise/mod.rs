//! Containers that live on: what is true of them, whatever was killed.

mod at_once;
mod crashes;
mod damage;
mod events;
mod files;
mod generate;
mod health;
mod inside;
mod keep_alive;
mod list;
mod log_drivers;
mod logs;
mod memory;
mod names;
mod pause;
mod programs;
mod restarts;
mod secrets;
mod stop;
mod units;
mod update;
