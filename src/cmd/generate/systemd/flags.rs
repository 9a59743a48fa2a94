//! What a unit has to know of the flags of `run` and `create`.

use crate::cmd::{create, run};
use crate::unit::command::{Known, Parts, Values};
use clap::{Args as _, Command};

/// Flags that a unit sets itself, or that make no sense in one.
const OURS: [&str; 11] = [
    "detach",
    "rm",
    "replace",
    "name",
    "cidfile",
    "cgroups",
    "sdnotify",
    "restart",
    "dry-run",
    "sig-proxy",
    "conmon-pidfile",
];

/// Flags whose value is a path of the caller.
const PATHS: [&str; 5] = ["env-file", "authfile", "cert-dir", "pidfile", "lock-file"];

/// Every flag that a container may have been created with.
pub(super) fn known() -> Vec<Known> {
    let commands = [
        run::Args::augment_args(Command::new("run")),
        create::Args::augment_args(Command::new("create")),
    ];
    let flags = commands.iter().flat_map(Command::get_arguments);
    let known = flags.filter_map(|arg| {
        let takes = arg.get_action().takes_values();
        let maybe = arg.get_num_args().is_some_and(|n| n.min_values() == 0);
        let aliases = arg.get_all_aliases().unwrap_or_default();
        Some(Known {
            long: arg.get_long()?.to_owned(),
            aliases: aliases.into_iter().map(str::to_owned).collect(),
            short: arg.get_short(),
            values: match (takes, maybe) {
                (false, _) => Values::None,
                (true, false) => Values::One,
                (true, true) => Values::Maybe,
            },
        })
    });
    known.collect()
}

/// Whether a unit sets it itself.
pub(super) fn is_ours(name: &str) -> bool {
    OURS.contains(&name)
}

/// Whether something was typed that is a path from the working directory.
pub(super) fn is_relative(parts: &Parts) -> bool {
    let relative = |path: &str| !path.is_empty() && !path.starts_with('/');
    let dotted = |path: &str| path.starts_with("./") || path.starts_with("../") || path == ".";
    let of_flag = parts.flags.iter().any(|flag| {
        let Some(value) = &flag.value else { return false };
        match flag.name.as_str() {
            "volume" => dotted(value) || value.starts_with(".:") || value.starts_with("..:"),
            "mount" => value.split(',').any(|part| {
                part.split_once('=')
                    .is_some_and(|(key, path)| ["src", "source"].contains(&key) && dotted(path))
            }),
            name => PATHS.contains(&name) && relative(value),
        }
    });
    let layout = ["oci:", "oci-archive:"].iter().find_map(|kind| parts.image.strip_prefix(kind));
    let rootfs = parts.flags.iter().any(|flag| flag.name == "rootfs");
    of_flag || layout.is_some_and(relative) || (rootfs && relative(&parts.image))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::command::parts;

    fn of(words: &[&str]) -> Parts {
        let words: Vec<String> =
            ["bolt", "run"].iter().chain(words).map(|w| (*w).to_owned()).collect();
        parts(&words, &known()).unwrap()
    }

    #[test]
    fn the_command_lines_own_definition_is_used() {
        let parts =
            of(&["-dit", "--net=none", "-v", "a:/b", "-m1g", "--sig-proxy=false", "i", "-x"]);
        let names: Vec<_> = parts.flags.iter().map(|f| f.name.as_str()).collect();
        let want = ["detach", "interactive", "tty", "network", "volume", "memory", "sig-proxy"];
        assert_eq!(names, want);
        assert_eq!((parts.image.as_str(), parts.args[0].as_str()), ("i", "-x"));
        assert_eq!(parts.flags[5].value.as_deref(), Some("1g"));
        assert!(OURS.iter().chain(&PATHS).all(|name| known().iter().any(|k| k.long == *name)));
    }

    #[test]
    fn paths_from_the_working_directory_are_seen() {
        for words in [
            &["-v", "./a:/b", "i"][..],
            &["--mount", "type=bind,src=../a,dst=/b", "i"],
            &["--env-file", "vars", "i"],
            &["oci:dir:tag"],
            &["--rootfs", "root"],
        ] {
            assert!(is_relative(&of(words)), "{words:?}");
        }
        for words in [
            &["-v", "named:/b", "i"][..],
            &["-v", "/a:/b", "i"],
            &["oci:/dir:tag"],
            &["a/b:c", "x"],
        ] {
            assert!(!is_relative(&of(words)), "{words:?}");
        }
    }
}
