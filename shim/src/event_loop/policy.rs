//! Another restart policy for a payload that runs. Runs in M.

use super::Supervisor;
use crate::at::{Res, failure};
use crate::monitor;
use bolt_shim::launch::{Launch, Log, Restart};
use bolt_shim::report::{Report, Step};
use std::os::fd::OwnedFd;

/// Whether and from what a payload is started again.
#[derive(Debug)]
pub(crate) struct Again {
    /// The policy that holds now.
    pub(crate) policy: Restart,
    /// What only a start needs was let go.
    pub(crate) forgotten: bool,
    /// It has come again.
    pub(crate) plan: Option<Box<Launch>>,
}

impl Again {
    /// As the container was started.
    pub(super) fn of(launch: &Launch) -> Self {
        Again { policy: launch.monitor.restart, forgotten: false, plan: None }
    }

    /// From the payload's next end on. What was forgotten must come along.
    #[inline(never)]
    fn set(&mut self, launch: &Launch, policy: Restart, fds: &[OwnedFd]) -> Res<()> {
        if policy != Restart::No && self.forgotten {
            // Nor can a service manager's line and sockets be had twice, or a launcher's streams.
            let (unit, log) = (&launch.unit, &launch.monitor.log);
            if launch.process.passed > 0 || unit.notify.is_some() || *log == Log::Passthrough {
                return Err(failure(Step::Exec, "descriptors", libc::EBADF));
            }
            let file = fds.first().ok_or_else(|| failure(Step::Read, "plan", libc::EBADF))?;
            self.plan = Some(Box::new(monitor::decode(file)?));
        }
        self.policy = policy;
        Ok(())
    }
}

impl Supervisor {
    /// Client `n` wants another policy.
    pub(super) fn answer_policy(
        &mut self,
        launch: &Launch,
        n: usize,
        policy: Restart,
        fds: &[OwnedFd],
    ) {
        let report = match self.again.set(launch, policy, fds) {
            Ok(()) => Report::Done,
            Err(failure) => Report::Failed(failure),
        };
        self.clients[n].send(&report, &[]);
    }
}
