//! How command lines are read: flags that most of them have none of are defined only where one is
//! there, and `--flag=true` and `--flag=false` hold for every flag without a value, as podman has it.

use clap::builder::TypedValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use std::cell::Cell;
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};

thread_local! {
    /// Whether the groups of [`Seldom`] are left undefined just now.
    static WITHOUT_SELDOM: Cell<bool> = const { Cell::new(false) };
}

/// A group of flags that most command lines have none of.
///
/// To define a flag takes longer than to read one, and `run` has more than a hundred: a command
/// line is first read without these groups. One that has such a flag, and one that is wrong, is
/// refused there, and read again with all. Without any, the group is `T::default()`, which must be
/// what clap makes of it: a flag in it has no default value of another kind.
#[derive(Debug, Clone, Default)]
pub struct Seldom<T>(T);

impl<T> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Seldom<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Args + Default> Args for Seldom<T> {
    fn augment_args(command: Command) -> Command {
        if WITHOUT_SELDOM.get() { command } else { T::augment_args(command) }
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: Args + Default> FromArgMatches for Seldom<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        let none_typed = WITHOUT_SELDOM.get();
        if none_typed { Ok(Self::default()) } else { T::from_arg_matches_mut(matches).map(Self) }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Reads `words` with what `command` makes, and makes a `T` of them.
pub(super) fn parse<T>(
    command: impl Fn() -> Command,
    words: &[OsString],
    take: impl Fn(&mut ArgMatches) -> Result<T, Error>,
) -> Result<T, Error> {
    // Of what is given twice the last counts, as in podman's flags.
    let command = || command().args_override_self(true);
    parse_usual(command, words, &take).or_else(|_| parse_with_all(command, words, take))
}

fn parse_usual<T>(
    command: impl Fn() -> Command,
    words: &[OsString],
    take: impl Fn(&mut ArgMatches) -> Result<T, Error>,
) -> Result<T, Error> {
    without_seldom(|| {
        let mut asked = command();
        let mut matches = asked.try_get_matches_from_mut(words)?;
        let made = take(&mut matches);
        // A process of a few milliseconds: what it frees piece by piece the kernel takes back at
        // once.
        std::mem::forget((asked, matches));
        made
    })
}

fn without_seldom<T>(read: impl FnOnce() -> T) -> T {
    WITHOUT_SELDOM.set(true);
    let result = read();
    WITHOUT_SELDOM.set(false);
    result
}

/// With every flag. Only where one without a value got one the words are read once more, with flags
/// that take it: help, man pages and completions show flags as they are mostly written, and nobody
/// else waits for it.
fn parse_with_all<T>(
    command: impl Fn() -> Command,
    words: &[OsString],
    take: impl Fn(&mut ArgMatches) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut asked = command();
    let mut matches = match asked.try_get_matches_from_mut(words) {
        Err(error) if is_about_a_value(&error) => {
            asked = with_values(command());
            match asked.try_get_matches_from_mut(words) {
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                    // The same without values, which the help does not show.
                    let plain = words.iter().filter(|word| !word.to_string_lossy().contains('='));
                    asked = command();
                    asked.try_get_matches_from_mut(plain)?
                }
                other => other?,
            }
        }
        other => other?,
    };
    let made = take(&mut matches).map_err(|error| error.format(&mut asked));
    std::mem::forget((asked, matches));
    made
}

/// `--rm=true`, or `-i=true`, in which `=` looks like a flag of its own.
fn is_about_a_value(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::TooManyValues => true,
        ErrorKind::UnknownArgument => matches!(
            error.get(ContextKind::InvalidArg),
            Some(ContextValue::String(name)) if name == "-="
        ),
        _ => false,
    }
}

fn with_values(command: Command) -> Command {
    command.mut_args(with_value).mut_subcommands(with_values)
}

fn with_value(arg: Arg) -> Arg {
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
        .hide_default_value(true)
        .value_name("BOOL")
        .value_parser(boolean())
}

/// For a flag that takes `=BOOL` by itself.
pub(super) fn boolean() -> impl TypedValueParser<Value = bool> {
    clap::builder::NonEmptyStringValueParser::new().try_map(|text| is_true(&text))
}

