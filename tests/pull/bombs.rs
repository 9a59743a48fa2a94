//! Layers that ask for more than any layer may have, pulled by name.

use super::{Player, document, manifest, player, push, put};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::run;
use bolt::image::manifest::OCI_MANIFEST;
use serde_json::json;

/// Files and links of the store.
fn left(player: &Player) -> Vec<String> {
    let store = player.session.data().join("store");
    let names = ["-mindepth", "2", "-not", "-type", "d", "-printf", "%P\n"];
    let text = run("find", &[&[store.to_str().unwrap()][..], &names].concat());
    text.lines().map(str::to_owned).collect()
}

/// The pull is refused in one line that says `why`, and leaves nothing.
fn assert_refused(player: &Player, name: &str, layer: &str, why: &str) {
    // This makes the store.
    player.assert_sound();
    let before = left(player);
    for _ in 0..2 {
        let error = player.refused(&["pull", "-q", name]);
        assert!(error.contains(why) && error.contains(layer), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert_eq!(player.ok(&["images", "-aq"]), "");
        assert_eq!(left(player), before);
    }
    player.assert_sound();
}

#[test]
fn a_layer_with_a_file_larger_than_any_disk_is_refused() {
    let player = player!();
    let registry = Registry::start(Options::default());
    player.allow_http(&[registry.host()]);
    let image = TestImage::without_layers();
    // Two terabytes of hole, which are some hundred bytes in the tar.
    image.add_by(&["--sparse"], |root| {
        let file = std::fs::File::create(root.join("hole")).unwrap();
        file.set_len(2 << 40).unwrap();
    });
    let (layer, size) = image.layers().remove(0);
    assert!(size < 10_000, "{size}");
    let name = registry.push(&image, "bomb:1");
    assert_refused(&player, &name, &layer, "passes the limit of 1099511627776 bytes");
}

#[test]
fn a_layer_that_is_zstd_around_nothing_is_refused() {
    let player = player!();
    let registry = Registry::start(Options::default());
    player.allow_http(&[registry.host()]);
    let image = TestImage::without_layers();
    // The end of a tar, and a little more than the gibibyte that every layer may have behind it.
    let zeros = (1_u64 << 30) + (1 << 20);
    let file = image.layout().join("bomb");
    let script = format!("head -c {zeros} /dev/zero | zstd -q -o {}", file.display());
    run("sh", &["-c", &script]);
    let bytes = std::fs::read(file).unwrap();
    assert!((bytes.len() as u64) < zeros / 1100, "{}", bytes.len());
    let layer = put(&image, "application/vnd.oci.image.layer.v1.tar+zstd", &bytes);
    let mut manifest = manifest(&image);
    let mut config = document(&image, &manifest["config"]["digest"]);
    // Nobody comes so far as to compare it.
    config["rootfs"]["diff_ids"] = json!([layer["digest"]]);
    let kind = manifest["config"]["mediaType"].as_str().unwrap();
    manifest["config"] = put(&image, kind, config.to_string().as_bytes());
    manifest["layers"] = json!([layer]);
    let whole = put(&image, OCI_MANIFEST, manifest.to_string().as_bytes());
    let name = push(&registry, &image, whole, "bomb:2");
    let why = "passes the limit of 1073741824 bytes for the size of its blob";
    assert_refused(&player, &name, layer["digest"].as_str().unwrap(), why);
}
