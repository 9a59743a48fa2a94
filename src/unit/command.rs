//! The command that created a container, taken apart: its flags one by one, and the rest.

/// A flag of `run` or `create`, as the command line's own definition has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its long name.
    pub long: String,
    /// Other long names.
    pub aliases: Vec<String>,
    /// Its letter.
    pub short: Option<char>,
    /// How many values follow.
    pub values: Values,
}

/// Values of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// None.
    None,
    /// One, in the same word or the next.
    One,
    /// One or none: the next word is it unless it is a flag.
    Maybe,
}

/// A flag as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// Its long name.
    pub name: String,
    /// Its value.
    pub value: Option<String>,
}

/// A command taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// In their order.
    pub flags: Vec<Flag>,
    /// The image, or the directory of `--rootfs`.
    pub image: String,
    /// The container's own command line.
    pub args: Vec<String>,
}

/// A command that is not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadCommand {
    /// It was no `run` nor `create`.
    #[error("the container was made by {0:?}, which is neither run nor create")]
    Verb(String),
    /// A flag of another version of this program.
    #[error("the flag {0:?} of the container's create command is not known to this version")]
    Flag(String),
    /// It ends too soon.
    #[error("the container's create command {0:?} names no image")]
    NoImage(String),
}

/// Takes `command` (argv of `bolt run` or `bolt create`) apart.
pub fn parts(command: &[String], known: &[Known]) -> Result<Parts, BadCommand> {
    let is_verb = |word: &String| word == "run" || word == "create";
    let verb = command.iter().skip(1).position(is_verb).map(|at| at + 2);
    let Some(first) = verb else { return Err(BadCommand::Verb(command.join(" "))) };
    let mut words = command[first..].iter();
    let mut flags = Vec::new();
    let image = loop {
        let Some(word) = words.next() else {
            return Err(BadCommand::NoImage(command.join(" ")));
        };
        if word == "--" {
            let image = words.next();
            break image.ok_or_else(|| BadCommand::NoImage(command.join(" ")))?.clone();
        }
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let is = |k: &&Known| k.long == name || k.aliases.iter().any(|a| a == name);
            let flag =
                known.iter().find(is).ok_or_else(|| BadCommand::Flag(format!("--{name}")))?;
            let value = value.or_else(|| next(flag.values, &mut words));
            flags.push(Flag { name: flag.long.clone(), value });
        } else if let Some(cluster) = word.strip_prefix('-').filter(|rest| !rest.is_empty()) {
            letters(cluster, known, &mut words, &mut flags)?;
        } else {
            break word.clone();
        }
    };
    Ok(Parts { flags, image, args: words.cloned().collect() })
}

fn next(values: Values, words: &mut std::slice::Iter<'_, String>) -> Option<String> {
    match values {
        Values::None => None,
        Values::One => words.next().cloned(),
        Values::Maybe => {
            let mut ahead = words.clone();
            let word = ahead.next().filter(|word| !word.starts_with('-'))?.clone();
            *words = ahead;
            Some(word)
        }
    }
}

/// `-it`, `-eA=b`, `-e=A`, `-e A`.
fn letters(
    cluster: &str,
    known: &[Known],
    words: &mut std::slice::Iter<'_, String>,
    flags: &mut Vec<Flag>,
) -> Result<(), BadCommand> {
    let mut rest = cluster;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        let flag = known.iter().find(|k| k.short == Some(letter));
        let flag = flag.ok_or_else(|| BadCommand::Flag(format!("-{letter}")))?;
        let mut value = None;
        if flag.values != Values::None {
            let own = rest.strip_prefix('=').unwrap_or(rest).to_owned();
            value = if rest.is_empty() { next(flag.values, words) } else { Some(own) };
            rest = "";
        }
        flags.push(Flag { name: flag.long.clone(), value });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        let flag = |long: &str, short: Option<char>, values| Known {
            long: long.to_owned(),
            aliases: if long == "network" { vec!["net".to_owned()] } else { Vec::new() },
            short,
            values,
        };
        vec![
            flag("detach", Some('d'), Values::None),
            flag("tty", Some('t'), Values::None),
            flag("env", Some('e'), Values::One),
            flag("network", None, Values::One),
            flag("sig-proxy", None, Values::Maybe),
        ]
    }

    fn of(words: &[&str]) -> Result<Parts, BadCommand> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        parts(&words, &known())
    }

    #[test]
    fn flags_are_found_in_every_form() {
        let parts = of(&[
            "bolt",
            "run",
            "-dt",
            "-eA=b",
            "-te",
            "B=c d",
            "--net",
            "none",
            "--env=X=",
            "--sig-proxy",
            "false",
            "--sig-proxy",
            "-d",
            "image",
            "sh",
            "-c",
            "--net x",
        ]);
        let parts = parts.unwrap();
        let shown: Vec<_> =
            parts.flags.iter().map(|f| (f.name.as_str(), f.value.as_deref())).collect();
        let want = [
            ("detach", None),
            ("tty", None),
            ("env", Some("A=b")),
            ("tty", None),
            ("env", Some("B=c d")),
            ("network", Some("none")),
            ("env", Some("X=")),
            ("sig-proxy", Some("false")),
            ("sig-proxy", None),
            ("detach", None),
        ];
        assert_eq!(shown, want);
        assert_eq!(parts.image, "image");
        assert_eq!(parts.args, ["sh", "-c", "--net x"]);
        assert_eq!(of(&["/run", "create", "--", "-d"]).unwrap().image, "-d");
    }

    #[test]
    fn what_is_not_understood_is_told() {
        assert_eq!(of(&["bolt", "run", "--new", "i"]), Err(BadCommand::Flag("--new".into())));
        assert_eq!(of(&["bolt", "run", "-tz", "i"]), Err(BadCommand::Flag("-z".into())));
        assert!(matches!(of(&["bolt", "run", "-t"]), Err(BadCommand::NoImage(_))));
        assert!(matches!(of(&["bolt", "cp", "x"]), Err(BadCommand::Verb(_))));
        assert!(matches!(of(&[]), Err(BadCommand::Verb(_))));
    }
}
