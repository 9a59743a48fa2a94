//! `bolt game wrap`: the launch option of Steam.

use super::wishes::Wishes;
use crate::exit;
use crate::settings::{self, Settings};
use crate::ui::print;
use crate::wrap::{self, Caller, Log, Outcome, Request, Target};
use anyhow::bail;
use clap::FromArgMatches;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Start a game with settings, and take them back when it ends
///
/// For Steam's launch options: bolt game wrap [OPTIONS] -- %command%. Bolt applies the settings in
/// the order in which they stand here and becomes the game: same process, same arguments, same exit
/// code. A setting that cannot be applied is told on standard error and in
/// $XDG_STATE_HOME/bolt/wrap.log; the game starts all the same.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    wishes: Wishes,
    /// Do not start the game unless every setting is applied
    #[arg(long)]
    strict: bool,
    /// Write how each setting ended, as JSON, to a file or the descriptor of this number
    #[arg(long, value_name = "FILE|FD")]
    report: Option<OsString>,
    /// The game and its arguments; %command% in Steam
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Runs the verb with the words behind it; returns only when no game was started.
pub fn main(words: Vec<OsString>) -> u8 {
    match parse(&words) {
        Ok(args) => run(args),
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            0
        }
        Err(error) => match salvage(&words) {
            Some((args, broken)) if !args.strict => go(&request(args, broken)),
            _ => {
                let _ = error.print();
                log_error(&error.into());
                exit::ENGINE
            }
        },
    }
}

fn parse(words: &[OsString]) -> Result<Args, clap::Error> {
    let command = clap::Command::new("bolt").bin_name("bolt game wrap");
    let mut command = <Args as clap::Args>::augment_args(command);
    let words = std::iter::once(OsString::from("bolt")).chain(words.iter().cloned());
    let mut matches = command.try_get_matches_from_mut(words)?;
    Args::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
}

/// What can be read of a line with wrong options, and what cannot. The command is what stands
/// behind `--`, or begins with the path of a program, whichever comes first; `None` where neither
/// is found.
fn salvage(words: &[OsString]) -> Option<(Args, Vec<Outcome>)> {
    let is_program = |word: &OsString| {
        word.as_bytes().first() == Some(&b'/') && crate::wrap::is_program(Path::new(word))
    };
    let at = words.iter().position(|word| word == "--" || is_program(word))?;
    let (mut left, command) = words.split_at(at);
    let command = command.strip_prefix(&[OsString::from("--")]).unwrap_or(command);
    let mut good = Vec::new();
    let mut broken = Vec::new();
    while !left.is_empty() {
        // An option stands alone or with its value in the next word.
        let whole = (1..=left.len().min(2)).find(|n| parse(&left[..*n]).is_ok_and(is_bare));
        let taken = whole.unwrap_or_else(|| {
            let next = left[1..].iter().position(|word| word.as_bytes().starts_with(b"-"));
            next.map_or(left.len(), |next| next + 1)
        });
        let (option, rest) = left.split_at(taken);
        // One that is right may be there a second time.
        let more = [&good[..], option].concat();
        match whole.map_or_else(|| Err(why(option)), |_| parse(&more).map_err(|e| reason(&e))) {
            Ok(_) => good = more,
            Err(why) => broken.push(Outcome::unread(&shown(option), &why)),
        }
        left = rest;
    }
    good.push("--".into());
    good.extend_from_slice(command);
    Some((parse(&good).ok()?, broken))
}

fn is_bare(args: Args) -> bool {
    args.command.is_empty()
}

fn shown(option: &[OsString]) -> String {
    option.join(std::ffi::OsStr::new(" ")).to_string_lossy().into_owned()
}

/// What the command line's own rules say of an option.
fn why(option: &[OsString]) -> String {
    parse(option).map_or_else(|error| reason(&error), |_| "it is no option".to_owned())
}

fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

fn request(args: Args, broken: Vec<Outcome>) -> Request {
    Request {
        wishes: args.wishes.0,
        broken,
        strict: args.strict,
        report: args.report.as_ref().map(Target::parse),
        command: args.command,
    }
}

/// Applies the settings and becomes the game; returns only when there is none.
pub fn run(args: Args) -> u8 {
    go(&request(args, Vec::new()))
}

fn go(request: &Request) -> u8 {
    let caller = caller();
    if let Some((undo, log)) = &caller.state {
        wrap::sweep(undo, log);
    }
    let Err(error) = wrap::start(request, &caller);
    let code = error.code();
    let error = anyhow::Error::from(error);
    log_error(&error);
    print::error_chain(&error);
    code
}

