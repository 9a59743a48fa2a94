//! Two pulls of one image at the same time.

use super::{PATIENCE, asked, id_of, player, succeeded};
use crate::harness::image::{TestImage, noise};
use crate::harness::process::{finish, is_stopped, signal};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use crate::harness::user::until;
use bolt::image::types::Digest;

const NOISES: [usize; 2] = [900_000, 400_000];
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

#[test]
fn two_pulls_at_once_fetch_each_blob_once() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&NOISES);
    registry.push(&image, "box:1");
    let layers = image.layers();
    // Slow enough to be stopped with every layer still to come.
    let proxy = Proxy::start(registry.address(), |_, _| Fault::Slow(300_000));
    player.allow_http(&[proxy.host()]);
    let name = format!("{}/box:1", proxy.host());
    let count = |end: &str| asked(&proxy).iter().filter(|path| path.ends_with(end)).count();
    let spawn = || player.bolt(&["pull", "-q", &name]).spawn().unwrap();
    let first = spawn();
    until("the first fetches layers", || layers.iter().all(|(digest, _)| count(digest) == 1));
    signal(first.id(), SIGSTOP);
    until("the first is stopped", || is_stopped(first.id()));
    let second = spawn();
    until("the second has asked for the manifest", || count("/manifests/1") == 2);
    signal(first.id(), SIGCONT);
    for child in [first, second] {
        assert_eq!(succeeded(finish(child, PATIENCE, "pull")), id_of(&image));
    }
    for (digest, _) in &layers {
        assert_eq!(count(digest), 1, "{digest}: {:?}", asked(&proxy));
    }
    player.assert_sound();
    for (n, len) in NOISES.iter().enumerate() {
        let script = format!("/bin/busybox sha256sum </data/{n}");
        let sum = player.ok(&["run", "--rm", "--network", "none", &name, "sh", "-c", &script]);
        let expected = Digest::sha256_of(&noise(n as u64 + 77, *len));
        assert!(sum.starts_with(expected.hex()), "{sum}");
    }
}
