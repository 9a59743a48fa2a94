//! The settings of `bolt game wrap` on a command line, in the order in which they were typed.

use crate::wrap::Wish;
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};
use std::ffi::OsString;

/// The settings.
#[derive(Debug, Clone, Default)]
pub struct Wishes(pub Vec<Wish>);

/// Name, value, help. Help ends without a full stop, as everywhere.
const VALUES: [(&str, &str, &str); 7] = [
    ("affinity", "LIST", "Processors that the game may use, such as 0-3,8"),
    ("nice", "N", "Niceness, -20 (first) to 19 (last)"),
    (
        "ionice",
        "CLASS",
        "I/O class: best-effort:0 to best-effort:7, realtime:0 to realtime:7, idle",
    ),
    ("cpu-weight", "N", "Share of the processors against other programs, 1 to 10000 (usual 100)"),
    ("memory-low", "SIZE", "Memory that is taken from others first, such as 4g"),
    ("env", "NAME=VALUE", "Set a variable for the game"),
    ("gamescope", "ARGS", "Run the game inside gamescope, which gets these words"),
];
const GAMEMODE: &str = "gamemode";
const MANGOHUD: &str = "mangohud";

impl clap::Args for Wishes {
    fn augment_args(mut command: Command) -> Command {
        for (name, value, help) in VALUES {
            command = command.arg(
                Arg::new(name)
                    .long(name)
                    .value_name(value)
                    .help(help)
                    .action(ArgAction::Append)
                    .allow_hyphen_values(true)
                    .value_parser(clap::value_parser!(OsString)),
            );
        }
        let gamemode = Arg::new(GAMEMODE).long(GAMEMODE).action(ArgAction::Count);
        let mangohud = Arg::new(MANGOHUD)
            .long(MANGOHUD)
            .value_name("gl")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("vulkan")
            .action(ArgAction::Append)
            .value_parser(["vulkan", "gl"]);
        command
            .arg(gamemode.help("Tell GameMode that this is a game"))
            .arg(mangohud.help("Show MangoHud in Vulkan games, with =gl in OpenGL games too"))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Wishes {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut placed: Vec<(usize, Wish)> = Vec::new();
        for (name, _, _) in VALUES {
            let values = matches.get_many::<OsString>(name).into_iter().flatten();
            for (place, value) in matches.indices_of(name).into_iter().flatten().zip(values) {
                placed.push((place, wish(name, value.clone())));
            }
        }
        // Counted flags have no places of their own for each time; once is enough.
        if matches.get_count(GAMEMODE) > 0 {
            let place = matches.indices_of(GAMEMODE).and_then(|mut places| places.next());
            placed.push((place.unwrap_or(0), Wish::GameMode));
        }
        let values = matches.get_many::<String>(MANGOHUD).into_iter().flatten();
        for (place, value) in matches.indices_of(MANGOHUD).into_iter().flatten().zip(values) {
            placed.push((place, Wish::MangoHud { gl: value == "gl" }));
        }
        placed.sort_by_key(|(place, _)| *place);
        Ok(Wishes(placed.into_iter().map(|(_, wish)| wish).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn wish(name: &str, value: OsString) -> Wish {
    match name {
        "affinity" => Wish::Affinity(value),
        "nice" => Wish::Nice(value),
        "ionice" => Wish::Ionice(value),
        "cpu-weight" => Wish::CpuWeight(value),
        "memory-low" => Wish::MemoryLow(value),
        "env" => Wish::Env(value),
        _ => Wish::Gamescope(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    fn parsed(words: &[&str]) -> Vec<Wish> {
        let command = Wishes::augment_args(Command::new("x"));
        let matches = command.try_get_matches_from([&["x"], words].concat()).unwrap();
        Wishes::from_arg_matches(&matches).unwrap().0
    }

    #[test]
    fn the_order_is_the_users() {
        let words = [
            "--env",
            "A=1",
            "--mangohud",
            "--nice",
            "-5",
            "--gamescope",
            "-W 1920 -f",
            "--gamemode",
            "--mangohud=gl",
            "--env=A=2",
            "--affinity",
            "0-3",
        ];
        let expected = [
            Wish::Env("A=1".into()),
            Wish::MangoHud { gl: false },
            Wish::Nice("-5".into()),
            Wish::Gamescope("-W 1920 -f".into()),
            Wish::GameMode,
            Wish::MangoHud { gl: true },
            Wish::Env("A=2".into()),
            Wish::Affinity("0-3".into()),
        ];
        assert_eq!(parsed(&words), expected);
        assert_eq!(parsed(&[]), []);
    }
}
