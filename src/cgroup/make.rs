//! Carries a plan out: directories, controllers, values; and takes it down again.

use super::limits::{Setting, parse_cpu_list};
use super::plan::{Denied, DirPlan, Ends, Manager, Plan, Write};
use super::scope::systemd_scope;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// How long systemd may take for a scope: its own job time-out is 90 s, a start is not worth that.
pub(super) const SCOPE_LIMIT: Duration = Duration::from_secs(5);

/// The cgroup as it is now; the fields mean what they mean in [`Plan`], with real paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Who made it.
    pub manager: Manager,
    /// Everything that is not applied, the plan's and the kernel's.
    pub denied: Vec<Denied>,
    /// The directory for CLONE_INTO_CGROUP.
    pub payload_v2: Option<PathBuf>,
    /// The `cgroup.procs` files to write pid 1 into.
    pub join_v1: Vec<PathBuf>,
    /// The file with the `oom_kill` line.
    pub oom: Option<PathBuf>,
    /// `cgroup.kill` of the payload.
    pub kill: Option<PathBuf>,
    /// What to hand to [`remove`] when the container has ended.
    pub created: Vec<PathBuf>,
}

/// Why a cgroup that was required is not there.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// At least one limit could not be applied and all were required.
    #[error("limits are required and cannot be applied: {}", listed(.denied))]
    Denied {
        /// All of them.
        denied: Vec<Denied>,
    },
}

fn listed(denied: &[Denied]) -> String {
    let each = denied.iter().map(|denied| format!("{}: {}", denied.setting, denied.why));
    each.collect::<Vec<_>>().join("; ")
}

/// Makes the cgroup. `supervisor` is the container's supervisor, started and waiting, still of
/// the caller's uid and in the caller's cgroup. What the kernel or systemd refuses is listed as
/// denied; only with `required` is that an error, and nothing is left behind.
pub fn make(plan: &Plan, supervisor: u32, required: bool) -> Result<Made, CgroupError> {
    let mut work = Work::new(plan);
    work.adopt(supervisor);
    work.directories();
    work.moves(supervisor);
    work.controllers();
    work.values();
    let made = work.finish();
    if required && !made.denied.is_empty() {
        remove(&made.created);
        return Err(CgroupError::Denied { denied: made.denied });
    }
    Ok(made)
}

