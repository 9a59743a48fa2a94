//! What happens when the payload has ended: output drained, leftovers killed, files removed.
//! Runs in M.

use super::execs::Exec;
use super::health::CHECK;
use super::{End, Supervisor, reap, reap_pidfd};
use crate::at::failure;
use crate::clients::{Client, Role};
use crate::events::{self, Event};
use crate::start::Payload;
use crate::{pidfile, remove, state};
use bolt_shim::launch::{Launch, Restart, Root};
use bolt_shim::link;
use bolt_shim::report::{Report, Step};
use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::fd::AsFd;

/// How long a client that does not read is waited for when that cannot be for ever, in
/// milliseconds.
const GRACE: i64 = 1000;
/// How many of the directories that go the launcher lets go of, which has the container's own besides:
/// `upper`, and `work`, which our hold of `work/work` keeps until we let go of that.
const LAUNCHERS: usize = 2;

impl Supervisor {
    /// Collects a payload that has ended.
    pub(super) fn end(&mut self, launch: &Launch, payload: &mut Payload) -> End {
        let code = reap_pidfd(payload.pidfd.as_fd());
        self.kill_at = None;
        self.timeout_at = None;
        self.drain(launch, payload);
        self.log.finish(&self.place.dir);
        payload.uplink = None;
        // The counter lives as long as the group, which serves all restarts.
        let kills = launch.cgroup.oom.as_deref().map_or(0, oom_kills);
        let oom = kills > std::mem::replace(&mut self.oom_kills, kills);
        if let Some(group) = &launch.cgroup.v2 {
            // Whatever was put there besides and left the pid namespace alone.
            empty(group);
        }
        // One in the middle of its handshake has died with the pid namespace, or says why not.
        for n in 0..self.execs.len() {
            while self.execs[n].socket.is_some() {
                self.exec_speaks(launch, n);
            }
        }
        for exec in std::mem::take(&mut self.execs) {
            self.exec_cut_short(launch, exec, oom);
        }
        self.cut_checks_short();
        self.input = Vec::new();
        if self.is_cleaned_ahead {
            // Whoever wished for another run meanwhile came too late.
            self.renew = false;
            self.again.policy = Restart::No;
        }
        let stopped = self.stopping || self.timed_out;
        End {
            code: if self.timed_out { 255 } else { code },
            oom,
            stopped,
            asked: stopped && !self.by_signal,
            renew: std::mem::take(&mut self.renew) && !stopped,
        }
    }

    /// The payload's end was the exec's too, be it running or still on its way.
    fn exec_cut_short(&mut self, launch: &Launch, exec: Exec, oom: bool) {
        exec.helper.into_iter().for_each(reap);
        let code = exec.program.as_ref().map(|(_, pidfd)| reap_pidfd(pidfd.as_fd()));
        if let Some(code) = code.filter(|_| exec.client != CHECK) {
            events::write(launch, &self.name, &[Event::ExecDied(code)]);
        }
        let Some(client) = self.clients.get_mut(exec.client) else { return };
        match code {
            Some(code) if exec.wait => client.send(&Report::Exited { code, oom }, &[]),
            Some(_) => {}
            None => client.send(&Report::Failed(failure(Step::Died, "exec", 0)), &[]),
        }
        client.close();
    }

    /// What was written before the end is still delivered, at the client's pace.
    fn drain(&mut self, launch: &Launch, payload: &Payload) {
        for (stream, fd) in [(0, payload.output.as_ref()), (1, payload.error.as_ref())] {
            let Some(fd) = fd else { continue };
            loop {
                self.let_catch_up(launch, Client::holds_back);
                let mut fds = [PollFd::new(fd, PollFlags::IN)];
                let ready = poll(&mut fds, Some(&Timespec::default())).unwrap_or(0) > 0;
                if !ready || !self.copy(fd, stream) {
                    break;
                }
            }
        }
    }

    /// Waits for the launcher while it is `behind`. Requests are answered meanwhile, and a stop
    /// does not wait for a reader that has gone to sleep.
    fn let_catch_up(&mut self, launch: &Launch, behind: fn(&Client) -> bool) {
        while self.clients.iter().any(behind) {
            if self.stopping && self.kill_at.is_none() {
                self.kill_at = Some(state::ticks() + GRACE);
            }
            for (source, events) in self.wait(None, false, false) {
                self.serve(launch, source, events, None);
            }
            if self.kill_at.is_some_and(|at| at <= state::ticks()) {
                self.clients.iter_mut().filter(|c| behind(c)).for_each(Client::give_up);
            }
            self.sweep();
        }
        self.kill_at = None;
    }

    /// Sends the last report to everybody and waits until the launcher has it.
    pub(crate) fn broadcast(&mut self, launch: &Launch, report: &Report) {
        self.tell(report);
        self.let_catch_up(launch, |c| c.is_primary() && c.is_behind());
        // Who came meanwhile.
        self.tell(report);
        for client in &mut self.clients {
            while client.is_behind() && !client.gone {
                if !wait_writable(client, GRACE) {
                    break;
                }
            }
        }
    }

