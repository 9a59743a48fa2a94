//! What a service manager gave this process: where it is notified (sd_notify(3)) and its
//! listening sockets (sd_listen_fds(3)); and descriptors that the caller passes on by hand.

use crate::container::service::SdNotify;
use crate::launch::Given;
use crate::settings::Settings;
use crate::sys::{passed, scm};
use crate::ui::print;
use anyhow::{Context, bail};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// How long a service manager is waited for that does not read.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// Most descriptors that go to a container: they travel in one packet with four more.
pub const MOST: u32 = scm::MAX_FDS as u32 - 4;

/// Taken once, before anything is made.
#[derive(Debug, Default)]
pub struct Service {
    notify: Option<OwnedFd>,
    passed: Vec<OwnedFd>,
    listen: Option<Option<String>>,
    watchdog: Option<String>,
}

/// Why the service manager cannot be notified.
#[derive(Debug, thiserror::Error)]
#[error("NOTIFY_SOCKET {name:?}: {why}; unset it, or use --sdnotify=ignore")]
struct BadSocket {
    name: String,
    why: &'static str,
}

impl Service {
    /// What is there for a container that is started now. A socket that cannot be reached is an
    /// error where `mode` was asked for, and else a warning. `preserve`: `--preserve-fds`.
    pub fn take(
        settings: &Settings,
        mode: Option<SdNotify>,
        preserve: u32,
    ) -> anyhow::Result<Service> {
        let given = &settings.service;
        let mut service = Service::default();
        if preserve > 0 {
            if given.listen.is_some() {
                print::warning("LISTEN_FDS is left out: --preserve-fds passes other descriptors");
            }
            service.passed = passed(preserve)?;
        } else if let Some(count) = &given.listen {
            let number = count.parse().ok().filter(|n| *n <= MOST);
            let number = number.with_context(|| {
                format!("LISTEN_FDS is {count:?}, which is no number up to {MOST}")
            })?;
            if number > 0 {
                service.passed = passed::take(number)
                    .with_context(|| format!("LISTEN_FDS is {number}: descriptor not open"))?;
                service.listen = Some(given.listen_names.clone());
            }
        }
        if let (Some(name), false) = (&given.notify, mode == Some(SdNotify::Ignore)) {
            let dialled = dial(name)
                .map_err(|why| BadSocket { name: name.to_string_lossy().into_owned(), why });
            match dialled {
                Ok(socket) => service.notify = Some(socket),
                Err(error) if mode.is_some() => return Err(error.into()),
                Err(error) => print::warning(&error.to_string()),
            }
            service.watchdog.clone_from(&given.watchdog);
        }
        Ok(service)
    }

    /// What the plan has to know.
    pub(super) fn given(&self, mode: SdNotify, supervisor: u32) -> Given {
        Given {
            supervisor: Some(supervisor),
            notify: self.notify.is_some() && mode != SdNotify::Ignore,
            passed: self.passed.len() as u32,
            listen: self.listen.clone(),
            watchdog: self.watchdog.clone(),
        }
    }

    /// The descriptors, in the order that the plan speaks of them; `own`: this process' streams.
    pub(super) fn descriptors<'a>(
        &'a self,
        notify: bool,
        own: &'a [OwnedFd],
    ) -> Vec<BorrowedFd<'a>> {
        let notify = self.notify.iter().filter(|_| notify);
        notify.chain(own).chain(&self.passed).map(AsFd::as_fd).collect()
    }

    /// The payload runs: says who the main process is, when this one is about to leave, and, where
    /// that is ours to say, that the service is ready. A service manager that does not listen any
    /// more misses it.
    pub fn started(&self, mode: SdNotify, monitor: Option<i32>) {
        let Some(socket) = self.notify.as_ref().filter(|_| mode != SdNotify::Ignore) else {
            return;
        };
        let mut words = Vec::new();
        words.extend(monitor.map(|pid| format!("MAINPID={pid}")));
        if mode == SdNotify::Conmon {
            words.push("READY=1".to_owned());
        }
        if !words.is_empty() {
            // One that has its socket and never reads it must not hold a start up for ever.
            let _ = set_socket_timeout(socket, Timeout::Send, Some(PATIENCE));
            let _ = scm::send(socket, words.join("\n").as_bytes(), &[], true);
        }
    }
}

