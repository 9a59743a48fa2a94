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

/// A registration on its way.
#[derive(Debug)]
pub struct Asked {
    bus: Bus,
    pid: u32,
    register: u32,
    status: u32,
}

/// Asks for the registration of a process, without waiting; the daemon is started where the bus
/// can start it.
pub fn ask(bus: &BusAddress, uid: u32, pid: u32, limit: Duration) -> Result<Asked, GameModeError> {
    let mut bus = Bus::connect(bus, uid, limit)?;
    let register = bus.send(&request("RegisterGame", pid)?)?;
    let status = bus.send(&request("QueryStatus", pid)?)?;
    Ok(Asked { bus, pid, register, status })
}

impl Asked {
    /// Waits until the daemon lists the process.
    pub fn answer(mut self) -> Result<(), GameModeError> {
        match number(&mut self.bus, self.register)? {
            0 => {}
            -2 => {
                let why = "a whitelist or blacklist in gamemode.ini keeps it out";
                return Err(GameModeError::Refused(-2, why));
            }
            other => {
                let why = "see the daemon's log: journalctl --user";
                return Err(GameModeError::Refused(other, why));
            }
        }
        match number(&mut self.bus, self.status)? {
            REGISTERED => Ok(()),
            _ => Err(GameModeError::NotListed(self.pid)),
        }
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
