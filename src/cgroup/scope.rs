//! A transient scope from systemd: `StartTransientUnit` (org.freedesktop.systemd1(5)).

use super::host::Systemd;
use super::plan::ScopePlan;
use crate::bus::{self, Bus, BusError};
use rustbus::message_builder::{MarshalledMessage, MessageType};
use rustbus::wire::errors::MarshalError;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";

/// Why there is no scope.
#[derive(Debug, Error)]
pub enum ScopeError {
    /// The bus, or systemd's error reply.
    #[error("systemd does not make scope {name}")]
    Bus {
        /// The scope.
        name: String,
        /// Its answer.
        #[source]
        source: BusError,
    },
    /// The same, about a scope that is there.
    #[error("systemd does not change scope {name}")]
    Set {
        /// The scope.
        name: String,
        /// Its answer.
        #[source]
        source: BusError,
    },
    /// The job ended otherwise than `done`.
    #[error("systemd's job for scope {name} ended as {result:?}")]
    Job {
        /// The scope.
        name: String,
        /// `canceled`, `timeout`, `failed`, `dependency` or `skipped`.
        result: String,
    },
    /// The job is done and the process is elsewhere.
    #[error("systemd made scope {name}, but process {pid} is in {found}")]
    NotMoved {
        /// The scope.
        name: String,
        /// The process.
        pid: u32,
        /// Its cgroup.
        found: String,
    },
}

#[derive(Debug, rustbus::Marshal, rustbus::Signature)]
enum Property<'a> {
    Text(&'a str),
    Flag(bool),
    Number(u64),
    Pids(Vec<u32>),
}

/// Puts process `pid` into a new scope; waits for systemd's word at most `limit`. Returns the
/// scope's directory.
///
/// The process must still belong to the uid that the plan names; call before it enters a user
/// namespace. A scope of the same name that is just being taken down (a container started again
/// at once) gets out of the way by the pid in ours.
pub fn systemd_scope(plan: &ScopePlan, pid: u32, limit: Duration) -> Result<PathBuf, ScopeError> {
    let found = match start(plan, &plan.name, pid, limit) {
        Err(ScopeError::Bus { source: BusError::Reply { name, .. }, .. })
            if name == UNIT_EXISTS =>
        {
            let stem = plan.name.trim_end_matches(".scope");
            let other = format!("{stem}-{pid}.scope");
            start(plan, &other, pid, limit).and_then(|()| settled(plan, &other, pid, limit))?
        }
        other => other.and_then(|()| settled(plan, &plan.name, pid, limit))?,
    };
    Ok(plan.mount.join(found.trim_start_matches('/')))
}

fn start(plan: &ScopePlan, name: &str, pid: u32, limit: Duration) -> Result<(), ScopeError> {
    let failed = |source| ScopeError::Bus { name: name.to_owned(), source };
    let result = converse(plan, name, pid, limit).map_err(failed)?;
    match result.as_str() {
        "done" => Ok(()),
        _ => Err(ScopeError::Job { name: name.to_owned(), result }),
    }
}

/// The whole conversation; returns the job's result.
fn converse(plan: &ScopePlan, name: &str, pid: u32, limit: Duration) -> Result<String, BusError> {
    let mut bus = Bus::connect(&plan.bus, plan.uid, limit)?;
    let dbus = "org.freedesktop.DBus";
    let mut listen = bus::call(dbus, "/org/freedesktop/DBus", dbus, "AddMatch");
    listen.body.push_param(format!(
        "type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved'"
    ))?;
    bus.send(&listen)?;
    bus.send(&bus::call(SYSTEMD, OBJECT, MANAGER, "Subscribe"))?;
    let serial = bus.send(&start_call(plan, name, pid)?)?;
    wait(&mut bus, serial)
}

