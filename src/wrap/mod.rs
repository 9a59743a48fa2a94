//! L3: `bolt game wrap`: settings around a game that stays outside every container.
//!
//! ```text
//! wishes, in order ─▶ each applied | denied | skipped ─▶ report, log ─▶ exec in the same pid
//!          │ what outlives the process
//!          └─▶ list on disk ─▶ watcher ─▶ undone when the game has ended
//! ```
//! The game gets argv, environment, directory, descriptors, signals and pid as they came: nothing
//! here forks the game, and its exit code is nobody's business.

mod command;
mod environment;
mod hud;
mod log;
mod outcome;
mod process;
mod undo;
mod watch;
mod wish;
mod words;

pub use command::{CommandError, is_program};
pub use log::Log;
pub use outcome::{Outcome, Report, State, Target};
pub use undo::sweep;
pub use watch::watch;
pub use wish::{Named, Wish};
pub use words::quoted;

use crate::bus::{BusAddress, gamemode};
use crate::cgroup::{self, game};
use crate::exit;
use crate::ui::print;
use environment::{Edit, Environment};
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;
use undo::{Undo, Undoing};

/// The hidden verb of the watcher.
pub const WATCH: &str = "__watch";
/// The hidden verb inside gamescope.
pub const INNER: &str = "__inner";
/// How long GameMode may take: its first game makes it start scripts and helpers.
const GAMEMODE_LIMIT: Duration = Duration::from_secs(3);

/// Who wraps. `state` is `None` where no home is known: nothing is logged then, and what has to be
/// undone is denied.
#[derive(Debug)]
pub struct Caller {
    /// The directory of undo lists and the log file.
    pub state: Option<(PathBuf, PathBuf)>,
    /// This program, for the watcher and inside gamescope.
    pub program: PathBuf,
    /// The environment, entry by entry.
    pub environment: Vec<OsString>,
    /// The user's id.
    pub uid: u32,
    /// `$DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<String>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// Where Vulkan's loader looks for layers.
    pub data_dirs: Vec<PathBuf>,
}

/// What was typed.
#[derive(Debug)]
pub struct Request {
    /// The settings in the order they were typed.
    pub wishes: Vec<Wish>,
    /// Settings that are denied before anything is tried: what the command line has wrong.
    pub broken: Vec<Outcome>,
    /// Do not start the game unless every setting is applied.
    pub strict: bool,
    /// Where the report goes.
    pub report: Option<Target>,
    /// The game.
    pub command: Vec<OsString>,
}

/// Why the game was not started.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The command.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// `--strict`, and what is not as asked.
    #[error("the game was not started (--strict): {0}")]
    Strict(String),
}

impl WrapError {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            WrapError::Command(error) => error.code(),
            WrapError::Strict(_) => exit::ENGINE,
        }
    }
}

/// Why one setting is not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The system or the value does not allow it.
    #[error("{0}")]
    Denied(String),
    /// What it would need is not on this machine.
    #[error("{0}")]
    Skipped(String),
}

/// Applies the settings and becomes the game. Returns only when there is none.
pub fn start(request: &Request, caller: &Caller) -> Result<Infallible, WrapError> {
    command::check(&request.command)?;
    let mut work = Work::new(request, caller);
    let mut outcomes = request.broken.clone();
    for wish in &request.wishes {
        outcomes.push(Outcome::new(wish.named(), work.apply(wish)));
    }
    let report = Report::new(work.undoing.as_ref().and_then(Undoing::watcher), outcomes);
    let failed: Vec<String> = report.failed().map(ToString::to_string).collect();
    if let Some(target) = &request.report
        && let Err(error) = target.write(&report)
    {
        work.tell(&format!("--report {target}: {error}"));
    }
    failed.iter().for_each(|line| work.tell(line));
    if request.strict && !failed.is_empty() {
        return Err(WrapError::Strict(failed.join("; ")));
    }
    Err(work.go().into())
}

