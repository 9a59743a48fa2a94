//! The library, driven by a program that is none of Bolt's own: `tests/ghostforge`.

/// A user with the program, or the end of the test that calls it.
macro_rules! forge {
    () => {
        match $crate::library::Forge::new() {
            Ok(forge) => forge,
            Err(reason) => $crate::skip!(reason),
        }
    };
}

mod dependencies;
mod games;
mod lookup;

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish, write_program};
use crate::harness::run;
use crate::harness::user::Session;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A stand-in for Wine. It writes down what it was given beside the game, counts its launches in
/// the prefix, and plays until `quit` lies beside the game.
const WINE: &str = r#"#!/bin/sh
[ "$1" = winecfg ] && { mkdir -p "$WINEPREFIX"; echo "$@" >>/game/winecfg; exit; }
mkdir -p "$WINEPREFIX" && echo launch >>"$WINEPREFIX/launches"
{
    pwd
    for word in "$@"; do echo "word $word"; done
    env
    cat "$WINEPREFIX/launches"
} >/game/record.new
mv /game/record.new /game/record
while [ ! -e /game/quit ]; do sleep 0.05; done
"#;

/// `cargo` as it was called for these tests; none: somebody runs the compiled tests.
fn cargo(words: &[&str]) -> Option<Command> {
    let mut command = Command::new(std::env::var_os("CARGO")?);
    command.args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
    // Meant for Bolt's static programs.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        command.env_remove(name);
    }
    Some(command)
}

/// The built program: with the machine's own C library, as GhostForge is.
fn program() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target =
            std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("ghostforge");
        let manifest = ["build", "--locked", "--manifest-path", "tests/ghostforge/Cargo.toml"];
        let mut cargo = cargo(&manifest).ok_or("not run by cargo")?;
        let output = cargo.arg("--target-dir").arg(&target).output().map_err(|e| e.to_string())?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(target.join("debug/ghostforge-calls"))
    });
    built.as_deref().map_err(Clone::clone)
}

/// A user who has the program, and a game.
struct Forge {
    session: Session,
    program: PathBuf,
    /// Where the game is installed: with a space, as everywhere.
    game: PathBuf,
}

impl Forge {
    fn new() -> Result<Forge, String> {
        let built = program()?;
        let session = Session::new()?;
        let program = session.dir().join("app/forge");
        fs::create_dir(program.parent().unwrap()).unwrap();
        write_program(&program, fs::read(built).unwrap());
        let game = PathBuf::from(session.make_dir("My Games")).join("Quake");
        session.make_dir("My Games/Quake");
        session.file("My Games/Quake/quake.exe", "");
        Ok(Forge { session, program, game })
    }

    /// Puts an image with the stand-in where `bolt://gaming-optimized` leads to.
    fn with_image(self) -> Forge {
        let image = TestImage::new(&[]);
        image.add(|root| {
            let bin = root.join("bin");
            fs::create_dir(&bin).unwrap();
            for applet in run("/bin/busybox", &["--list"]).lines() {
                if !["busybox", "sh"].contains(&applet) {
                    std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
                }
            }
            fs::write(bin.join("wine"), WINE).unwrap();
            fs::set_permissions(bin.join("wine"), fs::Permissions::from_mode(0o755)).unwrap();
        });
        let id = self.session.pull(&image);
        self.session.ok(&["tag", &id, "localhost/gaming-optimized:latest"]);
        self.session.make_dir(".config");
        self.session.make_dir(".config/bolt");
        let aliases = "[aliases]\ngaming-optimized = \"localhost/gaming-optimized\"\n";
        self.session.file(".config/bolt/registries.toml", aliases);
        self
    }

    /// The program with these words, finding this session's `bolt`.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.session.command(&self.program);
        command.args(words).env("BOLT_BIN", self.session.program());
        command
    }

    fn run(&self, words: &[&str]) -> Out {
        finish(self.command(words).spawn().unwrap(), PATIENCE, &format!("{words:?}"))
    }

    /// The command line of GhostForge for the game.
    fn wine(&self) -> String {
        format!("wine '{}/quake.exe'", self.game.display())
    }

    fn play(&self, options: &[&str]) -> Command {
        let (game, wine) = (self.game.to_str().unwrap(), self.wine());
        self.command(&[&["play", "q1", game, &wine], options].concat())
    }

    /// Plays to the launch, which must succeed; what the game wrote down.
    fn launched(&self, mut play: Command) -> (Out, String) {
        let _ = fs::remove_file(self.game.join("record"));
        let _ = fs::remove_file(self.game.join("quit"));
        let out = finish(play.spawn().unwrap(), PATIENCE, "play");
        assert!(out.code == 0 && out.out == "ghostforge-q1\n", "{out:?}");
        let record = self.game.join("record");
        crate::harness::user::until("the game's record", || record.exists());
        (out, fs::read_to_string(record).unwrap())
    }

    /// The player leaves the game; its container ends with it.
    fn quit(&self) {
        fs::write(self.game.join("quit"), "").unwrap();
        crate::harness::user::until("the end of the container", || self.status() == "exited");
    }

    fn status(&self) -> String {
        self.session.inspect("ghostforge-q1", ".State.Status")
    }
}
