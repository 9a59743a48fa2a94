//! `--platform` with variants of one processor.

use super::{document, id, manifest, player, push, put};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use bolt::image::manifest::{OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

/// The same image once more, for an ARM processor: its id, and its entry in an index.
fn for_arm(image: &TestImage, mut manifest: Value, variant: &str) -> (String, Value) {
    let mut config = document(image, &manifest["config"]["digest"]);
    config["architecture"] = json!("arm");
    config["variant"] = json!(variant);
    let kind = manifest["config"]["mediaType"].as_str().unwrap();
    manifest["config"] = put(image, kind, config.to_string().as_bytes());
    let mut entry = put(image, OCI_MANIFEST, manifest.to_string().as_bytes());
    entry["platform"] = json!({ "os": "linux", "architecture": "arm", "variant": variant });
    (id(&manifest), entry)
}

#[test]
fn each_variant_of_an_index_gives_its_own_image() {
    let player = player!();
    let registry = Registry::start(Options::default());
    player.allow_http(&[registry.host()]);
    let image = TestImage::new(&[]);
    let plain = manifest(&image);
    let (v6, six) = for_arm(&image, plain.clone(), "v6");
    let (v7, seven) = for_arm(&image, plain, "v7");
    assert_ne!(v6, v7);
    // Whichever stands first.
    for (tag, entries) in [("up", [&six, &seven]), ("down", [&seven, &six])] {
        let list = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        let list = put(&image, OCI_INDEX, list.to_string().as_bytes());
        let name = push(&registry, &image, list, &format!("box:{tag}"));
        let pull = |platform: &str| player.ok(&["pull", "-q", "--platform", platform, &name]);
        let variant = || player.ok(&["image", "inspect", "--format", "{{.Variant}}", &name]);
        assert_eq!((pull("linux/arm/v7"), variant()), (v7.clone(), "v7".to_owned()), "{tag}");
        assert_eq!((pull("linux/arm/v6"), variant()), (v6.clone(), "v6".to_owned()), "{tag}");
        // As Go has it, and as uname calls them.
        assert_eq!((pull("linux/arm"), pull("linux/armv6l")), (v7.clone(), v6.clone()), "{tag}");
        let error = player.refused(&["pull", "-q", "--platform", "linux/arm/v5", &name]);
        assert!(error.contains("linux/arm/v6") && error.contains("linux/arm/v7"), "{error}");
    }
}
