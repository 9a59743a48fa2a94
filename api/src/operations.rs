//! What the calls do, on the thread that waits: command lines of `bolt`, and what its answers
//! mean.

use crate::arguments::{self, Table};
use crate::config::BoltConfig;
use crate::display::Caller;
use crate::error::{BoltError, GamingError, Result, RuntimeError};
use crate::events::{EventFilter, Events};
use crate::game::{self, Game};
use crate::list::{self, ContainerInfo};
use crate::program::{Answer, Program};
use crate::session::{Gaming, Session, Started};
use serde::Deserialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// Where a game finds its Wine prefix.
const PREFIX: &str = "/wine-prefix";

/// The arguments of `run_container`.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) image: String,
    pub(crate) name: Option<String>,
    pub(crate) ports: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) detach: bool,
}

/// The program, and what is remembered between calls.
#[derive(Debug, Default)]
pub(crate) struct Operations {
    config: BoltConfig,
    /// Once it was found.
    program: Mutex<Option<Program>>,
    session: Mutex<Session>,
    /// Swapped arguments were told.
    warned: AtomicBool,
}

/// The part of `bolt info --facts` that is used.
#[derive(Debug, Deserialize)]
struct Facts {
    #[serde(default)]
    proton: Vec<Build>,
    #[serde(default)]
    unread: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Build {
    name: String,
}

impl Operations {
    pub(crate) fn new(config: BoltConfig) -> Self {
        Operations { config, ..Operations::default() }
    }

    pub(crate) fn config(&self) -> &BoltConfig {
        &self.config
    }

    pub(crate) fn version(&self) -> Result<String> {
        Ok(self.program()?.version().to_owned())
    }

    pub(crate) fn run_container(&self, run: &Run) -> Result<()> {
        run.name.as_deref().map_or(Ok(()), arguments::check_name)?;
        let sorted = arguments::sort(&run.env, &run.volumes)?;
        if sorted.swapped && !self.warned.swap(true, Ordering::Relaxed) {
            eprintln!(
                "bolt: warning: run_container was given variables as volumes, or volumes as variables; they were put right (its order is image, name, ports, env, volumes, detach)"
            );
        }
        let gaming = if run.detach { self.session().gaming.clone() } else { None };
        let (mut env, mut volumes) = (sorted.env, sorted.volumes);
        Caller::here().correct(&mut env);
        let table = Table::new(&volumes);
        if let Some(gaming) = &gaming {
            prepare(gaming, run.name.as_deref(), &mut env, &mut volumes);
        }
        let program = self.program()?;
        let answer = program.call(&command_line(run, &env, &volumes, gaming.is_some()))?;
        if answer.code != 0 {
            return Err(not_started(&program, run, &answer));
        }
        let id = answer.out;
        let name = run.name.clone().unwrap_or_else(|| id.clone());
        if !run.detach {
            return wait(&program, &id, name);
        }
        let idle = gaming.is_some();
        let windows = gaming.and_then(|g| g.windows).filter(|w| w != game::USUAL_WINDOWS);
        self.session().remember(Started { id, name, volumes: table, windows, idle });
        Ok(())
    }

    pub(crate) fn setup_gaming(
        &self,
        proton: Option<String>,
        windows: Option<String>,
    ) -> Result<()> {
        windows.as_deref().map_or(Ok(()), game::check_windows)?;
        if let Some(name) = &proton {
            let Facts { proton, unread } = self.facts()?;
            let installed: Vec<String> = proton.into_iter().map(|build| build.name).collect();
            if !installed.contains(name) {
                let name = name.clone();
                return Err(GamingError::ProtonNotFound { name, installed, unread }.into());
            }
        }
        self.session().gaming = Some(Gaming { proton, windows });
        Ok(())
    }

    fn facts(&self) -> Result<Facts> {
        let answer = self.succeed(&["info", "--facts"], "")?;
        serde_json::from_str(&answer.out)
            .map_err(|error| BoltError::Json { command: "bolt info --facts".into(), error })
    }

    pub(crate) fn launch_game(&self, command: &str, options: &[String]) -> Result<()> {
        let game = Game::parse(command, options).inspect_err(|_| self.end_idle(command))?;
        let container =
            self.session().for_game(&game.words).cloned().ok_or(RuntimeError::NoContainer)?;
        let inside = game.translated(&container.volumes);
        let program = self.program()?;
        if let Some(windows) = container.windows.as_deref().filter(|_| inside.is_wine()) {
            set_windows(&program, &container, &inside, windows)?;
            self.session().windows_is_set(&container.id);
        }
        let mut words = vec!["exec".to_owned(), "--detach".to_owned()];
        words.extend(flags("--env", &inside.env));
        let directory = game.directory(&container.volumes);
        words.extend(flags("--workdir", directory.as_slice()));
        words.push(container.id.clone());
        words.extend(inside.words);
        let answer = program.call(&words)?;
        if answer.code == 0 {
            self.session().is_played(&container.id);
            return Ok(());
        }
        if matches!(exists(&program, &container.id), Ok(false)) {
            self.session().forget(&container.id);
            return Err(RuntimeError::ContainerNotFound { name: container.name }.into());
        }
        end_if_idle(&program, &container);
        Err(RuntimeError::StartFailed { reason: answer.reason() }.into())
    }

