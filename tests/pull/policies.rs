//! policy.json: what may be pulled at all.

use super::{asked, ear, id_of, player};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use serde_json::{Value, json};

fn anything() -> Value {
    json!([{ "type": "insecureAcceptAnything" }])
}

fn reject() -> Value {
    json!([{ "type": "reject" }])
}

#[test]
fn what_the_default_rejects_is_not_asked_for() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    registry.push(&image, "box:1");
    let ear = ear(&registry);
    player.allow_http(&[ear.host()]);
    let name = format!("docker://{}/box:1", ear.host());
    player.set("policy.json", &json!({ "default": reject() }).to_string());
    let error = player.refused(&["pull", "-q", &name]);
    assert!(error.contains("is rejected by the rule \"default\""), "{error}");
    let file = player.config().join("containers/policy.json");
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    // What cannot be read opens nothing.
    player.set("policy.json", r#"{"default":[{"type":"insecureAcceptAnything","x":1}]}"#);
    let error = player.refused(&["pull", "-q", &name]);
    assert!(error.contains("rejected as a whole"), "{error}");
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
    player.set("policy.json", &json!({ "default": anything() }).to_string());
    assert_eq!(player.ok(&["pull", "-q", &name]), id_of(&image));
}

#[test]
fn a_scope_that_is_allowed_opens_no_other() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    for name in ["games/box:1", "gamesmith/box:1", "box:1"] {
        registry.push(&image, name);
    }
    let ear = ear(&registry);
    player.allow_http(&[ear.host()]);
    let scope = format!("{}/games", ear.host());
    let policy = json!({ "default": reject(), "transports": { "docker": { scope: anything() } } });
    player.set("policy.json", &policy.to_string());
    for other in ["gamesmith/box:1", "box:1"] {
        let error = player.refused(&["pull", "-q", &format!("docker://{}/{other}", ear.host())]);
        assert!(error.contains("is rejected by"), "{error}");
    }
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
    let name = format!("{}/games/box:1", ear.host());
    assert_eq!(player.ok(&["pull", "-q", &format!("docker://{name}")]), id_of(&image));
    assert!(player.has(&name));
}

#[test]
fn a_signature_that_cannot_be_checked_is_no_signature() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    registry.push(&image, "signed/box:1");
    registry.push(&image, "box:1");
    let ear = ear(&registry);
    player.allow_http(&[ear.host()]);
    let signed = json!([{ "type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/key.gpg" }]);
    let scope = format!("{}/signed", ear.host());
    let policy = json!({ "default": anything(), "transports": { "docker": { scope: signed } } });
    player.set("policy.json", &policy.to_string());
    let error = player.refused(&["pull", "-q", &format!("docker://{}/signed/box:1", ear.host())]);
    assert!(error.contains("needs a signedBy signature"), "{error}");
    assert!(error.contains("this version cannot check signatures"), "{error}");
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
    let name = format!("docker://{}/box:1", ear.host());
    assert_eq!(player.ok(&["pull", "-q", &name]), id_of(&image));
}

#[test]
fn a_layouts_directory_is_a_scope_too() {
    let player = player!();
    let (denied, free) = (TestImage::new(&[]), TestImage::new(&[1000]));
    for image in [&denied, &free] {
        image.open_to_all();
    }
    let dir = denied.layout();
    let policy = json!({
        "default": anything(),
        "transports": { "oci": { dir.to_str().unwrap(): reject() } },
    });
    player.set("policy.json", &policy.to_string());
    for source in [denied.source(), format!("oci:{}", dir.display())] {
        let error = player.refused(&["pull", "-q", &source]);
        assert!(error.contains("is rejected by the rule for scope"), "{error}");
    }
    // By another spelling it is the same directory.
    let mut near = player.bolt(&["pull", "-q", "oci:layout:v1"]);
    near.current_dir(dir.parent().unwrap());
    let error = super::refused(super::end(near));
    assert!(error.contains("is rejected by the rule for scope"), "{error}");
    // Nor does another way there lead around the rule.
    let alias = player.session.dir().join("home/alias");
    std::os::unix::fs::symlink(&dir, &alias).unwrap();
    let around = [dir.join("../layout"), alias];
    for way in around {
        let error = player.refused(&["pull", "-q", &format!("oci:{}:v1", way.display())]);
        assert!(error.contains("is rejected by the rule for scope"), "{}: {error}", way.display());
    }
    assert_eq!(player.ok(&["images", "-q"]), "");
    assert_eq!(player.ok(&["pull", "-q", &free.source()]), id_of(&free));
}
