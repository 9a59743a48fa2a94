//! Mirrors of registries that lie or die with several layers on their way: one line each.

use super::{Machine, text};
use crate::harness::image::{TestImage, noise};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use bolt::image::config::registries::Registries;
use bolt::image::progress::Recording;
use std::time::Duration;

const NOISES: [usize; 4] = [3_000_000, 2_000_000, 1_000_000, 500_000];

/// A registry with an image of several layers.
struct Scene {
    registry: Registry,
    image: TestImage,
    name: String,
}

impl Scene {
    fn new() -> Self {
        let registry = Registry::start(Options::default());
        let image = TestImage::new(&NOISES);
        let name = registry.push(&image, "box:1");
        Scene { registry, image, name }
    }

    /// A mirror that does `fault` to every layer, and nothing to the rest.
    fn mirror(&self, fault: Fault) -> Proxy {
        let layers = self.image.layers();
        Proxy::start(self.registry.address(), move |request, _| {
            let layer = layers.iter().any(|(digest, _)| request.path.ends_with(digest));
            if layer { fault.clone() } else { Fault::Pass }
        })
    }

    fn machine(&self, mirror: &Proxy) -> Machine {
        let mut machine = Machine::new();
        let conf = format!(
            "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
            self.registry.host(),
            mirror.host()
        );
        machine.registries = Registries::parse("registries.conf".as_ref(), &conf).unwrap();
        machine
    }

    /// A pull that brings what is right.
    fn pull(&self, machine: &Machine) -> Recording {
        let (result, progress) = machine.pull(&machine.request(&self.name));
        let record = result.unwrap_or_else(|e| panic!("{}: {:?}", text(&e), progress.notes()));
        for (n, len) in NOISES.iter().enumerate() {
            let chain = &record.layers[n + 1].chain_id;
            let layer = machine.store().layer_path(bolt::store::Layout::Single, chain);
            let data = std::fs::read(layer.join(format!("data/{n}"))).unwrap();
            assert!(data == noise(n as u64 + 77, *len), "layer {n} is wrong");
        }
        assert!(machine.partials().is_empty());
        progress
    }
}

#[test]
fn a_mirror_that_lies_is_told_once_and_none_of_its_bytes_are_kept() {
    let scene = Scene::new();
    let mirror = scene.mirror(Fault::Corrupt);
    let notes = scene.pull(&scene.machine(&mirror)).notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let (said, next) = (format!("{}/box sent wrong bytes", mirror.host()), scene.registry.host());
    assert!(notes[0].contains(&said) && notes[0].contains(&format!("trying {next}")), "{notes:?}");
}

#[test]
fn a_mirror_that_cuts_every_layer_is_told_once() {
    let scene = Scene::new();
    let mirror = scene.mirror(Fault::Cut(1000));
    let notes = scene.pull(&scene.machine(&mirror)).notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&mirror.host()), "{notes:?}");
}

/// As a pull that was killed leaves them.
#[test]
fn wrong_beginnings_of_several_layers_are_fetched_anew() {
    let scene = Scene::new();
    let mirror = scene.mirror(Fault::Corrupt);
    for (machine, lies) in [(Machine::new(), false), (scene.machine(&mirror), true)] {
        machine.store();
        for (digest, _) in &scene.image.layers()[1..] {
            let hex = digest.trim_start_matches("sha256:");
            let dir = machine.dir.join("store/blobs/sha256").join(&hex[..2]);
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(format!("{hex}.part")), vec![0; 100_000]).unwrap();
        }
        let notes = scene.pull(&machine).notes();
        match lies {
            false => assert!(notes.iter().all(|note| note.contains("earlier pull")), "{notes:?}"),
            true => assert!(notes.len() == 1 && notes[0].contains("wrong bytes"), "{notes:?}"),
        }
    }
}

/// Wrong bytes, and more of them than were asked for.
#[test]
fn a_mirror_that_sends_too_much_is_told_once_and_the_registry_is_not_blamed() {
    let scene = Scene::new();
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
    let mirror = scene.mirror(Fault::Endless(head, vec![0; 100_000], Duration::from_millis(1)));
    let notes = scene.pull(&scene.machine(&mirror)).notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&mirror.host()), "{notes:?}");
}

#[test]
fn a_mirror_whose_manifest_is_none_is_told_once() {
    let scene = Scene::new();
    for (status, body) in [("200 OK", "<html>"), ("204 No Content", ""), ("200 OK", "{}")] {
        let mirror = Proxy::start(scene.registry.address(), move |request, _| {
            let kind = vec![("Content-Type".to_owned(), "text/html".to_owned())];
            match request.path.contains("/manifests/") {
                true => Fault::Answer(status.to_owned(), kind, body.to_owned()),
                false => Fault::Pass,
            }
        });
        let notes = scene.pull(&scene.machine(&mirror)).notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        let (said, next) =
            (format!("{}/box: manifest is not", mirror.host()), scene.registry.host());
        assert!(notes[0].contains(&said) && notes[0].contains(&next), "{notes:?}");
    }
}
