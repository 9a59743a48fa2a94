//! From errno to [`Failure`]: each call names its step and its object.

use bolt_shim::report::{Failure, Step};

/// Result of a step.
pub(crate) type Res<T> = Result<T, Failure>;

/// Puts step and object to an error of any of the call families.
pub(crate) trait At<T> {
    /// `self`, or a [`Failure`] of `step` on `object`.
    fn at(self, step: Step, object: impl AsRef<str>) -> Res<T>;
}

/// Anything that holds an errno.
pub(crate) trait Errno {
    /// The errno(3).
    fn errno(self) -> i32;
}

impl Errno for nix::errno::Errno {
    fn errno(self) -> i32 {
        self as i32
    }
}
impl Errno for rustix::io::Errno {
    fn errno(self) -> i32 {
        self.raw_os_error()
    }
}
impl Errno for std::io::Error {
    fn errno(self) -> i32 {
        self.raw_os_error().unwrap_or(0)
    }
}

impl<T, E: Errno> At<T> for Result<T, E> {
    fn at(self, step: Step, object: impl AsRef<str>) -> Res<T> {
        self.map_err(|e| failure(step, object.as_ref(), e.errno()))
    }
}

/// A [`Failure`] made by hand.
pub(crate) fn failure(step: Step, object: &str, errno: i32) -> Failure {
    Failure { step, object: object.to_owned(), errno }
}