fn start_call(plan: &ScopePlan, name: &str, pid: u32) -> Result<MarshalledMessage, MarshalError> {
    let mut properties = vec![
        ("Description", Property::Text(&plan.description)),
        ("PIDs", Property::Pids(vec![pid])),
        ("Delegate", Property::Flag(true)),
        // Else a scope whose payload failed stays listed until the user resets it.
        ("CollectMode", Property::Text("inactive-or-failed")),
        // Scopes get a DefaultTasksMax otherwise; the payload's own pids.max is what was asked.
        ("TasksMax", Property::Number(u64::MAX)),
    ];
    if let Some(weight) = plan.cpu_weight {
        properties.push(("CPUWeight", Property::Number(weight)));
    }
    if let Some(bytes) = plan.memory_low {
        properties.push(("MemoryLow", Property::Number(bytes)));
    }
    let mut call = bus::call(SYSTEMD, OBJECT, MANAGER, "StartTransientUnit");
    call.body.push_param2(name, "fail")?;
    call.body.push_param(properties)?;
    // Auxiliary units: none.
    call.body.push_param(Vec::<(&str, Vec<(&str, Property<'_>)>)>::new())?;
    Ok(call)
}

/// Reads until the call's job is removed; returns its result.
fn wait(bus: &mut Bus, serial: u32) -> Result<String, BusError> {
    let mut job = None;
    let mut removed: Vec<(String, String)> = Vec::new();
    loop {
        let message = bus.receive()?;
        let head = &message.dynheader;
        match message.typ {
            MessageType::Error if head.response_serial == Some(serial) => {
                let name = head.error_name.clone().unwrap_or_default();
                let text = message.body.parser().get::<String>().unwrap_or_default();
                return Err(BusError::Reply { name, text });
            }
            MessageType::Reply if head.response_serial == Some(serial) => {
                let path = message.body.parser().get::<rustbus::wire::ObjectPath<String>>();
                job = Some(path?.as_ref().to_owned());
            }
            MessageType::Signal if head.member.as_deref() == Some("JobRemoved") => {
                let mut body = message.body.parser();
                body.get::<u32>()?;
                let path = body.get::<rustbus::wire::ObjectPath<String>>()?;
                body.get::<&str>()?;
                let result = body.get::<String>()?;
                removed.push((path.as_ref().to_owned(), result));
            }
            _ => continue,
        }
        // The signal may overtake the reply.
        if let Some((_, result)) = removed.iter().find(|(path, _)| Some(path) == job.as_ref()) {
            return Ok(result.clone());
        }
    }
}

/// [`locate`]; a scope that the process is not in is taken down: systemd waits for the end of
/// the last process, and there never was one when it had died just before.
fn settled(plan: &ScopePlan, name: &str, pid: u32, limit: Duration) -> Result<String, ScopeError> {
    let found = locate(name, pid);
    if found.is_err() {
        let _ = stop(plan, name, limit);
    }
    found
}

/// Gives a scope that is there another value (org.freedesktop.systemd1(5), SetUnitProperties), as
/// long as it lives.
pub(super) fn set_property(
    systemd: &Systemd,
    scope: &str,
    property: &str,
    value: u64,
    limit: Duration,
) -> Result<(), ScopeError> {
    let set = || {
        let mut bus = Bus::connect(&systemd.bus, systemd.uid, limit)?;
        let mut call = bus::call(SYSTEMD, OBJECT, MANAGER, "SetUnitProperties");
        call.body.push_param2(scope, true)?;
        call.body.push_param(vec![(property, Property::Number(value))])?;
        let serial = bus.send(&call)?;
        loop {
            let message = bus.receive()?;
            let head = &message.dynheader;
            if head.response_serial != Some(serial) {
                continue;
            }
            if message.typ != MessageType::Error {
                return Ok(());
            }
            let name = head.error_name.clone().unwrap_or_default();
            let text = message.body.parser().get::<String>().unwrap_or_default();
            return Err(BusError::Reply { name, text });
        }
    };
    set().map_err(|source| ScopeError::Set { name: scope.to_owned(), source })
}

fn stop(plan: &ScopePlan, name: &str, limit: Duration) -> Result<(), BusError> {
    let mut bus = Bus::connect(&plan.bus, plan.uid, limit)?;
    let mut call = bus::call(SYSTEMD, OBJECT, MANAGER, "StopUnit");
    call.body.push_param2(name, "replace")?;
    let serial = bus.send(&call)?;
    while bus.receive()?.dynheader.response_serial != Some(serial) {}
    Ok(())
}

/// Where the process is now, as the kernel says it.
fn locate(name: &str, pid: u32) -> Result<String, ScopeError> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let path = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("no cgroup at all");
    let inside = path.ends_with(&format!("/{name}")) && !path.starts_with("/..");
    match inside {
        true => Ok(path.to_owned()),
        false => Err(ScopeError::NotMoved { name: name.to_owned(), pid, found: path.to_owned() }),
    }
}
