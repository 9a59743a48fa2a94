//! What `launch_game` is told, as a program, its arguments and its environment.

use crate::arguments::{Table, is_variable};
use crate::error::{GamingError, RuntimeError};
use crate::words;
use std::path::Path;

/// The Windows version that Wine and Proton give a new prefix by themselves.
pub(crate) const USUAL_WINDOWS: &str = "win10";
/// What Wine's `winecfg -v` knows.
const WINDOWS: &[&str] = &[
    "win11",
    "win10",
    "win81",
    "win8",
    "win7",
    "win2008r2",
    "win2008",
    "vista",
    "win2003",
    "winxp64",
    "winxp",
    "win2k",
    "winme",
    "win98",
    "win95",
    "nt40",
    "nt351",
    "win31",
    "win30",
    "win20",
];

/// A program to launch in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Game {
    /// Variables besides the container's own.
    pub(crate) env: Vec<String>,
    pub(crate) words: Vec<String>,
}

impl Game {
    /// `command` as GhostForge writes it (a command line, a path, a `steam://` address, a name),
    /// `options` with variables and arguments mixed.
    pub(crate) fn parse(command: &str, options: &[String]) -> Result<Game, RuntimeError> {
        let bad = |reason: &str| RuntimeError::BadArgument {
            argument: command.to_owned(),
            reason: reason.to_owned(),
        };
        let mut words = command_words(command.trim())?;
        // Variables in front of the program, as a shell takes them.
        let first = words.iter().position(|word| !is_variable(word));
        let mut game = Game { words: words.split_off(first.unwrap_or(words.len())), env: words };
        let program = game.words.first().ok_or_else(|| bad("it names no program"))?;
        if program.starts_with("steam://") {
            game.words.insert(0, "steam".to_owned());
        } else if program.to_ascii_lowercase().ends_with(".exe") {
            game.words.insert(0, "wine".to_owned());
        }
        for option in options {
            if is_variable(option) {
                game.env.push(option.clone());
            } else {
                game.words.extend(words::split(option)?);
            }
        }
        Ok(game)
    }

    /// Paths of the host become those of the container.
    pub(crate) fn translated(&self, volumes: &Table) -> Game {
        let inside = |word: &String| volumes.translate(word).unwrap_or_else(|| word.clone());
        Game { env: self.env.clone(), words: self.words.iter().map(inside).collect() }
    }

    /// Where games look for their files: beside the program, in the container.
    pub(crate) fn directory(&self, volumes: &Table) -> Option<String> {
        let inside = self.words.iter().find_map(|word| volumes.translate(word))?;
        let parent = Path::new(&inside).parent()?;
        Some(parent.to_str()?.to_owned()).filter(|dir| dir.len() > 1)
    }

    /// Whether Wine runs it.
    pub(crate) fn is_wine(&self) -> bool {
        let program = self.words.first().map(Path::new).and_then(Path::file_name);
        program.is_some_and(|name| name == "wine" || name == "wine64")
    }
}

/// A Windows version that Wine knows.
pub(crate) fn check_windows(version: &str) -> Result<(), GamingError> {
    if WINDOWS.contains(&version) {
        return Ok(());
    }
    let reason = format!("{version:?} is no Windows version that it knows: {}", WINDOWS.join(", "));
    Err(GamingError::WineSetupFailed { reason })
}

fn command_words(command: &str) -> Result<Vec<String>, RuntimeError> {
    // A path alone may have spaces; a file that is there is meant.
    if command.starts_with('/') && Path::new(command).exists() {
        return Ok(vec![command.to_owned()]);
    }
    if let Some((program, path)) = quoted_path(command) {
        return Ok(vec![program.to_owned(), path.to_owned()]);
    }
    words::split(command)
}

