//! Bolt, a daemonless, rootless container runtime for games.
//!
//! ```text
//! L4  cmd          one verb, one file
//! L3  settings     what was typed → what is meant     launch  plan → Launch      shim  makes the process
//! L3  wrap         settings around a game that stays outside every container
//! L2  image  profile  rootfs  spec  net  cgroup  userns  what an image, a root, a container needs
//! L2  unit                                             units of systemd that run containers
//! L2  game  facts  gpu  proton  steam                  which variant of a game fits this machine
//! L1  store  container  exit  hint  ui  bus            what lies on disk, what the user sees
//! L0  sys                                              the only unsafe code in this crate
//! ```
//! Imports point down only. `docs/ARCHITECTURE.md` tells the whole story.

pub mod bus;
pub mod cgroup;
pub mod cmd;
pub mod container;
pub mod exit;
pub mod facts;
pub mod game;
pub mod gpu;
pub mod hint;
pub mod image;
pub mod launch;
pub mod net;
pub mod profile;
pub mod proton;
pub mod rootfs;
pub mod settings;
pub mod shim;
pub mod spec;
pub mod steam;
pub mod store;
#[allow(unsafe_code)]
pub mod sys;
pub mod ui;
pub mod unit;
pub mod userns;
pub mod wrap;
