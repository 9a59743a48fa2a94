//! Whose certificates are believed.

use super::{end, id_of, player, refused, succeeded};
use crate::harness::image::TestImage;
use crate::harness::process::Out;
use crate::harness::registry::{Options, Registry};
use std::path::Path;

#[test]
fn the_systems_authorities_are_believed_and_no_others() {
    let player = player!();
    let options = Options { tls: true, ..Options::default() };
    let (registry, stranger) = (Registry::start(options), Registry::start(options));
    let image = TestImage::new(&[]);
    let name = registry.push(&image, "box:1");
    player.set("registries.conf", "");
    let pull = |variable: &str, value: &Path| -> Out {
        let mut command = player.bolt(&["pull", "-q", "--retry", "0", &name]);
        command.env(variable, value);
        end(command)
    };
    let distrusted = |out: Out| {
        let error = refused(out);
        assert!(error.contains("cannot be trusted"), "{error}");
        error
    };
    // Who has no authority of ours in his system. The stranger's goes by the same name.
    let error = distrusted(pull("LANG", Path::new("C")));
    assert!(error.contains("unknown authority"), "{error}");
    distrusted(pull("SSL_CERT_FILE", &stranger.ca()));
    assert_eq!(player.ok(&["images", "-q"]), "");
    // Who has: where OpenSSL, and all that go by its variables, look for it.
    assert_eq!(succeeded(pull("SSL_CERT_FILE", &registry.ca())), id_of(&image));
    let dir = player.session.dir().join("authorities");
    std::fs::create_dir(&dir).unwrap();
    std::fs::copy(stranger.ca(), dir.join("stranger.pem")).unwrap();
    distrusted(pull("SSL_CERT_DIR", &dir));
    std::fs::copy(registry.ca(), dir.join("ours.pem")).unwrap();
    assert_eq!(succeeded(pull("SSL_CERT_DIR", &dir)), id_of(&image));
    // Besides the system's there are the user's own for the host.
    player.set(
        &format!("certs.d/{}/ca.crt", registry.host()),
        &std::fs::read_to_string(registry.ca()).unwrap(),
    );
    assert_eq!(succeeded(pull("SSL_CERT_FILE", &stranger.ca())), id_of(&image));
}