/// `--preserve-fds N`: descriptors 3 to 2+N.
pub fn passed(count: u32) -> anyhow::Result<Vec<OwnedFd>> {
    if count > MOST {
        bail!("--preserve-fds {count}: at most {MOST} descriptors can be passed");
    }
    if let Some(missing) = passed::missing(count) {
        bail!(
            "file descriptor {missing} is not available: --preserve-fds {count} passes 3 to {}, which the caller must have opened",
            count + 2
        );
    }
    passed::take(count).context("--preserve-fds")
}

/// Connected, so that whoever has the descriptor reaches it from anywhere.
pub(super) fn dial(name: &OsStr) -> Result<OwnedFd, &'static str> {
    let bytes = name.as_bytes();
    let address = match bytes.first() {
        Some(b'/') => SocketAddrUnix::new(bytes),
        Some(b'@') => SocketAddrUnix::new_abstract_name(&bytes[1..]),
        _ => return Err("it is neither a path nor an abstract name"),
    };
    let address = address.map_err(|_| "a socket's name has at most 107 bytes")?;
    let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)
        .map_err(|_| "no socket can be made")?;
    match connect(&socket, &address) {
        Ok(()) => Ok(socket),
        Err(Errno::NOENT | Errno::NOTDIR) => Err("there is no such socket"),
        Err(Errno::CONNREFUSED) => Err("it is no socket, or nobody listens there"),
        Err(Errno::PROTOTYPE) => Err("it is not a datagram socket"),
        Err(Errno::ACCESS | Errno::PERM) => Err("it belongs to another user"),
        Err(_) => Err("it cannot be connected to"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use rustix::net::bind;

    fn why(name: &str) -> String {
        let why = dial(OsStr::new(name)).unwrap_err();
        BadSocket { name: name.to_owned(), why }.to_string()
    }

    #[test]
    fn a_socket_that_is_none_is_named_with_the_reason() {
        let scratch = Scratch::new("notify");
        let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("file"), "").unwrap();
        for (name, reason) in [
            (path("gone"), "there is no such socket"),
            (path("file/x"), "there is no such socket"),
            (path("file"), "it is no socket, or nobody listens there"),
            (path(&"x".repeat(120)), "a socket's name has at most 107 bytes"),
            (format!("@bolt-{}-nobody", std::process::id()), "it is no socket"),
            ("vsock:2:1".to_owned(), "it is neither a path nor an abstract name"),
        ] {
            let text = why(&name);
            assert!(text.contains(reason) && text.contains(&name), "{text}");
        }
    }

    #[test]
    fn paths_and_abstract_names_are_reached() {
        let scratch = Scratch::new("notified");
        let path = scratch.path().join("s");
        let name = format!("bolt-{}-notified", std::process::id());
        let addresses = [
            (path.to_str().unwrap().to_owned(), SocketAddrUnix::new(&path).unwrap()),
            (format!("@{name}"), SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()),
        ];
        for (typed, address) in addresses {
            let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
            let server = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
            bind(&server, &address).unwrap();
            let notify = Some(dial(OsStr::new(&typed)).unwrap());
            let service = Service { notify, ..Service::default() };
            service.started(SdNotify::Conmon, Some(7));
            service.started(SdNotify::Container, None);
            service.started(SdNotify::Ignore, Some(7));
            service.started(SdNotify::Healthy, Some(8));
            for want in ["MAINPID=7\nREADY=1", "MAINPID=8"] {
                let mut buffer = [0; 64];
                let (length, _) = scm::receive(&server, &mut buffer, true).unwrap();
                assert_eq!(std::str::from_utf8(&buffer[..length]), Ok(want));
            }
        }
    }
}
