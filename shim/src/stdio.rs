//! Standard descriptors of a payload that has no terminal.

use crate::at::{At, Res, failure};
use bolt_shim::launch::Log;
use bolt_shim::report::Step;
use std::os::fd::OwnedFd;

/// The three of them.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// Read by the payload.
    pub(crate) input: OwnedFd,
    /// Written by the payload.
    pub(crate) output: OwnedFd,
    /// Written by the payload.
    pub(crate) error: OwnedFd,
}

impl Stdio {
    /// Those of the launcher, where the plan says that they came with it.
    pub(crate) fn of_plan(log: &Log, passed: &mut Vec<OwnedFd>) -> Res<Option<Self>> {
        if *log != Log::Passthrough {
            return Ok(None);
        }
        if passed.len() < 3 {
            return Err(failure(Step::Read, "standard streams", libc::EBADF));
        }
        let mut next = || passed.remove(0);
        Ok(Some(Stdio { input: next(), output: next(), error: next() }))
    }

    /// The same once more, for one start of several.
    pub(crate) fn again(&self) -> Res<Self> {
        let copy = |fd: &OwnedFd| fd.try_clone().at(Step::Exec, "standard streams");
        Ok(Stdio {
            input: copy(&self.input)?,
            output: copy(&self.output)?,
            error: copy(&self.error)?,
        })
    }
}
