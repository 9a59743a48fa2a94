//! `bolt login`, `bolt logout`, and which file of credentials a pull takes.

use super::{Player, end, id_of, player, refused, succeeded};
use crate::harness::image::TestImage;
use crate::harness::process::Out;
use crate::harness::registry::{Options, PASSWORD, Registry, USER};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A registry that asks for a password, an image in it, and whoever may speak plain http there.
struct Scene {
    registry: Registry,
    image: TestImage,
    name: String,
}

impl Scene {
    fn new(player: &Player) -> Self {
        let registry = Registry::start(Options { password: true, ..Options::default() });
        let image = TestImage::new(&[]);
        let name = registry.push(&image, "box:1");
        player.allow_http(&[registry.host()]);
        Scene { registry, image, name }
    }

    fn login(&self, player: &Player, password: &str) -> Out {
        let args = ["login", "-u", USER, "--password-stdin", &self.registry.host()];
        let mut command = player.bolt(&args);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        crate::harness::process::finish(child, super::PATIENCE, "login")
    }

    fn assert_refused(&self, player: &Player) {
        let error = player.refused(&["pull", "-q", &self.name]);
        assert!(error.contains("refuses access"), "{error}");
        assert!(error.contains(&format!("bolt login {}", self.registry.host())), "{error}");
    }

    fn assert_pulled(&self, player: &Player) {
        assert_eq!(player.ok(&["pull", "-q", &self.name]), id_of(&self.image));
    }

    /// A file of credentials as `bolt login`, podman and docker write it.
    fn credentials(&self, password: &str) -> String {
        let auth = STANDARD.encode(format!("{USER}:{password}"));
        serde_json::json!({ "auths": { self.registry.host(): { "auth": auth } } }).to_string()
    }
}

fn file_of(player: &Player) -> PathBuf {
    player.session.runtime().join("containers/auth.json")
}

fn auths(file: &Path) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    value["auths"].clone()
}

#[test]
fn who_logs_in_may_pull_until_he_logs_out() {
    let player = player!();
    let scene = Scene::new(&player);
    scene.assert_refused(&player);
    let file = file_of(&player);
    assert!(!file.exists());
    assert_eq!(succeeded(scene.login(&player, PASSWORD)), "Login Succeeded!");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let host = scene.registry.host();
    let expected: serde_json::Value = serde_json::from_str(&scene.credentials(PASSWORD)).unwrap();
    assert_eq!(auths(&file), expected["auths"]);
    assert_eq!(player.ok(&["login", "--get-login", &host]), USER);
    scene.assert_pulled(&player);
    assert_eq!(player.ok(&["logout", &host]), format!("Removed login credentials for {host}"));
    assert_eq!(auths(&file), serde_json::json!({}));
    scene.assert_refused(&player);
    let error = player.refused(&["logout", &host]);
    assert!(error.contains("not logged in"), "{error}");
}

#[test]
fn a_wrong_password_is_not_kept() {
    let player = player!();
    let scene = Scene::new(&player);
    let file = file_of(&player);
    let wrong = || {
        let error = refused(scene.login(&player, "guess-1234"));
        assert!(error.contains("refuses the user name or the password"), "{error}");
        assert!(!error.contains("guess"), "{error}");
    };
    wrong();
    assert!(!file.exists());
    scene.assert_refused(&player);
    // Nor does it take the place of the right one.
    succeeded(scene.login(&player, PASSWORD));
    let before = std::fs::read(&file).unwrap();
    wrong();
    assert_eq!(std::fs::read(&file).unwrap(), before);
    scene.assert_pulled(&player);
}

/// In each round one file has the right password and all behind it a wrong one, then the other way
/// round: so each is looked into, and before those behind it.
#[test]
fn credential_files_are_taken_in_their_order() {
    let player = player!();
    let scene = Scene::new(&player);
    let home = player.session.home();
    let files = [
        file_of(&player),
        player.config().join("containers/auth.json"),
        home.join(".docker/config.json"),
        home.join(".dockercfg"),
    ];
    let write = |file: &Path, password: &str| {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = scene.credentials(password);
        let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
        // Docker's old file is what the others have within.
        let old = whole["auths"].to_string();
        std::fs::write(file, if file.ends_with(".dockercfg") { old } else { text }).unwrap();
    };
    for (n, file) in files.iter().enumerate() {
        let behind = &files[n + 1..];
        write(file, "wrong");
        for other in behind {
            write(other, PASSWORD);
        }
        scene.assert_refused(&player);
        write(file, PASSWORD);
        for other in behind {
            write(other, "wrong");
        }
        scene.assert_pulled(&player);
        // What has no entry for the registry is passed over, and so is what is not there.
        std::fs::write(file, "{}").unwrap();
        if n % 2 == 1 {
            std::fs::remove_file(file).unwrap();
        }
    }
    scene.assert_refused(&player);
}

#[test]
fn the_credential_file_that_the_user_names_counts_alone() {
    let player = player!();
    let scene = Scene::new(&player);
    let pull = |file: &str| {
        let mut command = player.bolt(&["pull", "-q", &scene.name]);
        command.env("REGISTRY_AUTH_FILE", file);
        end(command)
    };
    let named = |password| player.session.file("named.json", scene.credentials(password));
    let usual = file_of(&player);
    std::fs::create_dir_all(usual.parent().unwrap()).unwrap();
    std::fs::write(&usual, scene.credentials("wrong")).unwrap();
    assert_eq!(succeeded(pull(&named(PASSWORD))), id_of(&scene.image));
    std::fs::write(&usual, scene.credentials(PASSWORD)).unwrap();
    assert!(refused(pull(&named("wrong"))).contains("refuses access"));
    let empty = player.session.file("empty.json", "{}");
    assert!(refused(pull(&empty)).contains("refuses access"));
    assert!(refused(pull("/nowhere/auth.json")).contains("/nowhere/auth.json does not exist"));
    scene.assert_pulled(&player);
    // The flag wins over the variable.
    let mut command =
        player.bolt(&["pull", "-q", "--authfile", usual.to_str().unwrap(), &scene.name]);
    command.env("REGISTRY_AUTH_FILE", &empty);
    assert_eq!(succeeded(end(command)), id_of(&scene.image));
}
