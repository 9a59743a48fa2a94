//! Slow sources: left where another one is far faster, also when that has nothing to do or is not
//! asked as long as others serve; and not left where none is.

use super::mirrors::{Scene, asked, is_blob, one_line};
use super::{Machine, text};
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use bolt::image::config::registries::Registries;
use bolt::image::progress::Recording;
use std::time::{Duration, Instant};

/// Blobs that are too small to be divided.
const FOUR: [usize; 4] = [4_000_000; 4];

macro_rules! scene {
    ($noises:expr, $registry:expr) => {
        match Scene::behind($noises, $registry) {
            Ok(scene) => scene,
            Err(reason) => crate::skip!(reason),
        }
    };
}

/// What a pull told, which took at most `seconds`.
fn timely(seconds: u64, pull: impl FnOnce() -> Recording) -> Recording {
    let start = Instant::now();
    let progress = pull();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(seconds), "{took:?}: {:?}", progress.notes());
    progress
}

fn told_slow(progress: &Recording, source: &Proxy) {
    one_line(progress, source);
    assert!(progress.notes()[0].contains("slow ("), "{:?}", progress.notes());
}

#[test]
fn a_slow_mirror_is_left_when_the_fast_one_has_nothing_more_to_do() {
    let scene = scene!(&FOUR, Fault::Pass);
    let fast = scene.mirror(Fault::Pass);
    for rate in [200_000, 1] {
        let slow = scene.mirror(Fault::Slow(rate));
        for mirrors in [[&slow, &fast], [&fast, &slow]] {
            told_slow(&timely(10, || scene.pull(&Machine::new(), &mirrors)), &slow);
        }
    }
}

/// The one that has nothing to do sent so little that its speed is not known.
#[test]
fn the_last_layer_is_taken_over_from_a_slow_mirror() {
    let scene = scene!(&[6_000_000, 20_000], Fault::Pass);
    let (slow, fast) = (scene.mirror(Fault::Slow(300_000)), scene.mirror(Fault::Pass));
    told_slow(&timely(8, || scene.pull(&Machine::new(), &[&slow, &fast])), &slow);
}

#[test]
fn a_divided_blob_is_not_held_up_by_a_slow_mirror() {
    let scene = scene!(&[40 << 20], Fault::Pass);
    let (slow, fast) = (scene.mirror(Fault::Slow(200_000)), scene.mirror(Fault::Pass));
    told_slow(&timely(12, || scene.pull(&Machine::new(), &[&slow, &fast])), &slow);
}

#[test]
fn a_lone_slow_mirror_is_left_for_the_registry() {
    let scene = scene!(&[30_000_000, 9_000_000, 9_000_000], Fault::Pass);
    let slow = scene.mirror(Fault::Slow(400_000));
    told_slow(&timely(15, || scene.pull(&Machine::new(), &[&slow])), &slow);
    assert!(scene.asked_of_registry() > 1);
}

#[test]
fn a_slow_mirror_of_the_registry_is_left_for_it() {
    let registry = Registry::start(Options::default());
    let name = registry.push(&TestImage::new(&[20_000_000, 9_000_000, 9_000_000]), "box:1");
    for rate in [400_000, 1] {
        let slow = Proxy::start(registry.address(), move |request, _| {
            if is_blob(request) { Fault::Slow(rate) } else { Fault::Pass }
        });
        let mut machine = Machine::new();
        let conf = format!(
            "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
            registry.host(),
            slow.host()
        );
        machine.registries = Registries::parse("registries.conf".as_ref(), &conf).unwrap();
        let mut request = machine.request(&name);
        request.patience.stall = Duration::from_secs(20);
        let progress = timely(15, || {
            let (result, progress) = machine.pull(&request);
            result.unwrap_or_else(|e| panic!("{}: {:?}", text(&e), progress.notes()));
            progress
        });
        told_slow(&progress, &slow);
        let next = format!("; trying {}/box", registry.host());
        assert!(progress.notes()[0].ends_with(&next), "{:?}", progress.notes());
    }
}

#[test]
fn mirrors_stay_that_are_as_slow_as_all_others() {
    let scene = scene!(&[4_000_000, 4_000_000], Fault::Slow(1_800_000));
    let (a, b) = (scene.mirror(Fault::Slow(500_000)), scene.mirror(Fault::Slow(500_000)));
    let progress = scene.pull(&Machine::new(), &[&a, &b]);
    assert_eq!(progress.notes(), Vec::<String>::new());
    assert!(asked(&a) > 0 && asked(&b) > 0, "{} {}", asked(&a), asked(&b));
    assert!(scene.asked_of_registry() > 0, "it was not even tried");
}

/// The mirrors are fast, and the way to all of them is not: the idle one is tried in vain.
#[test]
fn nobody_is_left_for_a_line_that_is_slow_for_all() {
    let scene = scene!(&[6_000_000], Fault::Slow(100_000));
    let line = scene.mirror(Fault::Slow(800_000));
    let [a, b] = [(); 2].map(|()| Proxy::start(line.address(), |_, _| Fault::Pass));
    let progress = scene.pull(&Machine::new(), &[&a, &b]);
    assert_eq!(progress.notes(), Vec::<String>::new());
    assert!(asked(&a) > 0 && asked(&b) > 0, "{} {}", asked(&a), asked(&b));
}
