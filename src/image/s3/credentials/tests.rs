//! Where credentials are found, and that they are never shown.

use super::*;
use crate::sys::scratch::Scratch;
use CredentialSource::{Anonymous, AuthFile, Aws, Environment, Profile, WebIdentity};

const CANARY: &str = "canary-SECRET-value";

fn places(dir: &Path, set: &[(&str, &str)]) -> AwsPlaces {
    let set: BTreeMap<String, String> =
        set.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    AwsPlaces::from_variables(|name| set.get(name).cloned(), dir)
}

fn home(name: &str, credentials: &str, config: &str) -> Scratch {
    let dir = Scratch::new(name);
    std::fs::create_dir_all(dir.path().join(".aws")).unwrap();
    std::fs::write(dir.path().join(".aws/credentials"), credentials).unwrap();
    std::fs::write(dir.path().join(".aws/config"), config).unwrap();
    dir
}

fn access_key(caller: &Caller) -> &str {
    match &caller.identity {
        Identity::Keys(keys) => &keys.access_key,
        Identity::Web(web) => &web.role,
        Identity::Nobody => "",
    }
}

fn login() -> auth::Credentials {
    auth::Credentials::Password { username: "LOGIN".to_owned(), password: Secret::new(CANARY) }
}

#[test]
fn the_order_is_that_of_the_documentation() {
    let files = format!(
        "[default]\naws_access_key_id = DEFAULT\naws_secret_access_key = {CANARY}\n\
         [games]\naws_access_key_id = GAMES\naws_secret_access_key = {CANARY}\n"
    );
    let dir = home("s3-order", &files, "[profile games]\nregion = eu-north-1\n");
    let environment = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", CANARY)];
    let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "ROLE")];
    let all: Vec<_> =
        environment.into_iter().chain([("AWS_PROFILE", "games")]).chain(web).collect();
    let who = |set: &[(&str, &str)], profile: Option<&str>, login: Option<&auth::Credentials>| {
        let source = profile.map_or(Aws, |p| Profile(p.to_owned()));
        let caller = places(dir.path(), set).caller("h", &source, login).unwrap();
        assert!(!format!("{caller:?}").contains(CANARY));
        access_key(&caller).to_owned()
    };
    assert_eq!(who(&all, Some("games"), Some(&login())), "GAMES");
    assert_eq!(who(&all, None, Some(&login())), "ENV");
    assert_eq!(who(&all[2..], None, Some(&login())), "GAMES");
    assert_eq!(who(&all[3..], None, Some(&login())), "LOGIN");
    assert_eq!(who(&all[3..], None, None), "ROLE");
    assert_eq!(who(&[], None, None), "DEFAULT");
    let region = |set: &[(&str, &str)]| places(dir.path(), set).region(None).unwrap();
    assert_eq!(region(&[("AWS_PROFILE", "games")]).as_deref(), Some("eu-north-1"));
    assert_eq!(region(&[("AWS_DEFAULT_REGION", "r")]).as_deref(), Some("r"));
    assert_eq!(region(&[]), None);
}

#[test]
fn a_region_that_can_be_none_is_told_with_its_place() {
    let dir = home("s3-regions", "", "[profile odd]\nregion = a b\n");
    let long = "x".repeat(500);
    for (set, place) in [
        ([("AWS_REGION", "x/../y")], "AWS_REGION is \"x/../y\""),
        ([("AWS_DEFAULT_REGION", long.as_str())], "AWS_DEFAULT_REGION is \"xxx"),
        ([("AWS_PROFILE", "odd")], "region of the profile \"odd\" is \"a b\""),
    ] {
        let error = places(dir.path(), &set).region(None).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains("such as eu-west-1"), "{error}");
        assert!(error.len() < 300, "{error}");
    }
    for region in ["garage", "us-gov-west-1", "RegionOne", "auto"] {
        let set = [("AWS_REGION", region)];
        assert_eq!(places(dir.path(), &set).region(None).unwrap().as_deref(), Some(region));
    }
}

