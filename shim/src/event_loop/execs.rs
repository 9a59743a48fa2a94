//! Programs started by exec, from the handshake to their end. Runs in M.

use super::health::CHECK;
use super::{CHUNK, Supervisor, reap, reap_pidfd, signal};
use crate::at::failure;
use crate::clients::Role;
use crate::events::{self, Event};
use crate::handshake::{self, Message};
use crate::init;
use crate::join;
use crate::start::Payload;
use crate::step::exec::Streams;
use crate::sys::process;
use bolt_shim::launch::Launch;
use bolt_shim::report::{Failure, Report, Step};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A program started by exec.
#[derive(Debug)]
pub(super) struct Exec {
    /// Handshake with it, until it is executed.
    pub(super) socket: Option<OwnedFd>,
    /// It and its pid, once it is known.
    pub(super) program: Option<(i32, OwnedFd)>,
    /// Its terminal: on the way to the client, or left by him.
    master: Option<OwnedFd>,
    /// What went wrong.
    failure: Option<Failure>,
    /// C, until it is reaped: its number may be another child's afterwards.
    pub(super) helper: Option<i32>,
    pub(super) client: usize,
    pub(super) wait: bool,
}

impl Exec {
    /// A terminal that nobody reads any more.
    pub(super) fn left_terminal(&self) -> Option<BorrowedFd<'_>> {
        self.master.as_ref().filter(|_| self.socket.is_none()).map(AsFd::as_fd)
    }

    /// One whose handshake has begun. `client`: whose it is.
    pub(super) fn new(socket: OwnedFd, helper: i32, client: usize) -> Self {
        Exec {
            socket: Some(socket),
            program: None,
            master: None,
            failure: None,
            helper: Some(helper),
            client,
            wait: false,
        }
    }
}

impl Supervisor {
    pub(super) fn exec(
        &mut self,
        launch: &Launch,
        payload: &Payload,
        n: usize,
        process: &bolt_shim::launch::Process,
        wait: bool,
        fds: Vec<OwnedFd>,
    ) {
        let client = &mut self.clients[n];
        match join::start(launch, payload.pidfd.as_fd(), process, fds, Streams::Callers) {
            Ok((socket, helper)) => {
                client.role = Role::Exec;
                self.execs.push(Exec { wait, ..Exec::new(socket, helper, n) });
            }
            Err(failure) => client.send(&Report::Failed(failure), &[]),
        }
    }

    /// The exit code of a check that could not be started.
    pub(super) fn exec_speaks(&mut self, launch: &Launch, n: usize) -> Option<u8> {
        let exec = &mut self.execs[n];
        let socket = exec.socket.as_ref()?;
        match handshake::receive(socket) {
            Ok(Some((Message::Joined { pid }, mut fds))) => {
                exec.program = fds.pop().map(|fd| (pid, fd))
            }
            Ok(Some((Message::Tty, mut fds))) => exec.master = fds.pop(),
            Ok(Some((Message::Failed(failure), _))) => exec.failure = Some(failure),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                exec.socket = None;
                exec.helper.take().into_iter().for_each(reap);
                return self.exec_settled(launch, n);
            }
        }
        None
    }

    /// The handshake is over: the program runs, or says why not.
    fn exec_settled(&mut self, launch: &Launch, n: usize) -> Option<u8> {
        let exec = &mut self.execs[n];
        let client = self.clients.get_mut(exec.client);
        let failed = exec
            .failure
            .take()
            .or_else(|| exec.program.is_none().then(|| failure(Step::Died, "exec", 0)));
        let begun = failed.is_none() && exec.client != CHECK;
        let code = failed.as_ref().filter(|_| exec.client == CHECK).map(Failure::exec_exit_code);
        match (client, failed) {
            (Some(client), Some(failure)) => {
                client.send(&Report::Failed(failure), &[]);
                client.close();
            }
            (Some(client), None) => {
                let fds: Vec<BorrowedFd<'_>> = exec.master.iter().map(AsFd::as_fd).collect();
                let pid = exec.program.as_ref().map_or(0, |p| p.0);
                client.send(&Report::Started { pid }, &fds);
                if !exec.wait {
                    client.close();
                    self.used = true;
                }
            }
            (None, _) => {}
        }
        exec.master = None;
        if begun {
            events::write(launch, &self.name, &[Event::Plain("exec")]);
        }
        code
    }

    /// The exit code of a check.
    pub(super) fn exec_ends(&mut self, launch: &Launch, n: usize) -> Option<u8> {
        let exec = &mut self.execs[n];
        let (_, pidfd) = exec.program.take()?;
        let code = reap_pidfd(pidfd.as_fd());
        if exec.client == CHECK {
            return Some(code);
        }
        events::write(launch, &self.name, &[Event::ExecDied(code)]);
        if let (Some(client), true) = (self.clients.get_mut(exec.client), exec.wait) {
            client.send(&Report::Exited { code, oom: false }, &[]);
            client.close();
        }
        None
    }

    /// The terminal of the exec that client `n` leaves: without it the program would be hung up on.
    pub(super) fn keep_terminal(&mut self, n: usize, master: Option<OwnedFd>) {
        if let (Some(exec), Some(master)) = (self.execs.iter_mut().find(|e| e.client == n), master)
        {
            let _ = rustix::io::ioctl_fionbio(&master, true);
            exec.master = Some(master);
            self.used = true;
        }
    }

    /// A program that nobody reads is not to wait for that.
    pub(super) fn drop_output(&mut self, n: usize) {
        let Some(master) = &self.execs[n].master else { return };
        match rustix::io::read(master, &mut *vec![0; CHUNK]) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(1..) => {}
            // EIO: the last process closed it.
            Ok(0) | Err(_) => self.execs[n].master = None,
        }
    }

    /// A payload without a program of its own is there for those of execs: one has ended.
    pub(super) fn tell_idle(&self, launch: &Launch, payload: &Payload) {
        if launch.process.args.is_empty() {
            signal(payload, if self.used { init::USED } else { libc::SIGCHLD });
        }
    }

    /// A signal to the program of the exec that client `n` waits for; false when there is none.
    pub(super) fn exec_signal(&self, n: usize, signo: i32) -> bool {
        let exec = self.execs.iter().find(|e| e.client == n);
        let program = exec.and_then(|e| e.program.as_ref());
        program.is_some_and(|(_, pidfd)| process::pidfd_signal(pidfd.as_fd(), signo).is_ok())
    }
}
