//! execve(2) in place of this process, and the environment as the kernel passed it.

use super::at_start;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::ptr;

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// The environment of this process entry by entry, in order: doubled names and entries without
/// `=` too, which std leaves out.
pub fn environment() -> Vec<OsString> {
    let mut entries = Vec::new();
    // SAFETY: environ is null or a null-terminated array of terminated strings, and nothing in
    // this program changes it.
    unsafe {
        let mut entry = environ;
        while !entry.is_null() && !(*entry).is_null() {
            entries.push(OsString::from_vec(CStr::from_ptr(*entry).to_bytes().to_vec()));
            entry = entry.add(1);
        }
    }
    entries
}

/// Becomes `program`, with the dispositions and streams that this process was started with.
/// Returns only when that did not work.
pub fn exec(program: &Path, argv: &[OsString], environment: &[OsString]) -> io::Error {
    let lists = (|| {
        let path = CString::new(program.as_os_str().as_bytes())?;
        Ok::<_, std::ffi::NulError>((path, terminated(argv)?, terminated(environment)?))
    })();
    let Ok((path, argv, environment)) = lists else {
        return io::Error::from_raw_os_error(libc::EINVAL);
    };
    let pointers = |list: &[CString]| -> Vec<*const c_char> {
        list.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
    };
    let (argv, environment) = (pointers(&argv), pointers(&environment));
    at_start::restore();
    // SAFETY: terminated arrays of terminated strings, which live until the call returns.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Becomes `command`, likewise; it is looked up in PATH.
pub fn replace(command: &mut Command) -> io::Error {
    at_start::restore();
    command.exec()
}

fn terminated(words: &[OsString]) -> Result<Vec<CString>, std::ffi::NulError> {
    words.iter().map(|word: &OsString| CString::new(OsStr::as_bytes(word))).collect()
}