/// `wine '/games/Baldur's Gate/bg.exe'`: GhostForge puts a path between quotes whatever is in it
/// (`src/bolt_integration.rs`, `launch_game`). That reading is taken where the file is there.
fn quoted_path(command: &str) -> Option<(&str, &str)> {
    let (program, rest) = command.split_once(" '")?;
    let path = rest.strip_suffix('\'')?;
    let plain = !program.contains(['\'', '"', '\\', ' ']);
    (plain && path.starts_with('/') && path.contains('\'') && Path::new(path).exists())
        .then_some((program, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn commands_are_read_as_ghostforge_writes_them() {
        let cases: &[(&str, &[&str])] = &[
            ("wine '/home/u/My Games/Q.exe'", &["wine", "/home/u/My Games/Q.exe"]),
            ("steam steam://run/CounterStrike2", &["steam", "steam://run/CounterStrike2"]),
            ("steam://run/730", &["steam", "steam://run/730"]),
            ("/games/q/Q.EXE", &["wine", "/games/q/Q.EXE"]),
            ("'/games/my q/Q.exe' -w", &["wine", "/games/my q/Q.exe", "-w"]),
            ("/games/q/run.sh --fast", &["/games/q/run.sh", "--fast"]),
            ("Factorio", &["Factorio"]),
            ("  wine  x.exe ", &["wine", "x.exe"]),
            ("sh -c 'echo $HOME; x'", &["sh", "-c", "echo $HOME; x"]),
        ];
        for (text, want) in cases {
            let game = Game::parse(text, &[]).unwrap();
            assert_eq!((game.words, game.env.len()), (list(want), 0), "{text}");
        }
        let game = Game::parse("A=b C=d wine x", &[]).unwrap();
        assert_eq!((game.words, game.env), (list(&["wine", "x"]), list(&["A=b", "C=d"])));
        for text in ["", "  ", "wine 'x", "A=b"] {
            let error = Game::parse(text, &[]).unwrap_err();
            assert!(matches!(error, RuntimeError::BadArgument { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn options_are_variables_or_arguments() {
        let options = list(&[
            "PROTON_NO_ESYNC=1",
            "-high",
            "-threads 8",
            "+map 'de dust'",
            "__GL_YIELD=USLEEP",
        ]);
        let game = Game::parse("wine x", &options).unwrap();
        assert_eq!(game.env, list(&["PROTON_NO_ESYNC=1", "__GL_YIELD=USLEEP"]));
        let want = ["wine", "x", "-high", "-threads", "8", "+map", "de dust"];
        assert_eq!(game.words, list(&want));
        assert!(Game::parse("wine x", &list(&["'"])).is_err());
    }

    #[test]
    fn host_paths_are_translated_whole_words_only() {
        let volumes = Table::new(&list(&["/home/u/My Games/Q:/game"]));
        let options = list(&["-config=/home/u/My Games/Q/c", "'/home/u/My Games/Q/save 1'"]);
        let game = Game::parse("wine '/home/u/My Games/Q/bin/Q.exe'", &options).unwrap();
        let inside = game.translated(&volumes);
        let want = ["wine", "/game/bin/Q.exe", "-config=/home/u/My", "Games/Q/c", "/game/save 1"];
        assert_eq!(inside.words, list(&want));
        assert_eq!(game.directory(&volumes).as_deref(), Some("/game/bin"));
        assert_eq!(Game::parse("steam", &[]).unwrap().directory(&volumes), None);
    }

    #[test]
    fn files_that_are_there_are_meant() {
        let dir = std::env::temp_dir().join(format!("bolt-face-It's 'n' {}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let exe = dir.join("a b.exe");
        std::fs::write(&exe, "").unwrap();
        let path = exe.to_str().unwrap();
        let bare = Game::parse(path, &[]).unwrap();
        let quoted = Game::parse(&format!("wine '{path}'"), &[]).unwrap();
        let shell = Game::parse(&format!("wine '{}'", path.replace('\'', r"'\''")), &[]).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        for game in [bare, quoted, shell] {
            assert_eq!(game.words, ["wine", path]);
        }
    }

    #[test]
    fn windows_versions_are_wines() {
        check_windows(USUAL_WINDOWS).unwrap();
        let error = check_windows("win12").unwrap_err().to_string();
        assert!(error.contains("\"win12\"") && error.contains("win11, win10"), "{error}");
    }
}