/// The words that podman knows.
fn is_true(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("write true or false"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::{Cli, Verb, run};
    use clap::{Args, CommandFactory, FromArgMatches};

    fn flags(verb: &str, words: &[&str], names: &[&str]) -> Result<Vec<bool>, Error> {
        let words: Vec<OsString> =
            ["bolt", verb].iter().chain(words).map(|word| word.into()).collect();
        parse(crate::cmd::cli, &words, |matches| {
            let (_, of_verb) = matches.subcommand().unwrap();
            Ok(names.iter().map(|name| of_verb.get_flag(name)).collect())
        })
    }

    #[test]
    fn flags_take_a_bool() {
        let names = ["rm", "interactive", "tty", "detach"];
        for (words, want) in [
            (&["--rm=true", "-it", "v1"][..], [true, true, true, false]),
            (&["--rm=false", "--interactive=false", "-td", "v1"], [false, false, true, true]),
            (&["-i=true", "--tty=0", "--detach=T", "v1"], [false, true, false, true]),
            (&["-ti=false", "v1"], [false, false, true, false]),
            // What follows the image is the container's.
            (&["--rm=1", "v1", "--rm=false", "-i=false"], [true, false, false, false]),
        ] {
            assert_eq!(flags("run", words, &names).unwrap(), want, "{words:?}");
        }
        assert_eq!(
            flags("ps", &["--all=true", "-q=false"], &["all", "quiet"]).unwrap(),
            [true, false]
        );
        let error = flags("run", &["--rm=maybe", "v1"], &names).unwrap_err().to_string();
        assert!(error.contains("'maybe' for '--rm") && error.contains("true or false"), "{error}");
    }

    #[test]
    fn help_shows_flags_as_they_are_written() {
        let error = flags("run", &["--rm=true", "--help"], &["rm"]).unwrap_err();
        let help = error.to_string();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        assert!(help.contains("--detach\n") && !help.contains("--detach[="), "{help}");
    }

    /// What a group of flags is without any is what clap makes of it.
    #[test]
    fn seldom_flags_are_as_if_they_were_defined() {
        let command = || run::Args::augment_args(Command::new("bolt"));
        let read = |words: &[&str]| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            parse(command, &words, run::Args::from_arg_matches_mut)
        };
        let usual = ["bolt", "--rm", "-e", "A=1", "v1", "--memory", "1g"].map(OsString::from);
        let take = run::Args::from_arg_matches_mut;
        let all = parse_with_all(command, &usual, take).unwrap();
        let few = parse_usual(command, &usual, take).unwrap();
        assert_eq!(format!("{few:?}"), format!("{all:?}"));
        let seldom = ["bolt", "--memory=1g", "v1"].map(OsString::from);
        assert!(parse_usual(command, &seldom, take).is_err());
        // None refers to a flag that is not there.
        without_seldom(|| Cli::command().debug_assert());
        let mut args = read(&["bolt", "--memory=1g", "--rm", "v1"]).unwrap();
        assert!(args.create_mut().rm);
        assert_eq!(args.create_mut().limits.memory, Some(1 << 30));
        let error = read(&["bolt", "--memorry=1g", "v1"]).unwrap_err().to_string();
        assert!(error.contains("'--memory'"), "{error}");
    }

    /// Every flag of the tree survives it, and the structs are filled from it.
    #[test]
    fn every_verb_may_be_read_with_values() {
        with_values(Cli::command()).debug_assert();
        let words = ["bolt", "run", "--rm=true", "--detach=false", "v1"].map(OsString::from);
        let cli = parse(Cli::command, &words, Cli::from_arg_matches_mut).unwrap();
        let Verb::Run(mut args) = cli.verb else { panic!("no run") };
        assert!(args.create_mut().rm);
        let alone = || run::Args::augment_args(Command::new("bolt"));
        let words = ["bolt", "--rm=false", "v1"].map(OsString::from);
        let mut args = parse(alone, &words, run::Args::from_arg_matches_mut).unwrap();
        assert!(!args.create_mut().rm);
    }
}