    /// [`end_if_idle`] for the container of a game whose command makes no sense.
    fn end_idle(&self, command: &str) {
        // Which one it was meant for is told by a path in it, as far as that can be read.
        let words: Vec<String> = command
            .split(['\'', '"'])
            .chain(command.split_whitespace())
            .map(str::to_owned)
            .collect();
        let container = self.session().for_game(&words).cloned();
        if let (Some(container), Ok(program)) = (container, self.program()) {
            end_if_idle(&program, &container);
        }
    }

    pub(crate) fn remove_container(&self, name: &str, force: bool) -> Result<()> {
        // Forced, a container that is not there is no error to `bolt`.
        if force && !exists(&self.program()?, name)? {
            return Err(RuntimeError::ContainerNotFound { name: name.to_owned() }.into());
        }
        self.on_container(if force { &["rm", "--force"] } else { &["rm"] }, name)?;
        self.session().forget(name);
        Ok(())
    }

    /// A verb about one container.
    pub(crate) fn on_container(&self, verb: &[&str], name: &str) -> Result<()> {
        match self.succeed(verb, name) {
            Err(BoltError::Runtime(RuntimeError::CommandFailed { .. }))
                if matches!(exists(&self.program()?, name), Ok(false)) =>
            {
                Err(RuntimeError::ContainerNotFound { name: name.to_owned() }.into())
            }
            other => other.map(drop),
        }
    }

    pub(crate) fn list_containers(&self, all: bool) -> Result<Vec<ContainerInfo>> {
        let mut words = vec!["ps", "--no-trunc", "--format", "json"];
        words.extend(all.then_some("--all"));
        list::parse(&self.succeed(&words, "")?.out)
    }

    pub(crate) fn events(&self, filter: &EventFilter, now: SystemTime) -> Result<Events> {
        Events::start(&self.program()?, filter, now)
    }

    pub(crate) fn pull_image(&self, image: &str) -> Result<()> {
        match self.succeed(&["pull", "--quiet"], image) {
            Err(BoltError::Runtime(RuntimeError::CommandFailed { reason, .. })) => {
                Err(RuntimeError::ImagePullFailed { image: image.to_owned(), reason }.into())
            }
            other => other.map(drop),
        }
    }

    pub(crate) fn push_image(&self, image: &str) -> Result<()> {
        self.succeed(&["push", "--quiet"], image).map(drop)
    }

    /// `bolt WORDS [-- OBJECT]`, which must succeed.
    fn succeed(&self, words: &[&str], object: &str) -> Result<Answer> {
        let mut line: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        if !object.is_empty() {
            line.extend(["--".to_owned(), object.to_owned()]);
        }
        let answer = self.program()?.call(&line)?;
        if answer.code == 0 {
            return Ok(answer);
        }
        let command = format!("bolt {} {object}", words.join(" ")).trim_end().to_owned();
        Err(RuntimeError::CommandFailed { command, reason: answer.reason() }.into())
    }

