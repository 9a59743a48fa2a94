//! What a pull shows while it goes on.

use super::{Player, end, id_of, player};
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::pty::Terminal;
use crate::harness::registry::{Options, Registry};
use crate::harness::user::has;

/// A registry that takes its time for the layers: bars are drawn ten times a second.
struct Scene {
    _registry: Registry,
    proxy: Proxy,
    image: TestImage,
    name: String,
}

impl Scene {
    fn new(player: &Player) -> Self {
        let registry = Registry::start(Options::default());
        let image = TestImage::new(&[300_000]);
        registry.push(&image, "box:1");
        let layers = image.layers();
        let proxy = Proxy::start(registry.address(), move |request, _| {
            match layers.iter().any(|(digest, _)| request.path.ends_with(digest)) {
                true => Fault::Slow(600_000),
                false => Fault::Pass,
            }
        });
        player.allow_http(&[proxy.host()]);
        let name = format!("{}/box:1", proxy.host());
        Scene { _registry: registry, proxy, image, name }
    }

    /// Layers as they are shown.
    fn shown(&self) -> Vec<String> {
        let short = |digest: &str| digest.trim_start_matches("sha256:")[..12].to_owned();
        self.image.layers().iter().map(|(digest, _)| short(digest)).collect()
    }
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let player = player!();
    let scene = Scene::new(&player);
    let out = end(player.bolt(&["pull", &scene.name]));
    assert_eq!((out.code, out.out), (0, format!("{}\n", id_of(&scene.image))));
    let plain = |c: char| c == '\n' || !c.is_control();
    assert!(out.err.chars().all(plain), "{:?}", out.err);
    let lines: Vec<&str> = out.err.lines().collect();
    for layer in scene.shown() {
        let sizes = lines.iter().filter(|line| line.starts_with(&format!("{layer}: "))).count();
        assert_eq!(sizes, 2, "{lines:?}");
        assert!(lines.contains(&format!("{layer}: done").as_str()), "{lines:?}");
    }
    // One when it begins, one when it is there, and nothing else.
    assert_eq!(lines.len(), 2 * scene.shown().len(), "{lines:?}");
    let out = end(player.bolt(&["pull", &scene.name]));
    for layer in scene.shown() {
        assert!(out.err.contains(&format!("{layer}: already here\n")), "{:?}", out.err);
    }
}

#[test]
fn a_quiet_pull_says_the_id_alone() {
    let player = player!();
    let scene = Scene::new(&player);
    for flag in ["-q", "--quiet"] {
        let out = player.run(&["pull", flag, &scene.name]);
        let expected = format!("{}\n", id_of(&scene.image));
        assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, expected.as_str(), ""));
    }
    assert!(!scene.proxy.requests().is_empty());
}

#[test]
fn a_terminal_gets_bars() {
    let player = player!();
    if !has("setsid") {
        skip!("no setsid");
    }
    let scene = Scene::new(&player);
    let mut command = player.session.command("setsid");
    command.env("XDG_CONFIG_HOME", player.config());
    command.arg("--ctty").arg(player.session.program()).args(["pull", &scene.name]);
    let mut terminal = Terminal::start(command, 33, 99);
    let shown = scene.shown();
    // A bar with its bytes, the cursor back up for the next drawing, and what stays in the end.
    terminal.expect(&shown[1]);
    terminal.expect("kB/s");
    terminal.expect("\u{1b}[");
    terminal.expect(&format!("{} done", shown[1]));
    terminal.expect(&id_of(&scene.image));
    assert_eq!(terminal.end(), 0);
}
