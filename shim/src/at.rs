//! From errno to [`Failure`]: each call names its step and its object.

use bolt_shim::report::{Failure, Step};

/// PATH_MAX of linux/limits.h, in bytes.
const LONGEST: usize = 4096;
/// Characters that are told of what is longer.
const BEGINNING: usize = 64;

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

/// A [`Failure`] made by hand. What is longer than any path is told by its beginning and its length:
/// a packet has to carry it, and the user to read it.
pub(crate) fn failure(step: Step, object: &str, errno: i32) -> Failure {
    let object = match object.len() {
        0..LONGEST => object.to_owned(),
        bytes => {
            let beginning: String = object.chars().take(BEGINNING).collect();
            format!("{beginning}... ({bytes} bytes)")
        }
    };
    Failure { step, object, errno }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_as_long_as_a_path_at_most() {
        let object = |text: &str| failure(Step::User, text, 0).object;
        let path = "p".repeat(LONGEST - 1);
        assert_eq!(object(&path), path);
        let long = object(&"é".repeat(50_000));
        assert!(long.ends_with("é... (100000 bytes)") && long.len() < 160, "{long}");
    }
}