    fn program(&self) -> Result<Program> {
        let mut known = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(program) => Ok(program.clone()),
            None => Ok(known.insert(Program::find(&self.config)?).clone()),
        }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a game's container has besides: the name of its Proton, and a prefix that stays.
fn prepare(gaming: &Gaming, name: Option<&str>, env: &mut Vec<String>, volumes: &mut Vec<String>) {
    if let Some(proton) = &gaming.proton
        && !arguments::sets(env, "PROTON_VERSION")
    {
        env.push(format!("PROTON_VERSION={proton}"));
    }
    if let Some(name) = name.filter(|_| !arguments::is_mounted(volumes, PREFIX)) {
        volumes.push(format!("{name}-wine-prefix:{PREFIX}"));
    }
}

fn command_line(run: &Run, env: &[String], volumes: &[String], gaming: bool) -> Vec<String> {
    let mut words: Vec<String> = ["run", "--detach", "--quiet"].map(str::to_owned).into();
    if run.detach {
        words.push("--keep-alive".to_owned());
    }
    if gaming {
        // What the image would run is not the game.
        words.push("--entrypoint=".to_owned());
    }
    if let Some(name) = &run.name {
        words.extend(flags("--name", std::slice::from_ref(name)));
        words.push("--replace=exited".to_owned());
    }
    words.extend(flags("--publish", &run.ports));
    words.extend(flags("--env", env));
    words.extend(flags("--volume", volumes));
    words.extend(["--".to_owned(), run.image.clone()]);
    words
}

/// `FLAG=VALUE` for each: a value never becomes a flag.
fn flags<'a>(flag: &'a str, values: &'a [String]) -> impl Iterator<Item = String> + 'a {
    values.iter().map(move |value| format!("{flag}={value}"))
}

/// Which error it is that a container was not started.
fn not_started(program: &Program, run: &Run, answer: &Answer) -> BoltError {
    let reason = answer.reason();
    if answer.is_misuse() || answer.code != 125 {
        return RuntimeError::StartFailed { reason }.into();
    }
    // What cannot be asked is not known: then it is the general error.
    let no_image = match program.asks(&["image", "exists", "--", &run.image]) {
        Ok(exists) => !exists,
        // A name that leads nowhere is told with the name in front.
        Err(BoltError::Runtime(RuntimeError::CommandFailed { reason, .. })) => {
            let quoted = format!("{:?}", run.image);
            !run.image.is_empty() && (reason.starts_with(&run.image) || reason.starts_with(&quoted))
        }
        Err(_) => false,
    };
    if no_image {
        return RuntimeError::ImagePullFailed { image: run.image.clone(), reason }.into();
    }
    match run.name.clone().filter(|name| is_in_use(program, name)) {
        Some(name) => RuntimeError::NameInUse { name }.into(),
        None => RuntimeError::StartFailed { reason }.into(),
    }
}

/// Whether a container of that name runs, or is being started: such a one is listed a little later
/// than its name is taken.
fn is_in_use(program: &Program, name: &str) -> bool {
    let words = ["ps", "--all", "--no-trunc", "--format", "json"].map(str::to_owned);
    let list = program.call(&words).and_then(|answer| list::parse(&answer.out));
    let Ok(list) = list else { return false };
    match list.iter().find(|container| container.name == name) {
        Some(container) => !matches!(container.status.as_str(), "created" | "exited"),
        None => matches!(exists(program, name), Ok(true)),
    }
}

/// Nothing else would end a container without its game, and its name would be in use for the next
/// try.
fn end_if_idle(program: &Program, container: &Started) {
    if container.idle {
        // That it has ended by itself is as good, and the caller has an error to tell already.
        let _ = program.call(&["stop", "--time=0", &container.id].map(str::to_owned));
    }
}

/// Until the end of a container.
fn wait(program: &Program, id: &str, name: String) -> Result<()> {
    let answer = program.call(&["wait".to_owned(), id.to_owned()])?;
    match answer.out.parse() {
        Ok(0) => Ok(()),
        Ok(code) => Err(RuntimeError::Exited { name, code }.into()),
        Err(_) => {
            let (command, reason) = (format!("bolt wait {name}"), answer.reason());
            Err(RuntimeError::CommandFailed { command, reason }.into())
        }
    }
}

/// By Wine's own tool, in the prefix of the container.
fn set_windows(program: &Program, container: &Started, game: &Game, windows: &str) -> Result<()> {
    let mut words = vec!["exec".to_owned()];
    words.extend(flags("--env", &game.env));
    words.push(container.id.clone());
    words.extend(game.words.first().cloned());
    words.extend(["winecfg", "-v", windows].map(str::to_owned));
    let answer = program.call(&words)?;
    if answer.code == 0 {
        return Ok(());
    }
    let reason = format!("winecfg -v {windows} in {}: {}", container.name, answer.reason());
    Err(GamingError::WineSetupFailed { reason }.into())
}

fn exists(program: &Program, name: &str) -> Result<bool> {
    program.asks(&["container", "exists", "--", name])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: Option<&str>, detach: bool) -> Run {
        let list = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect();
        Run {
            image: "-odd".into(),
            name: name.map(str::to_owned),
            ports: list(&["1:2"]),
            env: Vec::new(),
            volumes: Vec::new(),
            detach,
        }
    }

    #[test]
    fn command_lines_are_as_they_should_be() {
        let (env, volumes) = (["A=-b c".to_owned()], ["/a b:/c".to_owned()]);
        let line = command_line(&run(Some("g"), true), &env, &volumes, true);
        let want = "run|--detach|--quiet|--keep-alive|--entrypoint=|--name=g|--replace=exited|\
                    --publish=1:2|--env=A=-b c|--volume=/a b:/c|--|-odd";
        assert_eq!(line.join("|"), want);
        let line = command_line(&run(None, false), &[], &[], false);
        assert_eq!(line.join(" "), "run --detach --quiet --publish=1:2 -- -odd");
    }

    #[test]
    fn a_game_gets_a_prefix_that_stays() {
        let gaming = Gaming { proton: Some("P".into()), windows: None };
        let prepared = |name: Option<&str>, env: &[&str], volumes: &[&str]| {
            let owned = |items: &[&str]| items.iter().map(|i| (*i).to_owned()).collect::<Vec<_>>();
            let (mut env, mut volumes) = (owned(env), owned(volumes));
            prepare(&gaming, name, &mut env, &mut volumes);
            (env.join(" "), volumes.join(" "))
        };
        let (env, volumes) = prepared(Some("g"), &[], &["/a:/game"]);
        assert_eq!(
            (&env[..], &volumes[..]),
            ("PROTON_VERSION=P", "/a:/game g-wine-prefix:/wine-prefix")
        );
        let (env, volumes) = prepared(Some("g"), &["PROTON_VERSION=Q"], &["/p:/wine-prefix"]);
        assert_eq!((&env[..], &volumes[..]), ("PROTON_VERSION=Q", "/p:/wine-prefix"));
        assert_eq!(prepared(None, &[], &[]).1, "");
    }
}
