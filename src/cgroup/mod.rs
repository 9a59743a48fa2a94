//! A container's cgroup: a systemd scope, a delegated v2 directory, v1 directories, or none.
//!
//! ```text
//! detect → Host ─▶ plan(limits) → Plan (pure, printable) ─▶ make(supervisor) → Made ─▶ remove
//! ```
//! With a scope the supervisor goes to `monitor/` and pid 1 to `payload/`: v2 wants processes in
//! leaves only. Elsewhere the supervisor stays in the caller's cgroup. The limits sit on the
//! payload, so the supervisor is neither counted nor chosen by the out-of-memory killer.
//!
//! A limit that cannot be applied is listed as [`Denied`] with reason and fix; a start fails for
//! it only where limits are required.
//!
//! D-Bus messages are `rustbus`'s and its doors are `bus/` and this folder. Nothing here starts a
//! thread.

mod describe;
pub mod game;
mod host;
mod limits;
mod make;
mod mountinfo;
mod plan;
mod scope;
mod split;
#[cfg(test)]
mod tests;
mod update;

pub use crate::bus::{BusAddress, BusError};
pub use describe::{Description, describe};
pub use host::{Caller, Hierarchy, Host, Nest, Occupied, Systemd, V1, V2, detect, is_pure_v2};
pub use limits::{
    CPU_PERIOD_US, LimitError, Limits, Setting, parse_cpu_list, pids_max, v1_cpu_quota,
    v1_memory_limit, v1_memsw, v2_cpu_max, v2_cpu_weight, v2_memory_max, v2_swap_max,
};
pub use make::{CgroupError, Made, make, remove};
pub use plan::{Denied, DirPlan, Ends, Manager, Plan, ScopePlan, Write, plan};
pub use scope::{ScopeError, systemd_scope};
pub use split::plan_split;
pub use update::update;