#[test]
fn named_files_are_read_instead() {
    let dir = home("s3-files", "", "");
    let file = dir.path().join("other");
    std::fs::write(
        &file,
        "[x]\naws_access_key_id=K\naws_secret_access_key=S\naws_session_token=T\n",
    )
    .unwrap();
    let set = [("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap()), ("AWS_PROFILE", "x")];
    let caller = places(dir.path(), &set).caller("h", &Aws, None).unwrap();
    let Identity::Keys(keys) = caller.identity else { panic!("no keys") };
    assert_eq!(keys.token, Some(Secret::new("T")));
}

#[test]
fn nobody_is_nobody() {
    let dir = home("s3-nobody", "", "");
    let caller = places(dir.path(), &[]).caller("h", &Aws, None).unwrap();
    assert_eq!(caller.identity, Identity::Nobody);
    let none = places(Path::new("/nonexistent"), &[]).caller("h", &Aws, None).unwrap();
    assert_eq!(none, Caller::nobody());
}

#[test]
fn what_is_wrong_is_named_without_a_value() {
    let half = format!("[default]\naws_secret_access_key = {CANARY}\n[b]\nregion=x\n");
    let dir = home("s3-wrong", &half, "");
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[], "the profile \"default\" has aws_secret_access_key but no aws_access_key_id"),
        (&[("AWS_PROFILE", "nope")], "the profile \"nope\" is neither in"),
        (&[("AWS_PROFILE", "b")], "no aws_access_key_id"),
        (&[("AWS_ACCESS_KEY_ID", CANARY)], "no AWS_SECRET_ACCESS_KEY"),
        (&[("AWS_SECRET_ACCESS_KEY", CANARY)], "no AWS_ACCESS_KEY_ID"),
        (&[("AWS_WEB_IDENTITY_TOKEN_FILE", CANARY)], "no AWS_ROLE_ARN"),
        (
            &[
                ("AWS_ACCESS_KEY_ID", CANARY),
                ("AWS_SECRET_ACCESS_KEY", CANARY),
                ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"),
            ],
            "expired at 2020-01-01T00:00:00Z",
        ),
    ];
    for (set, says) in cases {
        let places = places(dir.path(), set);
        let error = places.caller("h", &Aws, None).unwrap_err().to_string();
        assert!(error.contains(says) && !error.contains(CANARY), "{error}");
        assert!(!format!("{places:?}").contains(CANARY));
    }
    let token = auth::Credentials::IdentityToken(Secret::new(CANARY));
    let error = places(dir.path(), &[]).caller("h:1", &Aws, Some(&token)).unwrap_err();
    assert!(error.to_string().contains("bolt login h:1"), "{error}");
    let set = [("AWS_ACCESS_KEY_ID", "a\nb"), ("AWS_SECRET_ACCESS_KEY", CANARY)];
    let error = places(dir.path(), &set).caller("h", &Aws, None).unwrap_err();
    assert!(error.to_string().contains("control character"), "{error}");
}

#[test]
fn a_place_that_is_named_is_the_only_one() {
    let files = format!("[default]\naws_access_key_id=D\naws_secret_access_key={CANARY}\n");
    let dir = home("s3-only", &files, "");
    let environment = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", CANARY)];
    let login = login();
    let who =
        |set: &[(&str, &str)], source| places(dir.path(), set).caller("h", &source, Some(&login));
    assert_eq!(access_key(&who(&environment, AuthFile).unwrap()), "LOGIN");
    assert_eq!(access_key(&who(&environment, Environment).unwrap()), "ENV");
    assert_eq!(access_key(&who(&environment, Profile("default".to_owned())).unwrap()), "D");
    assert_eq!(who(&environment, Anonymous).unwrap(), Caller::nobody());
    for (source, says) in [(Environment, "AWS_ACCESS_KEY_ID"), (WebIdentity, "AWS_ROLE_ARN")] {
        let error = who(&[], source).unwrap_err().to_string();
        assert!(error.contains("for h: there is no AWS") && error.contains(says), "{error}");
    }
}
