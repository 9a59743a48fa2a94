//! Layers that are on their way: several at once, and unpacked while they come.

use super::gate::Gate;
use super::{PATIENCE, Player, id_of, player, succeeded};
use crate::harness::image::{TestImage, noise};
use crate::harness::process::finish;
use crate::harness::registry::{Options, Registry};
use crate::harness::user::until;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Child;

/// How many, as `src/image/registry` says.
const PARALLEL: usize = 6;

/// Starts a pull that asks for everything once only.
fn pull(player: &Player, gate: &Gate) -> (Child, String) {
    player.allow_http(&[gate.host()]);
    let name = format!("{}/box:1", gate.host());
    (player.bolt(&["pull", "-q", "--retry", "0", &name]).spawn().unwrap(), name)
}

/// Where a file of a layer lies: of one that is finished, or of one that is not.
fn lying(player: &Player, name: &str, finished: bool) -> Option<PathBuf> {
    let list = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let layers = list(player.session.data().join("store/layers")).into_iter().flat_map(list);
    let staged = |dir: &PathBuf| {
        dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".staging-"))
    };
    let wanted = layers.filter(|dir| staged(dir) != finished);
    wanted.map(|dir| dir.join(name)).find(|path| path.exists())
}

#[test]
fn layers_are_fetched_side_by_side() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[200_000; PARALLEL + 2]);
    registry.push(&image, "box:1");
    let layers: Vec<String> = image.layers().into_iter().map(|(digest, _)| digest).collect();
    let gate = Gate::hold(registry.address(), 100_000, layers.clone());
    let (child, _) = pull(&player, &gate);
    // None of them ends, so none but those that began side by side can be there.
    until("as many layers on their way as may be", || gate.waiting().len() >= PARALLEL);
    let first: BTreeSet<String> = layers[..PARALLEL].iter().cloned().collect();
    assert_eq!(gate.waiting(), first);
    gate.open();
    assert_eq!(succeeded(finish(child, PATIENCE, "pull")), id_of(&image));
    player.assert_sound();
}

#[test]
fn a_layer_is_unpacked_while_it_comes() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    let (first, last) = (noise(5, 1_000_000), noise(6, 3_000_000));
    image.add_by(&["--sort=name"], |root| {
        std::fs::write(root.join("1-first"), &first).unwrap();
        std::fs::write(root.join("2-last"), &last).unwrap();
    });
    registry.push(&image, "box:1");
    let (layer, size) = image.layers()[1].clone();
    let half = 2_000_000;
    assert!(size > half + 1_000_000, "{size}");
    let gate = Gate::hold(registry.address(), half, vec![layer.clone()]);
    let (child, name) = pull(&player, &gate);
    until("a file of the half that has come", || {
        let staged = lying(&player, "1-first", false).and_then(|path| std::fs::read(path).ok());
        staged.is_some_and(|bytes| bytes == first)
    });
    // The other half has not: what lies there is of no layer, and there is no image.
    assert!(gate.waiting().contains(&layer));
    assert_eq!(lying(&player, "1-first", true), None);
    assert!(!player.has(&name));
    gate.open();
    assert_eq!(succeeded(finish(child, PATIENCE, "pull")), id_of(&image));
    let path = lying(&player, "2-last", true).unwrap();
    assert!(std::fs::read(path).unwrap() == last);
    assert_eq!(lying(&player, "1-first", false), None);
    player.assert_sound();
}
