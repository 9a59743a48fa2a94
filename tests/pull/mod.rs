//! `bolt pull` as an ordinary user types it, with files of settings in his own directory.

mod bombs;
mod flow;
mod gate;
mod logins;
mod platforms;
mod policies;
mod progress;
mod registries;
mod tls;
mod tokens;
mod twins;

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::Registry;
use crate::harness::run;
use crate::harness::user::Session;
use bolt::image::types::Digest;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long one pull may take; more is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session without images that has a directory of settings of its own.
struct Player {
    session: Session,
}

/// A player, or the end of the test that calls it.
macro_rules! player {
    () => {
        match $crate::pull::Player::new() {
            Ok(player) => player,
            Err(reason) => $crate::skip!(reason),
        }
    };
}
use player;

impl Player {
    fn new() -> Result<Player, String> {
        Session::empty().map(|session| Player { session })
    }

    /// `$XDG_CONFIG_HOME`.
    fn config(&self) -> PathBuf {
        self.session.dir().join("settings")
    }

    /// Writes `$XDG_CONFIG_HOME/containers/NAME`.
    fn set(&self, name: &str, text: &str) {
        let file = self.config().join("containers").join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// A registries.conf by which plain http is spoken with these.
    fn allow_http(&self, hosts: &[String]) {
        self.set("registries.conf", &insecure(hosts));
    }

    /// `bolt ARGS`, not yet started.
    fn bolt(&self, args: &[&str]) -> Command {
        let mut command = self.session.bolt(args);
        command.env("XDG_CONFIG_HOME", self.config());
        command
    }

    /// `bolt ARGS` to its end.
    fn run(&self, args: &[&str]) -> Out {
        end(self.bolt(args))
    }

    /// `bolt ARGS`, which must succeed; its standard output without the last newline.
    fn ok(&self, args: &[&str]) -> String {
        succeeded(self.run(args))
    }

    /// `bolt ARGS`, which must be refused with one error; that.
    fn refused(&self, args: &[&str]) -> String {
        refused(self.run(args))
    }

    /// Whether the store has an image of that name.
    fn has(&self, name: &str) -> bool {
        self.run(&["image", "exists", name]).code == 0
    }

    /// Nothing is wrong with the store, and nothing lies there that nobody needs.
    fn assert_sound(&self) {
        assert_eq!(self.ok(&["system", "check"]), "");
    }
}

fn end(mut command: Command) -> Out {
    finish(command.spawn().unwrap(), PATIENCE, &format!("{command:?}"))
}

fn succeeded(out: Out) -> String {
    assert_eq!(out.code, 0, "{out:?}");
    out.out.trim_end_matches('\n').to_owned()
}

fn refused(out: Out) -> String {
    assert!(out.code == 125 && out.out.is_empty(), "{out:?}");
    let errors = out.err.lines().filter(|line| line.starts_with("bolt: ")).count();
    assert_eq!(errors, 1, "{out:?}");
    out.err
}

/// Tables of a registries.conf that allow plain http.
fn insecure(hosts: &[String]) -> String {
    let table = |host: &String| format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    hosts.iter().map(table).collect()
}

/// The id that an image has when it is pulled.
fn id_of(image: &TestImage) -> String {
    id(&manifest(image))
}

/// The id that a manifest gives.
fn id(manifest: &Value) -> String {
    manifest["config"]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
}

/// A JSON document of an image's layout.
fn document(image: &TestImage, digest: &Value) -> Value {
    let file = image.layout().join("blobs").join(digest.as_str().unwrap().replace(':', "/"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The manifest of an image.
fn manifest(image: &TestImage) -> Value {
    serde_json::from_str(&run("skopeo", &["inspect", "--raw", &image.source()])).unwrap()
}

/// Puts a blob into an image's layout; its descriptor.
fn put(image: &TestImage, kind: &str, bytes: &[u8]) -> Value {
    let digest = Digest::sha256_of(bytes);
    std::fs::write(image.layout().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    json!({ "mediaType": kind, "digest": digest, "size": bytes.len() })
}

/// Makes a manifest or an index of a layout the image that it has, and puts that into a registry;
/// the full name.
fn push(registry: &Registry, image: &TestImage, mut descriptor: Value, name: &str) -> String {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": "v1" });
    let index = json!({ "schemaVersion": 2, "manifests": [descriptor] });
    std::fs::write(image.layout().join("index.json"), index.to_string()).unwrap();
    let full = format!("{}/{name}", registry.host());
    let target = format!("docker://{full}");
    let flags = ["copy", "--all", "--quiet", "--dest-tls-verify=false"];
    run("skopeo", &[&flags[..], &[&image.source(), &target]].concat());
    full
}

/// A proxy that does nothing wrong, only writes down. What speaks TLS with it fails there; who may
/// speak plain http then does, and stands in its list.
fn ear(registry: &Registry) -> Proxy {
    Proxy::start(registry.address(), |_, _| Fault::Pass)
}

/// The paths that were asked for.
fn asked(ear: &Proxy) -> Vec<String> {
    ear.requests().into_iter().map(|request| request.path).collect()
}
