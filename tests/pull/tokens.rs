//! Bearer tokens, of a token service that Debian's docker-registry believes.

use super::gate::Gate;
use super::{PATIENCE, Player, end, id, id_of, manifest, player, succeeded};
use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::registry::{PASSWORD, Registry, USER};
use crate::harness::run;
use crate::harness::token::{Asked, Life, Tokens};
use crate::harness::user::{IMAGE, until};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

/// A registry that wants tokens, with one image for everybody and one for who is known.
struct Scene {
    tokens: Tokens,
    registry: Registry,
    image: TestImage,
    public: String,
    private: String,
}

impl Scene {
    fn new(player: &Player) -> Self {
        let tokens = Tokens::start();
        let registry = Registry::trusting(&tokens);
        let image = TestImage::new(&[100_000, 100_000]);
        let public = registry.push(&image, "public/box:1");
        let private = registry.push(&image, "private/box:1");
        player.allow_http(&[registry.host()]);
        Scene { tokens, registry, image, public, private }
    }

    fn login(&self, player: &Player, password: &str) -> Out {
        let args = ["login", "-u", USER, "--password-stdin", &self.registry.host()];
        let mut child = player.bolt(&args).stdin(Stdio::piped()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        finish(child, PATIENCE, "login")
    }

    /// What a command asked the token service for: who, and which scopes.
    fn asked(&self, command: impl FnOnce()) -> Vec<(Option<&'static str>, Vec<String>)> {
        let before = self.tokens.asked().len();
        command();
        let asked = self.tokens.asked().split_off(before);
        asked.into_iter().map(|Asked { user, scopes, .. }| (user, scopes)).collect()
    }
}

fn scope(text: &str) -> Vec<String> {
    vec![text.to_owned()]
}

/// Status of an answer of the registry to who shows that token.
fn answer(registry: SocketAddr, token: &str) -> u16 {
    let mut stream = TcpStream::connect(registry).unwrap();
    let head = format!("GET /v2/ HTTP/1.0\r\nHost: {registry}\r\nAuthorization: Bearer {token}");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_public_repository_is_pulled_with_a_token_for_nobody() {
    let player = player!();
    let scene = Scene::new(&player);
    let asked = scene.asked(|| {
        assert_eq!(player.ok(&["pull", "-q", &scene.public]), id_of(&scene.image));
    });
    // One serves for the manifest, the configuration and three layers.
    assert_eq!(asked, [(None, scope("repository:public/box:pull"))]);
    player.assert_sound();
}

#[test]
fn a_private_repository_is_pulled_by_who_has_logged_in() {
    let player = player!();
    let scene = Scene::new(&player);
    let wanted = scope("repository:private/box:pull");
    let refused = || {
        let error = player.refused(&["pull", "-q", &scene.private]);
        assert!(error.contains("refuses access"), "{error}");
        assert!(error.contains(&format!("bolt login {}", scene.registry.host())), "{error}");
    };
    // The service gives a token by which nothing is allowed; it is not asked again.
    assert_eq!(scene.asked(refused), [(None, wanted.clone())]);
    let asked = scene.asked(|| {
        let error = super::refused(scene.login(&player, "guess-1234"));
        assert!(error.contains("refuses the user name or the password"), "{error}");
        assert!(!error.contains("guess"), "{error}");
    });
    assert_eq!(asked, [(None, vec![])]);
    scene.asked(refused);
    let asked = scene.asked(|| {
        assert_eq!(succeeded(scene.login(&player, PASSWORD)), "Login Succeeded!");
    });
    assert_eq!(asked, [(Some(USER), vec![])]);
    let asked = scene.asked(|| {
        assert_eq!(player.ok(&["pull", "-q", &scene.private]), id_of(&scene.image));
    });
    assert_eq!(asked, [(Some(USER), wanted)]);
    player.ok(&["logout", &scene.registry.host()]);
    player.ok(&["rmi", &scene.private]);
    scene.asked(refused);
}

#[test]
fn a_push_asks_for_a_token_that_allows_it() {
    let player = player!();
    let scene = Scene::new(&player);
    let pulled = player.ok(&["pull", "-q", &player.session.image_source()]);
    // What anybody may pull, not anybody may push.
    let target = format!("{}/public/new:1", scene.registry.host());
    let push = ["push", "-q", IMAGE, &target];
    // The registry says what it wants: to look for what is there already, then to send the rest.
    let [looking, sending] =
        ["pull", "pull,push"].map(|way| scope(&format!("repository:public/new:{way}")));
    let asked = scene.asked(|| {
        let error = player.refused(&push);
        assert!(error.contains("refuses access"), "{error}");
    });
    assert_eq!(asked[0], (None, looking.clone()));
    // Blobs that are refused side by side each ask for themselves.
    let again = &asked[1..];
    assert!(!again.is_empty() && again.iter().all(|a| *a == (None, sending.clone())), "{again:?}");
    succeeded(scene.login(&player, PASSWORD));
    let asked = scene.asked(|| drop(succeeded(end(player.bolt(&push)))));
    assert_eq!(asked, [(Some(USER), looking), (Some(USER), sending)]);
    let there = format!("docker://{target}");
    let text = run("skopeo", &["inspect", "--raw", "--tls-verify=false", &there]);
    assert_eq!(id(&serde_json::from_str(&text).unwrap()), pulled);
}

/// A pull from behind a gate that lets go of the configuration when the first token is over; the
/// statuses of everything answered, in order.
fn outlive_a_token(told: i64) -> Result<Vec<u16>, String> {
    let player = Player::new()?;
    let scene = Scene::new(&player);
    let config = manifest(&scene.image)["config"]["digest"].as_str().unwrap().to_owned();
    let gate = Gate::hold(scene.registry.address(), 0, vec![config]);
    player.allow_http(&[gate.host()]);
    let name = format!("{}/public/box:1", gate.host());
    let asked = scene.asked(|| {
        scene.tokens.next_lives(Life { real: 4, told });
        let child = player.bolt(&["pull", "-q", "--retry", "0", &name]).spawn().unwrap();
        until("the configuration on its way", || !gate.waiting().is_empty());
        let token = scene.tokens.asked().pop().unwrap().token.unwrap();
        until("the end of the token", || answer(scene.registry.address(), &token) == 401);
        gate.open();
        assert_eq!(succeeded(finish(child, PATIENCE, "pull")), id_of(&scene.image));
    });
    // A second one for all the layers, though they are asked for side by side.
    let one = (None, scope("repository:public/box:pull"));
    assert_eq!(asked, [one.clone(), one]);
    player.assert_sound();
    Ok(gate.answers().into_iter().map(|(_, status)| status).collect())
}

#[test]
fn a_token_is_renewed_before_its_time_is_over() {
    let statuses = match outlive_a_token(2) {
        Ok(statuses) => statuses,
        Err(reason) => crate::skip!(reason),
    };
    // Nothing was refused but the first question, which showed no token.
    assert_eq!(statuses[0], 401, "{statuses:?}");
    assert!(statuses[1..].iter().all(|status| *status == 200), "{statuses:?}");
}

#[test]
fn a_token_that_is_over_before_its_time_is_renewed_when_it_is_refused() {
    let statuses = match outlive_a_token(300) {
        Ok(statuses) => statuses,
        Err(reason) => crate::skip!(reason),
    };
    // Once for want of a token, and again for one that was over.
    assert!(statuses.iter().filter(|status| **status == 401).count() > 1, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&200), "{statuses:?}");
}
