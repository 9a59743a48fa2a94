//! The command that Steam hands over: what is odd about it, where it lies, and the exec.

use super::environment::Environment;
use crate::exit;
use crate::sys::exec::exec;
use crate::sys::small;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What Steam replaces by the game's command line.
const PLACEHOLDER: &str = "%command%";
/// Where execvp(3) looks when there is no PATH.
const USUAL_PATH: &str = "/bin:/usr/bin";

/// Why there is no game.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No word at all.
    #[error(
        "no command was given; Steam's launch options want `bolt game wrap [OPTIONS] -- %command%`"
    )]
    Empty,
    /// An empty first word.
    #[error("the first word of the command is empty, so there is no program to start")]
    EmptyWord,
    /// Nobody replaced the placeholder.
    #[error(
        "{PLACEHOLDER} was not replaced: only Steam does that, in a game's launch options; \
         elsewhere write the command itself"
    )]
    Placeholder,
    /// Steam does not replace it, because it is written otherwise.
    #[error("{0:?} is no command; Steam replaces {PLACEHOLDER} and nothing that looks like it")]
    Typo(String),
    /// A whole command in one word.
    #[error("there is no program {0:?}; if quotes stand around {PLACEHOLDER}, take them away")]
    OneWord(String),
    /// No such program.
    #[error("there is no program {0:?}")]
    NotFound(String),
    /// The file is there, what its first line or its ELF header names is not.
    #[error("{0:?} cannot be started: the interpreter that it names is not here")]
    NoInterpreter(String),
    /// A program for another system.
    #[error("{0:?} is a program for Windows; choose a Proton for this game in Steam")]
    Windows(String),
    /// execve(2).
    #[error("{program:?} cannot be started")]
    Exec {
        /// The program.
        program: String,
        /// The reason.
        #[source]
        source: io::Error,
    },
}

impl CommandError {
    /// The exit code, as env(1) and nice(1) have it.
    pub fn code(&self) -> u8 {
        match self {
            CommandError::Empty
            | CommandError::EmptyWord
            | CommandError::Placeholder
            | CommandError::Typo(_) => exit::ENGINE,
            CommandError::OneWord(_) | CommandError::NotFound(_) => exit::NOT_FOUND,
            CommandError::NoInterpreter(_)
            | CommandError::Windows(_)
            | CommandError::Exec { .. } => exit::NOT_EXECUTABLE,
        }
    }
}

/// Refuses what cannot be meant; nothing is looked up.
pub(super) fn check(command: &[OsString]) -> Result<(), CommandError> {
    let first = command.first().ok_or(CommandError::Empty)?;
    let bytes = first.as_bytes();
    if bytes.is_empty() {
        return Err(CommandError::EmptyWord);
    }
    if command.iter().any(|word| word == PLACEHOLDER) {
        return Err(CommandError::Placeholder);
    }
    if bytes.len() > 1 && bytes.starts_with(b"%") && bytes.ends_with(b"%") {
        return Err(CommandError::Typo(shown(first)));
    }
    Ok(())
}

/// The file that execvp(3) would take for `program`.
pub(super) fn find(program: &OsStr, environment: &Environment) -> Result<PathBuf, CommandError> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let path = environment.get("PATH").unwrap_or(OsStr::new(USUAL_PATH));
    let places = path.as_bytes().split(|byte| *byte == b':').map(|dir| match dir.is_empty() {
        true => Path::new(".").join(program),
        false => Path::new(OsStr::from_bytes(dir)).join(program),
    });
    places.into_iter().find(|place| is_program(place)).ok_or_else(|| absent(program))
}

/// Whether `path` is a file that this user may execute.
pub fn is_program(path: &Path) -> bool {
    path.is_file() && accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Becomes the command: its environment decides where it is looked for. A script without a first
/// line goes to the shell, as execvp(3) does it. Returns only when that did not work.
pub(super) fn become_it(command: &[OsString], environment: &Environment) -> CommandError {
    let Some(program) = command.first() else { return CommandError::Empty };
    let file = match find(program, environment) {
        Ok(file) => file,
        Err(error) => return error,
    };
    let error = exec(&file, command, environment.entries());
    match error.raw_os_error() {
        Some(libc::ENOEXEC) if is_windows(&file) => CommandError::Windows(shown(program)),
        Some(libc::ENOEXEC) => {
            let shell = Path::new("/bin/sh");
            let mut words = vec![shell.into(), file.into_os_string()];
            words.extend_from_slice(&command[1..]);
            let source = exec(shell, &words, environment.entries());
            CommandError::Exec { program: shown(program), source }
        }
        Some(libc::ENOENT) if file.symlink_metadata().is_ok() => {
            CommandError::NoInterpreter(shown(program))
        }
        Some(libc::ENOENT) => absent(program),
        _ => CommandError::Exec { program: shown(program), source: error },
    }
}

fn absent(program: &OsStr) -> CommandError {
    let blank = |byte: &u8| byte.is_ascii_whitespace();
    match program.as_bytes().iter().any(blank) {
        true => CommandError::OneWord(shown(program)),
        false => CommandError::NotFound(shown(program)),
    }
}

/// The `MZ` of every DOS and Windows program.
fn is_windows(file: &Path) -> bool {
    let mut magic = [0; 2];
    small::open_regular(file).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == *b"MZ"
}

fn shown(word: &OsStr) -> String {
    word.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn odd_commands_are_one_error_each() {
        let refused = |command: &[&str], part: &str| {
            let error = check(&words(command)).unwrap_err();
            assert!(error.to_string().contains(part), "{command:?}: {error}");
            assert_eq!(error.code(), 125);
        };
        refused(&[], "no command was given");
        refused(&[""], "first word of the command is empty");
        refused(&["%command%"], "was not replaced");
        refused(&["env", "A=1", "%command%"], "was not replaced");
        refused(&["%comand%"], "\"%comand%\" is no command");
        for fine in [&["game", "100%", "%x%"][..], &["./%"], &["a b\n"]] {
            check(&words(fine)).unwrap();
        }
        check(&[OsString::from_vec(vec![0xff, b'%'])]).unwrap();
    }

    #[test]
    fn a_command_in_one_word_is_told_apart_from_a_missing_program() {
        let none = Environment::new(Vec::new());
        for (word, part, code) in [
            ("/no/reaper SteamLaunch -- game", "take them away", 127),
            ("no such\nprogram", "take them away", 127),
            ("no-such-program", "there is no program \"no-such-program\"", 127),
            ("/etc/passwd", "cannot be started", 126),
        ] {
            let error = become_it(&words(&[word]), &none);
            assert!(error.to_string().contains(part), "{word}: {error}");
            assert_eq!(error.code(), code, "{word}");
        }
    }

    #[test]
    fn windows_programs_are_named() {
        let scratch = crate::sys::scratch::Scratch::new("mz");
        let file = scratch.path().join("game.exe");
        std::fs::write(&file, b"MZ\x90\x00").unwrap();
        assert!(is_windows(&file));
        std::fs::write(&file, b"M").unwrap();
        assert!(!is_windows(&file));
    }

    #[test]
    fn programs_are_found_as_execvp_finds_them() {
        let env = Environment::new(words(&["PATH=/no:/usr/bin:/bin"]));
        assert_eq!(find(OsStr::new("/a/b"), &env).unwrap(), Path::new("/a/b"));
        let found = find(OsStr::new("sh"), &env).unwrap();
        assert!(found.starts_with("/usr/bin") || found.starts_with("/bin"), "{found:?}");
        assert!(find(OsStr::new("sh"), &Environment::new(words(&["PATH=/no"]))).is_err());
    }
}
