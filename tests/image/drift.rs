//! Pulling from a Drift: what its registry part does otherwise than the specification.

use super::{Machine, password, text};
use crate::harness::drift::{Dialect, Drift, Options};
use crate::harness::image::TestImage;
use bolt::image::config::certs::HostCerts;
use bolt::image::progress::Silent;
use bolt::image::registry::{LoginCheck, Patience, Proxies, check_login};

#[test]
fn an_image_comes_from_a_drift_with_all_its_quirks() {
    let image = TestImage::new(&[60_000]);
    let options = Options { password: Some("me:pass".into()), ..Options::new(Dialect::Drift) };
    let drift = Drift::start(options, Some(&image));
    let machine = Machine::new();
    let name = format!("{}/demo:v1", drift.host());
    let mut request = machine.request(&name);
    let error = text(&machine.pull(&request).0.unwrap_err());
    assert!(error.contains("bolt login"), "{error}");
    // A 401 that does not say how is answered with the password.
    request.credentials = Some(password("me", "pass"));
    let record = machine.pull(&request).0.unwrap_or_else(|e| panic!("{}", text(&e)));
    assert_eq!(record.layers.len(), 2);
    request.credentials = Some(password("me", "canary-of-a-password"));
    let (result, progress) = machine.pull(&request);
    let seen = format!("{} {:?}", text(&result.unwrap_err()), progress.events());
    assert!(!seen.contains("canary"), "{seen}");
}

#[test]
fn a_login_is_checked_where_the_drift_can() {
    let check = |drift: &Drift, word: &str| {
        check_login(
            &drift.host(),
            &password("me", word),
            true,
            HostCerts::default(),
            &Proxies::default(),
            &Patience::default(),
            &Silent,
        )
    };
    // Nothing is enforced, and nobody looks at the password.
    let open = Drift::start(Options::new(Dialect::Drift), None);
    assert_eq!(check(&open, "any").unwrap(), LoginCheck::NotAsked);
    let options = Options { password: Some("me:pass".into()), ..Options::new(Dialect::Drift) };
    let basic = Drift::start(options.clone(), None);
    assert_eq!(check(&basic, "pass").unwrap(), LoginCheck::Accepted);
    let form = Drift::start(Options { login: true, ..options }, None);
    assert_eq!(check(&form, "pass").unwrap(), LoginCheck::Accepted);
    for drift in [&basic, &form] {
        let error = check(drift, "canary").unwrap_err().to_string();
        assert!(
            error.contains("refuses the user name or the password") && !error.contains("canary"),
            "{error}"
        );
        assert!(!drift.asked().join(" ").contains("canary"), "no password in an address");
    }
}