/// Becomes a command that Steam hands down, without any setting; returns only when that did not
/// work.
pub fn hand_down(command: Vec<OsString>) -> u8 {
    let (wishes, broken) = (Vec::new(), Vec::new());
    go(&Request { wishes, broken, strict: false, report: None, command })
}

/// Steam's Game Mode has no terminal: what is wrong goes to the log as well.
pub fn log_error(error: &anyhow::Error) {
    if let Ok(settings) = Settings::from_env() {
        Log::new(&settings.dirs.wrap_log()).line(&format!("{error:#}"));
    }
}

/// Without a home nothing can be kept, and the game still starts.
fn caller() -> Caller {
    let settings = Settings::from_env().ok();
    let state = settings.as_ref().map(|s| (s.dirs.undo(), s.dirs.wrap_log()));
    Caller {
        state,
        program: std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()),
        environment: settings::raw_environment(),
        uid: rustix::process::getuid().as_raw(),
        bus_address: settings::variable("DBUS_SESSION_BUS_ADDRESS"),
        runtime_dir: settings::variable("XDG_RUNTIME_DIR").map(PathBuf::from),
        data_dirs: settings::data_dirs(),
    }
}

/// `bolt __watch LIST LOG`, hidden: the watcher of one game.
pub fn watch(args: &[String]) -> anyhow::Result<()> {
    let [list, log] = args else { bail!("{} is for bolt itself", wrap::WATCH) };
    wrap::watch(Path::new(list), Path::new(log));
    Ok(())
}

/// `bolt __inner COMMAND`, hidden: what gamescope starts. Returns only when there is no game, with
/// the code that says why.
pub fn inner() -> u8 {
    let command: Vec<OsString> = std::env::args_os().skip(2).collect();
    let error = wrap::inner(&command, settings::raw_environment());
    let code = error.code();
    let error = error.into();
    log_error(&error);
    print::error_chain(&error);
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::Wish;
    use std::os::unix::ffi::OsStringExt;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn the_command_is_taken_word_for_word() {
        let steam =
            ["/s/reaper", "SteamLaunch", "AppId=4", "--", "/g/game", "--nice", "--", "-x", ""];
        for options in
            [&["--nice", "5", "--gamemode", "--"][..], &["--nice", "5", "--gamemode"], &["--"], &[]]
        {
            let args = parse(&words(&[options, &steam].concat())).unwrap();
            assert_eq!(args.command, words(&steam), "{options:?}");
        }
        let odd = OsString::from_vec(b"\xff\n%".to_vec());
        let args =
            parse(&[&words(&["--strict", "--", "game"])[..], std::slice::from_ref(&odd)].concat());
        let args = args.unwrap();
        assert!(args.strict);
        assert_eq!(args.command, ["game".into(), odd]);
    }

    #[test]
    fn a_line_with_wrong_options_still_has_its_command_and_the_right_ones() {
        let of = |line: &[&str]| {
            let (args, broken) = salvage(&words(line))?;
            let broken = broken.iter().map(|outcome| {
                serde_json::to_value(outcome).unwrap()["setting"].as_str().unwrap().to_owned()
            });
            Some((args.wishes.0, args.command, broken.collect::<Vec<_>>()))
        };
        let game = words(&["game", "--", "x"]);
        let nice = || vec![Wish::Nice("5".into())];
        assert_eq!(
            of(&["--nise", "5", "--", "game", "--", "x"]),
            Some((vec![], game.clone(), vec!["--nise 5".into()]))
        );
        assert_eq!(
            of(&["--nise", "5", "--nice", "5", "-z", "--mangohud=x", "--", "game", "--", "x"]),
            Some((nice(), game, vec!["--nise 5".into(), "-z".into(), "--mangohud=x".into()]))
        );
        let reaper = words(&["/bin/sh", "SteamLaunch", "--", "x"]);
        assert_eq!(
            of(&["--nice=5", "--nise", "/bin/sh", "SteamLaunch", "--", "x"]),
            Some((nice(), reaper, vec!["--nise".into()]))
        );
        assert_eq!(of(&["--nise", "5", "game"]), None);
        let (args, broken) = salvage(&words(&["--report", "3", "--nise", "--", "g"])).unwrap();
        assert_eq!((args.report, broken.len()), (Some("3".into()), 1));
        let twice = ["--report", "a", "--report", "b", "--", "g"];
        let (args, broken) = salvage(&words(&twice)).unwrap();
        assert_eq!((args.report, broken.len()), (Some("a".into()), 1), "{broken:?}");
        assert!(salvage(&words(&["--strict", "--nise", "--", "game"])).unwrap().0.strict);
        assert!(parse(&words(&["--nise", "5", "--", "game"])).is_err());
    }
}