    /// Once to each.
    fn tell(&mut self, report: &Report) {
        let others = |c: &&mut Client| !matches!(c.role, Role::Exec | Role::Check) && !c.told;
        for client in self.clients.iter_mut().filter(others) {
            client.told = true;
            let shared = if client.is_primary() { LAUNCHERS.min(self.let_go.len()) } else { 0 };
            let fds: Vec<_> = self.let_go[..shared].iter().map(AsFd::as_fd).collect();
            client.send(report, &fds);
            // At once, so that it is his hold that is the last one.
            self.let_go.drain(..shared);
        }
        self.let_go.clear();
    }

    /// `--rm`, and the payload will never run another instruction: its name, records and empty
    /// directories go while the kernel takes its namespaces apart, which takes as long.
    pub(super) fn clean_ahead(&mut self, launch: &Launch, payload: &Payload) {
        let last = launch.monitor.remove && matches!(self.again.policy, Restart::No) && !self.renew;
        if last && !self.is_cleaned_ahead && state::is_ending(payload.pid) {
            self.is_cleaned_ahead = true;
            self.forget(launch);
            // The kernel kills the other processes of its pid namespace next, and nobody will see
            // what one of them still does there.
            if !launch.share.pid && matches!(launch.root, Root::Overlay { .. }) {
                self.let_go = remove::overlay(&self.place.dir);
            }
        }
    }

    /// Records and name of a container that is removed. A directory without a record is garbage,
    /// and its name free, should we be killed on the way; a record without a name would stay.
    pub(super) fn forget(&self, launch: &Launch) {
        remove::records(&self.place.dir);
        self.unlink_name(&launch.id);
    }

    /// Another container may have the name by now: only what leads to this one goes. Nobody puts
    /// another link there in between. Who wants the name finds our lock held, and `bolt rename`
    /// takes an old name away only once we know the new one.
    fn unlink_name(&self, id: &str) {
        let path = format!("../by-name/{}", self.name);
        let found = rustix::fs::readlinkat(&self.place.dir, &path, Vec::new());
        if found.is_ok_and(|found| found.to_str().is_ok_and(|found| link::leads_to(found, id))) {
            let _ = rustix::fs::unlinkat(&self.place.dir, &path, rustix::fs::AtFlags::empty());
        }
    }

    /// `--rm`: name, files, volumes, directory.
    pub(crate) fn clean(&mut self, launch: &Launch) {
        let place = rustix::fs::openat(
            &self.place.dir,
            "..",
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        );
        let Ok(parent) = place else { return };
        for file in &launch.monitor.files {
            pidfile::remove_own(file, &launch.id);
        }
        for volume in &launch.monitor.volumes {
            if let Some((dir, name)) = volume.rsplit_once('/')
                && let Ok(dir) = std::fs::File::open(dir)
            {
                let _ = remove::tree(&dir, name);
            }
        }
        if !self.is_cleaned_ahead {
            self.forget(launch);
        }
        let ahead = !self.let_go.is_empty();
        // What the disk refuses to give up has no record: the next `rm` or `prune` sweeps it.
        let _ = remove::container(&parent, &self.place.dir, &launch.id, ahead);
    }

    /// Lets go what lies outside the container's directory.
    pub(crate) fn release(&mut self, launch: &Launch) {
        let socket = bolt_shim::control::SOCKET;
        let _ = rustix::fs::unlinkat(&self.place.dir, socket, rustix::fs::AtFlags::empty());
        if self.notifier.take().is_some() {
            let name = bolt_shim::launch::NOTIFY;
            let _ = rustix::fs::unlinkat(&self.place.dir, name, rustix::fs::AtFlags::empty());
        }
        pidfile::remove(&launch.unit, self.pid);
        for dir in &launch.cgroup.remove {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

/// Ends what is in a group of cgroup v2.
///
/// One by one: into a group whose `cgroup.kill` was ever written, Linux 6.14 and its like clone
/// (CLONE_INTO_CGROUP) only processes that are killed at once, because they compare its count of
/// kills with that of the parent's group. The next run needs it.
fn empty(group: &str) {
    for _ in 0..100 {
        let list = std::fs::read_to_string(format!("{group}/cgroup.procs")).unwrap_or_default();
        // 0 is a process that our pid namespace does not have.
        let pids = list.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid > 0);
        let killed = pids.map(|pid| {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        });
        if killed.count() == 0 {
            return;
        }
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
    }
    // Something makes processes faster than we end them.
    let _ = std::fs::write(format!("{group}/cgroup.kill"), "1");
}

/// Waits as many milliseconds at most.
fn wait_writable(client: &mut Client, patience: i64) -> bool {
    let patience = Timespec { tv_sec: patience / 1000, tv_nsec: patience % 1000 * 1_000_000 };
    let mut fds = [PollFd::from_borrowed_fd(client.fd(), PollFlags::OUT)];
    let n = poll(&mut fds, Some(&patience)).unwrap_or(0);
    if n > 0 {
        client.flush();
    }
    n > 0
}

/// `oom_kill N` of memory.events (v2) or memory.oom_control (v1).
fn oom_kills(path: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let count = text.lines().find_map(|l| l.strip_prefix("oom_kill "));
    count.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}