/// Becomes the game inside gamescope, with what [`start`] has carried past it.
pub fn inner(command: &[OsString], environment: Vec<OsString>) -> CommandError {
    let mut environment = Environment::new(environment);
    environment.unpack();
    command::become_it(command, &environment)
}

struct Gamescope {
    words: Vec<OsString>,
    /// How many edits stood before it: those are gamescope's as well.
    outer: usize,
}

struct Work<'a> {
    request: &'a Request,
    caller: &'a Caller,
    environment: Environment,
    edits: Vec<Edit>,
    gamescope: Option<Gamescope>,
    undoing: Option<Undoing>,
    cgroup: Option<game::Entered>,
}

impl<'a> Work<'a> {
    fn new(request: &'a Request, caller: &'a Caller) -> Self {
        Work {
            request,
            caller,
            environment: Environment::new(caller.environment.clone()),
            edits: Vec::new(),
            gamescope: None,
            undoing: None,
            cgroup: None,
        }
    }

    fn apply(&mut self, wish: &Wish) -> Result<(), Refusal> {
        match wish {
            Wish::Affinity(list) => process::affinity(&text(list)?),
            Wish::Nice(niceness) => process::nice(&text(niceness)?),
            Wish::Ionice(class) => process::ionice(&text(class)?),
            Wish::CpuWeight(weight) => {
                wish::cpu_weight(weight)?;
                self.cgroup().cpu_weight.unwrap_or(Ok(())).map_err(Refusal::Denied)
            }
            Wish::MemoryLow(size) => {
                wish::memory_low(size)?;
                self.cgroup().memory_low.unwrap_or(Ok(())).map_err(Refusal::Denied)
            }
            Wish::Env(pair) => {
                let (name, value) = wish::pair(pair)?;
                self.edits.push(Edit::Set(name, value));
                Ok(())
            }
            Wish::GameMode => self.gamemode(),
            Wish::MangoHud { gl } => {
                let edits = hud::edits("/".as_ref(), &self.caller.data_dirs, *gl)?;
                self.edits.extend(edits);
                Ok(())
            }
            Wish::Gamescope(words) => self.gamescope(words),
        }
    }

    /// One control group for both limits, made for the first of them with the last value of each.
    fn cgroup(&mut self) -> game::Entered {
        if self.cgroup.is_none() {
            self.cgroup = Some(self.enter());
        }
        let made = self.cgroup.as_ref();
        made.map_or_else(game::Entered::default, |made| game::Entered {
            cpu_weight: made.cpu_weight.clone(),
            memory_low: made.memory_low.clone(),
        })
    }

    fn enter(&mut self) -> game::Entered {
        let limits = wish::limits(&self.request.wishes);
        let pid = std::process::id();
        let caller = cgroup::Caller {
            pid,
            uid: self.caller.uid,
            bus_address: self.caller.bus_address.clone(),
            runtime_dir: self.caller.runtime_dir.clone(),
            supervisor: None,
            split: false,
        };
        // Looked at before there is a watcher beside us.
        let mut road = game::road(&cgroup::detect("/".as_ref(), &caller), pid, &limits);
        let mut beside = Vec::new();
        if let game::Road::Leaf { dir, .. } = &road {
            let undo = Undo::Cgroup { dir: dir.clone() };
            match self.promise(undo).and_then(|()| self.watch()) {
                Ok(watcher) => beside.extend(watcher),
                Err(refusal) => road = game::Road::Closed(refusal.to_string()),
            }
        }
        game::enter(&road, pid, &beside, &limits)
    }

