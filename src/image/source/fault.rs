//! What an error of a place means for the rest of the pull.

use super::SourceError;
use crate::image::registry::RegistryError as R;
use crate::image::s3::S3Error as S;

/// Sorted by what is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The place does not have this blob, which is no fault of it.
    Absent,
    /// It may pass: another try, at another place when there is one.
    Passing,
    /// It will not pass within this pull.
    Lasting,
    /// It lies on this machine: a full disk, a pull that was stopped.
    Ours,
}

pub(super) fn fault(error: &SourceError) -> Fault {
    match error {
        SourceError::Registry(e) | SourceError::S3(S::Transport(e)) => of_transport(e),
        SourceError::S3(S::NoSuchKey { .. }) => Fault::Absent,
        SourceError::S3(e) if e.is_transient() => Fault::Passing,
        SourceError::S3(_) => Fault::Lasting,
        _ => Fault::Ours,
    }
}

fn of_transport(error: &R) -> Fault {
    match error {
        R::NotFound { .. } => Fault::Absent,
        // Nobody is there: the next try would find nobody.
        R::TimedOut { .. } => Fault::Lasting,
        e if e.is_transient() => Fault::Passing,
        _ => Fault::Lasting,
    }
}