/// Removes directories of ended containers, deepest first, with all that a nested engine left in
/// them. Ones already gone are fine; returns those that stay, with the reason.
pub fn remove(paths: &[PathBuf]) -> Vec<(PathBuf, io::Error)> {
    let mut paths: Vec<&PathBuf> = paths.iter().collect();
    paths.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    let gone = |path: &&PathBuf| remove_tree(path).err().map(|error| ((*path).clone(), error));
    paths.iter().filter_map(gone).collect()
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    // Collected first, so that a deep tree holds no descriptors open.
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let below: Vec<PathBuf> = entries.flatten().filter(is_dir).map(|entry| entry.path()).collect();
    below.iter().try_for_each(|dir| remove_tree(dir))?;
    // A process that was just killed counts until the kernel is done with it.
    for _ in 0..20 {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
    fs::remove_dir(dir)
}

struct Work {
    plan: Plan,
    created: Vec<PathBuf>,
    /// Directories that could not be made, and why.
    missing: BTreeMap<PathBuf, String>,
    /// Why a process could not be moved out of the way.
    stuck: Option<String>,
    /// Controllers that could not be enabled, and why.
    disabled: BTreeMap<String, String>,
}

impl Work {
    fn new(plan: &Plan) -> Work {
        Work {
            plan: plan.clone(),
            created: Vec::new(),
            missing: BTreeMap::new(),
            stuck: None,
            disabled: BTreeMap::new(),
        }
    }

    /// Asks for the scope; without one the container stays where the caller is.
    fn adopt(&mut self, supervisor: u32) {
        let Some(scope) = self.plan.scope.take() else { return };
        match systemd_scope(&scope, supervisor, SCOPE_LIMIT) {
            Ok(dir) => self.plan = self.plan.within(&dir),
            Err(error) => {
                let why = format!(
                    "{}; see `systemctl --user status`, or run bolt in a unit with Delegate=yes",
                    crate::ui::print::causes(&error)
                );
                if scope.cpu_weight.is_some() {
                    self.deny("--cpu-shares", &why);
                }
                for write in std::mem::take(&mut self.plan.writes) {
                    if !write.implied {
                        self.deny(write.setting.flag(), &why);
                    }
                }
                if self.plan.ends == Ends::ByItself {
                    let stays = "the container stays in the control group of its caller, and ends \
                                 with it";
                    self.deny("--cgroups", &format!("{why}; {stays}"));
                }
                let denied = std::mem::take(&mut self.plan.denied);
                self.plan = Plan { denied, ..Plan::none() };
            }
        }
    }

    fn directories(&mut self) {
        for dir in std::mem::take(&mut self.plan.dirs) {
            match make_directory(&dir) {
                Ok(true) if !dir.shared => self.created.push(dir.path.clone()),
                Ok(_) => {}
                Err((path, error)) => {
                    self.missing.insert(dir.path.clone(), words(&path, &error));
                }
            }
            self.plan.dirs.push(dir);
        }
    }

    fn moves(&mut self, supervisor: u32) {
        let own = std::process::id();
        let moves = [(&self.plan.launcher, own), (&self.plan.launcher, supervisor)];
        for (dir, pid) in moves.into_iter().chain([(&self.plan.monitor, supervisor)]) {
            let Some(dir) = dir else { continue };
            let procs = dir.join("cgroup.procs");
            if let Err(error) = write(&procs, &pid.to_string()) {
                self.stuck = Some(words(&procs, &error));
            }
        }
    }

    fn controllers(&mut self) {
        for dir in &self.plan.dirs {
            let file = dir.path.join("cgroup.subtree_control");
            // One by one: a joint write is refused whole for one name.
            for name in &dir.enable {
                if let Err(error) = write(&file, &format!("+{name}")) {
                    let why = self.stuck.clone().unwrap_or_else(|| words(&file, &error));
                    self.disabled.insert(name.clone(), why);
                }
            }
        }
    }

    fn values(&mut self) {
        for job in std::mem::take(&mut self.plan.writes) {
            let dir = job.file.parent().unwrap_or(&job.file);
            let before = self.missing.get(dir);
            let before = before.or_else(|| self.disabled.get(job.setting.controller())).cloned();
            let why = match (before, job.implied) {
                (Some(_), true) => continue,
                (Some(why), false) => why,
                (None, _) => match write(&job.file, &job.value) {
                    Ok(()) => match unmet(&job) {
                        Some(why) => why,
                        None => continue,
                    },
                    Err(error)
                        if job.implied
                            && (error.kind() == io::ErrorKind::NotFound
                                || job.setting == Setting::Pids) =>
                    {
                        continue;
                    }
                    Err(error) => words(&job.file, &error),
                },
            };
            self.deny(job.setting.flag(), &why);
        }
    }

    fn finish(self) -> Made {
        let Work { plan, created, missing, disabled, .. } = self;
        let there = |path: &PathBuf| !missing.keys().any(|dir| path.starts_with(dir));
        let join_v1: Vec<PathBuf> = plan.join_v1.into_iter().filter(there).collect();
        let payload_v2 = plan.payload_v2.filter(there);
        let nothing = join_v1.is_empty() && payload_v2.is_none();
        Made {
            manager: if nothing { Manager::None } else { plan.manager },
            denied: plan.denied,
            oom: plan.oom.filter(there).filter(|_| !disabled.contains_key("memory")),
            kill: plan.kill.filter(there),
            payload_v2,
            join_v1,
            created,
        }
    }

    fn deny(&mut self, setting: &'static str, why: &str) {
        // cpu.cfs_period_us and cpu.cfs_quota_us are one flag.
        if !self.plan.denied.iter().any(|denied| denied.setting == setting) {
            self.plan.denied.push(Denied { setting, why: why.to_owned() });
        }
    }
}

/// True when the directory was not there before.
fn make_directory(dir: &DirPlan) -> Result<bool, (PathBuf, io::Error)> {
    let new = match fs::create_dir(&dir.path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err((dir.path.clone(), error)),
    };
    if dir.inherit_cpuset {
        for name in ["cpuset.cpus", "cpuset.mems"] {
            let file = dir.path.join(name);
            inherit(&file, &dir.path.with_file_name(name)).map_err(|error| (file, error))?;
        }
    }
    Ok(new)
}

fn inherit(file: &Path, parent: &Path) -> io::Result<()> {
    if fs::read_to_string(file)?.trim().is_empty() {
        write(file, fs::read_to_string(parent)?.trim())?;
    }
    Ok(())
}

/// Why a value that was taken does not hold: v2 takes any list of memory nodes, and falls back to
/// the parent's where it may use none of them (cgroup-v2.rst, "cpuset.mems").
pub(super) fn unmet(job: &Write) -> Option<String> {
    if job.setting != Setting::CpusetMems {
        return None;
    }
    let usable = fs::read_to_string(job.file.with_file_name("cpuset.mems.effective")).ok()?;
    let (may, wanted) = (parse_cpu_list(&usable).ok()?, parse_cpu_list(&job.value).ok()?);
    let node = wanted.iter().find(|node| !may.contains(node))?;
    Some(format!("memory node {node} may not be used here; choose from {}", usable.trim()))
}

/// One write(2), as cgroup files want it; never creates a file.
pub(super) fn write(file: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(value.as_bytes())
}

pub(super) fn words(file: &Path, error: &io::Error) -> String {
    let file = file.display();
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::ACCESS | Errno::PERM) => format!(
            "{file} belongs to another user; run bolt where `systemd --user` runs or in a unit \
             with Delegate=yes"
        ),
        Some(Errno::ROFS) => format!(
            "{file} is on a read-only mount; an outer container must mount /sys/fs/cgroup writable"
        ),
        Some(Errno::BUSY) => format!(
            "{file}: processes live in that directory (cgroup v2 allows them in leaves only); \
             run bolt in a unit with Delegate=yes of its own"
        ),
        Some(Errno::NOENT) => format!("this kernel has no {file}; check that it was built in"),
        Some(Errno::INVAL | Errno::RANGE) => {
            format!("the kernel does not take this value for {file}; choose another")
        }
        _ => format!("{file}: {error}"),
    }
}
