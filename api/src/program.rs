//! The program `bolt`: where it is, which version it has, one call of it.

use crate::config::BoltConfig;
use crate::error::{BoltError, Result, RuntimeError};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What this library was made with: the oldest program it drives.
const NEEDED: &str = env!("CARGO_PKG_VERSION");
/// How long the program may think about its version.
const VERSION_LIMIT: Duration = Duration::from_secs(10);
/// Where distributions put programs that others start; each may be the program or hold it.
const LIBEXEC: &[&str] = &["/usr/local/libexec/bolt", "/usr/libexec/bolt"];

/// A program that was found, and looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    path: PathBuf,
    version: String,
    /// For each call.
    env: Vec<(&'static str, OsString)>,
    verbose: bool,
}

/// How a call ended and what it said.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The exit code; 128+n: killed by signal n.
    pub(crate) code: i32,
    pub(crate) out: String,
    err: String,
}

/// Where the search begins.
#[derive(Debug, Default)]
struct Places {
    /// `BOLT_BIN`.
    named: Option<OsString>,
    /// The caller's own program.
    caller: Option<PathBuf>,
    /// `PATH`.
    path: Option<OsString>,
    libexec: Vec<PathBuf>,
}

impl Program {
    /// Looks for it, and asks for its version.
    pub(crate) fn find(config: &BoltConfig) -> Result<Program> {
        let path = match &config.program {
            Some(path) => named(path)?,
            None => Places::here().find()?,
        };
        let mut env = Vec::new();
        if let Some(dir) = &config.data_dir {
            env.push(("BOLT_ROOT", dir.clone().into_os_string()));
        }
        if config.verbose {
            env.push(("BOLT_LOG", "debug".into()));
        }
        let mut program = Program { path, version: String::new(), env, verbose: config.verbose };
        program.version = program.checked_version()?;
        Ok(program)
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    fn checked_version(&self) -> Result<String> {
        let unusable =
            |reason: String| RuntimeError::ProgramUnusable { path: self.path.clone(), reason };
        let text = match first_words(self.command(&["--version".into()]), VERSION_LIMIT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                let seconds = VERSION_LIMIT.as_secs();
                return Err(unusable(format!("--version does not end within {seconds} s")).into());
            }
            Err(error) => return Err(unusable(error.to_string()).into()),
        };
        let line = text.lines().next().unwrap_or_default();
        let version = line.strip_prefix("bolt ").map(str::trim);
        let Some((version, numbers)) = version.and_then(|v| Some((v, numbers(v)?))) else {
            return Err(unusable(format!("--version says {line:?}, not \"bolt X.Y.Z\"")).into());
        };
        if Some(numbers) < self::numbers(NEEDED) {
            return Err(RuntimeError::ProgramTooOld {
                path: self.path.clone(),
                found: version.to_owned(),
                needed: NEEDED.to_owned(),
            }
            .into());
        }
        Ok(version.to_owned())
    }

    /// In a process group of its own: what a terminal sends to the caller's does not stop a
    /// container half-way.
    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.path);
        command.args(words).stdin(Stdio::null()).process_group(0);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Calls it and waits for its end. What a call that succeeds says on standard error (a
    /// setting that could not be applied, say) goes to the caller's.
    pub(crate) fn call(&self, words: &[String]) -> Result<Answer> {
        let output = self.command(words).output().map_err(|error| BoltError::Io {
            action: format!("run {}", self.path.display()),
            error,
        })?;
        let status = output.status;
        let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(255);
        if code == 0 || self.verbose {
            // Nothing can be done about a standard error that is closed.
            let _ = std::io::stderr().write_all(&output.stderr);
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(Answer { code, out: text(&output.stdout), err: text(&output.stderr) })
    }

    /// Starts it for as long as it runs; what it says comes through pipes.
    pub(crate) fn start(&self, words: &[String]) -> Result<Child> {
        let mut command = self.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| {
            BoltError::Io { action: format!("run {}", self.path.display()), error }
        })
    }

    /// [`Program::call`] with a question, which 0 answers with yes and 1 with no.
    pub(crate) fn asks(&self, words: &[&str]) -> Result<bool> {
        let line: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let answer = self.call(&line)?;
        match answer.code {
            0 => Ok(true),
            1 => Ok(false),
            _ => {
                let words: Vec<&str> = words.iter().copied().filter(|word| *word != "--").collect();
                let command = format!("bolt {}", words.join(" "));
                Err(RuntimeError::CommandFailed { command, reason: answer.reason() }.into())
            }
        }
    }
}

impl Answer {
    /// Why it failed: the error that `bolt` told, with its hint.
    pub(crate) fn reason(&self) -> String {
        reason(&self.err, self.code)
    }

    /// `bolt` does not know a flag or a verb, or an argument makes no sense to it.
    pub(crate) fn is_misuse(&self) -> bool {
        self.err.lines().any(is_usage)
    }
}

