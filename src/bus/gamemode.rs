//! GameMode's interface on the session bus (com.feralinteractive.GameMode(1), libgamemode's
//! gamemode_client.h): register a process, take it out again, ask how it stands.

use super::{Bus, BusAddress, BusError, call};
use rustbus::message_builder::{MarshalledMessage, MessageType};
use std::time::Duration;

const NAME: &str = "com.feralinteractive.GameMode";
const OBJECT: &str = "/com/feralinteractive/GameMode";
/// What `QueryStatus` says of a registered process.
const REGISTERED: i32 = 2;

/// Why GameMode does not care for a process.
#[derive(Debug, thiserror::Error)]
pub enum GameModeError {
    /// Nobody has the name on the bus, and nothing can be started for it.
    #[error("GameMode is not installed: nothing on the session bus answers to {NAME}")]
    Absent,
    /// The bus or the daemon.
    #[error("GameMode")]
    Bus(#[from] BusError),
    /// The daemon's answer, and what it means.
    #[error("gamemoded answers {0}: {1}")]
    Refused(i32, &'static str),
    /// It said yes and does not list the process.
    #[error("gamemoded took process {0} and does not list it")]
    NotListed(u32),
}

/// Registers a process; the daemon is started where the bus can start it. Returns when the
/// daemon lists the process.
pub fn register(
    bus: &BusAddress,
    uid: u32,
    pid: u32,
    limit: Duration,
) -> Result<(), GameModeError> {
    let mut bus = Bus::connect(bus, uid, limit)?;
    let asked = [ask(&mut bus, "RegisterGame", pid)?, ask(&mut bus, "QueryStatus", pid)?];
    match number(&mut bus, asked[0])? {
        0 => {}
        -2 => {
            return Err(GameModeError::Refused(
                -2,
                "a whitelist or blacklist in gamemode.ini keeps it out",
            ));
        }
        other => {
            return Err(GameModeError::Refused(other, "see the daemon's log: journalctl --user"));
        }
    }
    match number(&mut bus, asked[1])? {
        REGISTERED => Ok(()),
        _ => Err(GameModeError::NotListed(pid)),
    }
}

/// Takes a process out again. One that the daemon does not know, a daemon that is gone and a bus
/// that is gone are fine: nothing is left to undo. The daemon is not started for it.
pub fn unregister(bus: &BusAddress, uid: u32, pid: u32, limit: Duration) -> Result<(), BusError> {
    let mut bus = match Bus::connect(bus, uid, limit) {
        Err(BusError::Io(_)) => return Ok(()),
        other => other?,
    };
    let mut message = request("UnregisterGame", pid)?;
    message.flags |= rustbus::message_builder::HeaderFlags::NoAutoStart.into_raw();
    let serial = bus.send(&message)?;
    match number(&mut bus, serial) {
        Ok(_) | Err(GameModeError::Absent) => Ok(()),
        Err(GameModeError::Bus(error)) => Err(error),
        Err(_) => Ok(()),
    }
}

fn request(method: &str, pid: u32) -> Result<MarshalledMessage, BusError> {
    let mut message = call(NAME, OBJECT, NAME, method);
    message.body.push_param(pid as i32)?;
    Ok(message)
}

fn ask(bus: &mut Bus, method: &str, pid: u32) -> Result<u32, BusError> {
    bus.send(&request(method, pid)?)
}

/// The number in the reply to `serial`.
fn number(bus: &mut Bus, serial: u32) -> Result<i32, GameModeError> {
    loop {
        let message = bus.receive()?;
        if message.dynheader.response_serial != Some(serial) {
            continue;
        }
        let mut body = message.body.parser();
        if message.typ == MessageType::Error {
            let name = message.dynheader.error_name.clone().unwrap_or_default();
            let gone = ["ServiceUnknown", "NameHasNoOwner"];
            if gone.iter().any(|gone| name == format!("org.freedesktop.DBus.Error.{gone}")) {
                return Err(GameModeError::Absent);
            }
            let text = body.get::<String>().unwrap_or_default();
            return Err(BusError::Reply { name, text }.into());
        }
        return Ok(body.get::<i32>().map_err(BusError::from)?);
    }
}