    fn gamemode(&mut self) -> Result<(), Refusal> {
        let Caller { bus_address, runtime_dir, uid, .. } = self.caller;
        let bus = BusAddress::session(bus_address.as_deref(), runtime_dir.as_deref());
        let bus = bus.ok_or_else(|| {
            Refusal::Skipped("there is no session bus, and so no GameMode".to_owned())
        })?;
        self.promise(Undo::GameMode { bus: bus.clone() })?;
        let refused = |error: gamemode::GameModeError| {
            let why = print::causes(&error);
            match error {
                gamemode::GameModeError::Absent => Refusal::Skipped(why),
                _ => Refusal::Denied(why),
            }
        };
        let pid = std::process::id();
        // The watcher is started while the daemon works.
        let asked = gamemode::ask(&bus, *uid, pid, GAMEMODE_LIMIT).map_err(|error| {
            // Where the bus is gone nobody was asked; a daemon sees the end of a game itself.
            self.undoing.as_mut().into_iter().for_each(Undoing::withdraw);
            refused(error)
        })?;
        let watched = self.watch();
        asked.answer().map_err(refused)?;
        if let Err(refusal) = watched {
            let _ = gamemode::unregister(&bus, *uid, pid, GAMEMODE_LIMIT);
            return Err(refusal);
        }
        Ok(())
    }

    fn gamescope(&mut self, words: &OsString) -> Result<(), Refusal> {
        if self.gamescope.is_some() {
            return Err(Refusal::Denied("one gamescope around a game is enough".to_owned()));
        }
        let mut around = wish::gamescope(words)?;
        let name = OsString::from("gamescope");
        let found = command::find(&name, &self.environment).ok();
        if !found.is_some_and(|file| command::is_program(&file)) {
            return Err(Refusal::Skipped(
                "gamescope is not installed: it is nowhere in PATH".into(),
            ));
        }
        around.insert(0, name);
        self.gamescope = Some(Gamescope { words: around, outer: self.edits.len() });
        Ok(())
    }

    /// Writes down what will have to be undone.
    fn promise(&mut self, undo: Undo) -> Result<(), Refusal> {
        let no_home =
            || Refusal::Denied("no home directory is known to keep its undoing in".into());
        let (dir, _) = self.caller.state.as_ref().ok_or_else(no_home)?;
        let mut undoing = match self.undoing.take() {
            Some(undoing) => undoing,
            None => Undoing::of_this_process(dir).map_err(|e| unwritten(&e))?,
        };
        let added = undoing.add(undo).map_err(|e| unwritten(&e));
        self.undoing = Some(undoing);
        added
    }

    /// Starts the watcher where there is none yet; its pid.
    fn watch(&mut self) -> Result<Option<u32>, Refusal> {
        if let (Some(undoing), Some((_, log))) = (&mut self.undoing, &self.caller.state) {
            undoing.watch(log, &self.caller.program).map_err(|e| unwritten(&e))?;
        }
        Ok(self.undoing.as_ref().and_then(Undoing::watcher))
    }

    /// To the log, and to standard error for whoever has a terminal.
    fn tell(&self, line: &str) {
        if let Some((_, log)) = &self.caller.state {
            Log::new(log).line(line);
        }
        print::warning(line);
    }

    fn go(mut self) -> CommandError {
        if let Some(gamescope) = self.gamescope.take() {
            let (outer, inner) = self.edits.split_at(gamescope.outer);
            let around = self.environment.around(outer, inner);
            let mut words = gamescope.words;
            words.extend(["--".into(), self.caller.program.clone().into(), INNER.into()]);
            words.extend_from_slice(&self.request.command);
            let error = command::become_it(&words, &around);
            if self.request.strict {
                return error;
            }
            self.tell(&format!("--gamescope: denied: {error}; the game starts without it"));
        }
        self.edits.iter().for_each(|edit| self.environment.apply(edit));
        command::become_it(&self.request.command, &self.environment)
    }
}

fn text(value: &OsString) -> Result<String, Refusal> {
    let text = value.to_str().map(str::to_owned);
    text.ok_or_else(|| Refusal::Denied(format!("{value:?} is no text in UTF-8")))
}

fn unwritten(error: &std::io::Error) -> Refusal {
    Refusal::Denied(format!(
        "what has to be undone cannot be written down, or not watched: {error}"
    ))
}