/// What a program says on standard output up to its end, which is `TimedOut` after `limit`.
fn first_words(mut command: Command, limit: Duration) -> io::Result<String> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (send, said) = mpsc::channel();
    if let Some(mut out) = child.stdout.take() {
        // Not waited for: what the program has started may hold the pipe for ever.
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = out.read_to_end(&mut bytes);
            send.send(read.map(|_| bytes))
        });
    }
    let end = Instant::now() + limit;
    let answer = said.recv_timeout(limit);
    let mut pause = Duration::from_micros(50);
    // Who has closed its output is about to end.
    while answer.is_ok() && child.try_wait()?.is_none() && Instant::now() < end {
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    if child.try_wait()?.is_none() {
        child.kill()?;
        child.wait()?;
        return Err(io::ErrorKind::TimedOut.into());
    }
    let bytes = answer.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The error in what `bolt` wrote to standard error before it ended with `code`, with its hint.
pub(crate) fn reason(err: &str, code: i32) -> String {
    let mut lines = err.lines().filter(|line| !line.starts_with("bolt: warning: "));
    let Some(error) = lines.find(|line| line.starts_with("bolt: ") || is_usage(line)) else {
        return match err {
            "" => format!("bolt ended with {code} and said nothing"),
            other => other.to_owned(),
        };
    };
    let hint = lines.find_map(|line| line.strip_prefix("hint: "));
    let error = error.trim_start_matches("bolt: ").trim_start_matches("error: ");
    hint.map_or_else(|| error.to_owned(), |hint| format!("{error} ({hint})"))
}

fn is_usage(line: &str) -> bool {
    line.starts_with("error: ")
}

impl Places {
    fn here() -> Places {
        Places {
            named: std::env::var_os("BOLT_BIN").filter(|value| !value.is_empty()),
            caller: std::env::current_exe().ok(),
            path: std::env::var_os("PATH"),
            libexec: LIBEXEC.iter().map(PathBuf::from).collect(),
        }
    }

    fn find(&self) -> Result<PathBuf, RuntimeError> {
        if let Some(path) = &self.named {
            return named(Path::new(path));
        }
        let beside = self.caller.as_ref().map(|own| own.with_file_name("bolt"));
        // A caller of that name would start itself.
        let beside = beside.filter(|path| self.caller.as_ref() != Some(path));
        let in_path = self.path.as_deref().map(std::env::split_paths).into_iter().flatten();
        let in_path = in_path.filter(|dir| dir.is_absolute()).map(|dir| dir.join("bolt"));
        let libexec = self.libexec.iter().flat_map(|at| [at.clone(), at.join("bolt")]);
        let mut searched = Vec::new();
        for path in beside.into_iter().chain(in_path).chain(libexec) {
            if is_program(&path) {
                return Ok(path);
            }
            searched.push(path);
        }
        Err(RuntimeError::ProgramNotFound { searched })
    }
}

/// A path that somebody gave is meant: nothing else is looked for.
fn named(path: &Path) -> Result<PathBuf, RuntimeError> {
    if is_program(path) {
        // Without a slash it would be looked for in PATH when it is started.
        return Ok(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    }
    let reason = "there is no such program (BOLT_BIN and BoltConfig::program name one)";
    Err(RuntimeError::ProgramUnusable { path: path.to_owned(), reason: reason.to_owned() })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// `X.Y.Z`, whatever follows.
fn numbers(version: &str) -> Option<[u32; 3]> {
    let plain = version.split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(str::parse);
    let mut next = || parts.next()?.ok();
    Some([next()?, next()?, next()?])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory with programs, removed at the end.
    pub(crate) struct Dir(PathBuf);

    impl Dir {
        pub(crate) fn path(&self) -> &Path {
            &self.0
        }

        pub(crate) fn new(name: &str) -> Dir {
            let path =
                std::env::temp_dir().join(format!("bolt-face-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Dir(path)
        }

        pub(crate) fn program(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // Another process writes: a descriptor of ours would be in what another test forks just
            // then, and until that is its own program, this file is busy (execve(2), ETXTBSY).
            let mut install = Command::new("install");
            install.args(["-m", "755", "/dev/stdin"]).arg(&path).stdin(Stdio::piped());
            let mut child = install.spawn().unwrap();
            child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
            path
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_program_is_found_in_order() {
        let dir = Dir::new("lookup");
        let at = |name: &str| dir.0.join(name);
        let libexec = dir.program("libexec/bolt/bolt", "");
        let mut places = Places {
            named: None,
            caller: Some(at("app/forge")),
            path: Some(format!("relative:{}:{}", at("no").display(), at("bin").display()).into()),
            libexec: vec![at("libexec/none"), at("libexec/bolt")],
        };
        assert_eq!(places.find(), Ok(libexec));
        let path = dir.program("bin/bolt", "");
        assert_eq!(places.find(), Ok(path.clone()));
        let beside = dir.program("app/bolt", "");
        assert_eq!(places.find(), Ok(beside.clone()));
        // Itself is not the program it looks for.
        places.caller = Some(beside);
        assert_eq!(places.find(), Ok(path));
        let other = dir.program("other", "");
        places.named = Some(other.clone().into());
        assert_eq!(places.find(), Ok(other));
        places.named = Some(at("bin").into());
        assert!(matches!(places.find(), Err(RuntimeError::ProgramUnusable { .. })));
    }

    #[test]
    fn every_place_is_told_when_there_is_none() {
        let dir = Dir::new("nowhere");
        let at = |name: &str| dir.0.join(name);
        fs::write(at("bolt"), "not executable").unwrap();
        let places = Places {
            named: None,
            caller: Some(at("forge")),
            path: Some(at("bin").into()),
            libexec: vec![at("libexec")],
        };
        let searched = vec![at("bolt"), at("bin/bolt"), at("libexec"), at("libexec/bolt")];
        assert_eq!(places.find(), Err(RuntimeError::ProgramNotFound { searched }));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(numbers("0.10.2-rc.1+x"), Some([0, 10, 2]));
        assert!(numbers("0.10.0") > numbers("0.9.9"));
        assert_eq!((numbers("1.2"), numbers("x")), (None, None));
    }

    #[test]
    fn what_is_older_or_something_else_is_refused() {
        let dir = Dir::new("versions");
        let find = |name: &str, says: &str| {
            let path = dir.program(name, &format!("#!/bin/sh\necho '{says}'\n"));
            let config = BoltConfig { program: Some(path), ..BoltConfig::default() };
            Program::find(&config).map(|program| program.version().to_owned())
        };
        assert_eq!(find("new", "bolt 999.0.1-beta").unwrap(), "999.0.1-beta");
        assert_eq!(find("same", &format!("bolt {NEEDED}")).unwrap(), NEEDED);
        match find("old", "bolt 0.0.9") {
            Err(BoltError::Runtime(RuntimeError::ProgramTooOld { found, needed, .. })) => {
                assert_eq!((found.as_str(), needed.as_str()), ("0.0.9", NEEDED));
            }
            other => panic!("{other:?}"),
        }
        let other = find("puppet", "3.27.1").unwrap_err().to_string();
        assert!(other.ends_with("--version says \"3.27.1\", not \"bolt X.Y.Z\""), "{other}");
        let broken = find("broken", "").unwrap_err();
        assert!(matches!(broken, BoltError::Runtime(RuntimeError::ProgramUnusable { .. })));
    }

    #[test]
    fn a_program_that_does_not_end_is_refused() {
        let dir = Dir::new("hanging");
        for text in ["exec sleep 1000", "exec >&-; exec sleep 1000"] {
            let path = dir.program("hangs", &format!("#!/bin/sh\n{text}\n"));
            let limit = Duration::from_millis(300);
            let error = first_words(Command::new(&path), limit).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{text}");
        }
        let quick = dir.program("quick", "#!/bin/sh\necho bolt\n");
        assert_eq!(first_words(Command::new(quick), VERSION_LIMIT).unwrap(), "bolt\n");
    }

    #[test]
    fn a_question_without_an_answer_is_an_error() {
        let dir = Dir::new("questions");
        let ask = |code: u8| {
            let text = format!("#!/bin/sh\necho bolt: the disk is gone >&2; exit {code}\n");
            let (path, version) = (dir.program(&code.to_string(), &text), String::new());
            let program = Program { path, version, env: Vec::new(), verbose: false };
            program.asks(&["image", "exists", "--", "i"])
        };
        assert!(ask(0).unwrap() && !ask(1).unwrap());
        let error = ask(125).unwrap_err().to_string();
        assert_eq!(error, "bolt image exists i: the disk is gone");
    }

    #[test]
    fn a_program_that_is_named_without_a_slash_lies_here() {
        let here = std::env::current_dir().unwrap();
        let own = std::env::current_exe().unwrap();
        let up = here.components().skip(1).map(|_| "..").collect::<PathBuf>();
        let relative = up.join(own.strip_prefix("/").unwrap());
        let found = named(&relative).unwrap();
        assert!(found.is_absolute() && is_program(&found), "{}", found.display());
    }

    #[test]
    fn the_reason_is_what_bolt_said() {
        let reason = |err: &str| Answer { code: 125, out: String::new(), err: err.into() }.reason();
        assert_eq!(reason("bolt: warning: w\nbolt: a: b\nhint: c"), "a: b (c)");
        assert_eq!(reason("bolt: a"), "a");
        assert_eq!(
            reason("error: unexpected argument '-p'\n\nUsage: x"),
            "unexpected argument '-p'"
        );
        assert_eq!(reason(""), "bolt ended with 125 and said nothing");
        assert_eq!(reason("killed"), "killed");
    }
}
