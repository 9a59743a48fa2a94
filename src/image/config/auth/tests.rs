//! Vectors after containers-auth.json(5), docker's config.json and docker-credential-helpers.

use super::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("bolt-auth-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
    fn put(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
    fn files(&self) -> AuthFiles {
        AuthFiles::new(AuthDirs {
            runtime: Some(&self.0.join("run")),
            uid: 1000,
            config_home: &self.0.join("config"),
            home: &self.0.join("home"),
            docker_config: None,
        })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn password(username: &str, password: &str) -> Credentials {
    Credentials::Password { username: username.to_owned(), password: Secret::new(password) }
}

fn find(text: &str, host: &str, path: &str) -> Result<Option<Credentials>, AuthError> {
    AuthFile::parse(Path::new("auth.json"), text.as_bytes(), false)?.find(host, path)
}

fn user(text: &str, host: &str, path: &str) -> String {
    match find(text, host, path) {
        Ok(None) => "none".to_owned(),
        Ok(Some(Credentials::Password { username, password })) => {
            format!("{username}:{}", password.expose())
        }
        Ok(Some(Credentials::IdentityToken(token))) => format!("token {}", token.expose()),
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn the_most_specific_entry_wins() {
    // YTpi is a:b, Yzpk c:d, ZTpm e:f.
    let text = r#"{"auths":{
        "r.io": {"auth":"YTpi"}, "r.io/ns": {"auth":"Yzpk"}, "r.io/ns/repo": {"auth":"ZTpm"},
        "https://old.io/v1/": {"auth":"YTpi"}, "OLD2.io": {"auth":"Yzpk"},
        "https://index.docker.io/v1/": {"auth":"ZTpm"},
        "token.io": {"auth":"YTpi","identitytoken":"tok"},
        "split.io": {"username":"u","password":"p:q"},
        "nul.io": {"auth":"YTpiAAA="}, "unpadded.io": {"auth":"YTpiYg"},
        "empty.io": {}, "empty.io/x": {"auth":""}
    }}"#;
    for (host, path, expected) in [
        ("r.io", "", "a:b"),
        ("r.io", "other/repo", "a:b"),
        ("r.io", "ns", "c:d"),
        ("r.io", "ns/x", "c:d"),
        ("r.io", "ns/repo", "e:f"),
        ("r.io", "ns/repo/below", "e:f"),
        ("r.io", "nsx", "a:b"),
        ("r.io:5000", "ns/repo", "none"),
        ("old.io", "x", "a:b"),
        ("old2.io", "x", "c:d"),
        ("docker.io", "library/alpine", "e:f"),
        ("token.io", "", "token tok"),
        ("split.io", "", "u:p:q"),
        ("nul.io", "", "a:b"),
        ("unpadded.io", "", "a:bb"),
        ("empty.io", "x", "none"),
        ("nobody.io", "x", "none"),
    ] {
        assert_eq!(user(text, host, path), expected, "{host}/{path}");
    }
}

#[test]
fn bad_files_are_named_without_their_secrets() {
    let deep = format!(r#"{{"auths":{}"#, "[".repeat(1 << 20));
    let deep_entry = format!(r#"{{"auths":{{"r.io":{}}}}}"#, "[".repeat(100_000));
    let long = format!(r#"{{"auths":{{"r.io":{{"auth":"{}"}}}}}}"#, "hunter2".repeat(500_000));
    for text in [
        "hunter2",
        "\"hunter2\"",
        "[\"hunter2\"]",
        r#"{"auths":"hunter2"}"#,
        r#"{"auths":["hunter2"]}"#,
        r#"{"auths":{"r.io":"hunter2"}}"#,
        r#"{"auths":{"r.io":{"auth":["hunter2"]}}}"#,
        r#"{"auths":{"r.io":{"auth":"hunter2!"}}}"#,
        r#"{"auths":{"r.io":{"auth":"aHVudGVyMg=="}}}"#,
        r#"{"auths":{"r.io":{"auth":"/////w=="}}}"#,
        r#"{"credHelpers":{"r.io":["hunter2"]}}"#,
        r#"{"credsStore":{"hunter2":1}}"#,
        r#"{"credHelpers":{"r.io":"../hunter2/x"}}"#,
        "{\"auths\":\"\0\"}",
        &deep,
        &deep_entry,
        &long,
    ] {
        let error = find(text, "r.io", "x").unwrap_err();
        let shown = format!("{error} {error:?}");
        let helper = matches!(error, AuthError::HelperName(_));
        assert!(helper || !shown.contains("hunter2"), "{text:.80}: {shown:.300}");
        assert!(helper || shown.contains("auth.json"), "{text:.80}: {shown:.300}");
    }
    let two = br#"{"auths":{"a.io":{"auth":"YTpi"},"b.io":{},"c.io":{"identitytoken":"t"}}}"#;
    assert_eq!(check(Path::new("auth.json"), two).unwrap(), 2);
    assert!(check(Path::new("auth.json"), br#"{"auths":{"a.io":{"auth":"!"}}}"#).is_err());
    for fine in ["", " \n", "{}", r#"{"auths":null}"#, r#"{"credsStore":""}"#] {
        assert_eq!(find(fine, "r.io", "x").unwrap(), None, "{fine:?}");
    }
    let shown = format!("{:?}", password("me", "hunter2"));
    assert!(shown.contains("me") && !shown.contains("hunter2"), "{shown}");
    let shown = format!("{:?}", Credentials::IdentityToken(Secret::new("hunter2")));
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn files_are_read_in_podmans_order_and_only_the_first_is_written() {
    let tree = Tree::new("order");
    let files = tree.files();
    let who = || {
        let found = files.lookup("r.io", "x").unwrap();
        found.map_or("none".to_owned(), |c| c.username().unwrap().to_owned())
    };
    assert_eq!(who(), "none");
    tree.put("home/.dockercfg", r#"{"https://r.io/v1/":{"auth":"bGVnYWN5Ong="}}"#);
    assert_eq!(who(), "legacy");
    tree.put("home/.docker/config.json", r#"{"auths":{"r.io":{"auth":"ZG9ja2VyOng="}}}"#);
    assert_eq!(who(), "docker");
    tree.put("config/containers/auth.json", r#"{"auths":{"r.io":{"auth":"Y29uZmlnOng="}}}"#);
    assert_eq!(who(), "config");
    let other = tree.0.join("config/containers/auth.json");
    assert_eq!(files.remove("r.io").unwrap(), Removed::Elsewhere(other));
    assert!(!tree.0.join("run").exists(), "a removal of nothing makes nothing");

    files.store("r.io", &password("run", "x")).unwrap();
    assert_eq!(who(), "run");
    let written = tree.0.join("run/containers/auth.json");
    assert_eq!(files.write_file(), written);
    assert_eq!(fs::metadata(&written).unwrap().permissions().mode() & 0o777, 0o600);
    let dir = fs::metadata(written.parent().unwrap()).unwrap();
    assert_eq!(dir.permissions().mode() & 0o777, 0o700);
    let place = written.display().to_string();
    assert_eq!(files.remove("r.io").unwrap(), Removed::From(place));
    assert_eq!(who(), "config");

    let only = AuthFiles::only(&tree.0.join("absent.json"));
    assert!(matches!(only.lookup("r.io", ""), Err(AuthError::Missing { .. })));
}

#[test]
fn a_write_keeps_what_other_programs_put_there() {
    let tree = Tree::new("keep");
    let path = tree.put(
        "auth.json",
        r#"{"HttpHeaders":{"X":"y"},"big":123456789012345678901234567890.10,
            "auths":{"old.io":{"auth":"YTpi","email":"e@x","n":1e999},"https://r.io/v1/":{"auth":"YTpi"}}}"#,
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let link = tree.0.join("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let files = AuthFiles::only(&link);
    // A pipe in the place of the lock file is not waited for.
    let lock = tree.0.join(".auth.json.lock");
    rustix::fs::mkfifoat(rustix::fs::CWD, &lock, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    files.store("new.io/ns", &password("me", "p:w")).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    for part in ["123456789012345678901234567890.10", "1e999", "e@x", "HttpHeaders", "new.io/ns"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link stays a link");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files.lookup("new.io", "ns/x").unwrap(), Some(password("me", "p:w")));
    assert_eq!(files.lookup("r.io", "").unwrap(), Some(password("a", "b")));
    assert!(matches!(files.remove("r.io").unwrap(), Removed::From(_)));
    assert_eq!(files.lookup("r.io", "").unwrap(), None);
    files.store("t.io", &Credentials::IdentityToken(Secret::new("tok"))).unwrap();
    let token = Credentials::IdentityToken(Secret::new("tok"));
    assert_eq!(files.lookup("t.io", "").unwrap(), Some(token));
    assert_eq!(files.remove_all().unwrap(), 3);
    assert_eq!(files.remove_all().unwrap(), 0);
    assert!(fs::read_to_string(&path).unwrap().contains("HttpHeaders"));
    assert!(files.store("x.io", &password("a:b", "c")).is_err());
    let before = fs::metadata(&path).unwrap().ino();
    tree.put("auth.json", "{broken");
    assert!(files.store("x.io", &password("a", "c")).is_err(), "a broken file is not replaced");
    assert_eq!(fs::metadata(&path).unwrap().ino(), before);
}

#[test]
fn logins_at_once_do_not_lose_each_other() {
    let tree = Tree::new("race");
    let path = tree.0.join("new/auth.json");
    std::thread::scope(|scope| {
        for n in 0..16 {
            let path = &path;
            scope.spawn(move || {
                AuthFiles::only(path).store(&format!("r{n}.io"), &password("a", "b")).unwrap();
            });
        }
    });
    assert_eq!(AuthFiles::only(&path).remove_all().unwrap(), 16);
}

/// A helper as docker-credential-helpers describes it, in shell: one file a registry.
const HELPER: &str = r#"#!/bin/sh
dir="$(dirname "$0")/kept"; mkdir -p "$dir"; input=$(cat)
name() { printf %s "$1" | tr -c 'a-z0-9.' _; }
case $1 in
get) f="$dir/$(name "$input")"; test -f "$f" || { echo credentials not found in native keychain; exit 1; }; cat "$f";;
store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/'); printf %s "$input" > "$dir/$(name "$url")";;
erase) rm -f "$dir/$(name "$input")";;
esac
"#;

/// Runs in a child of its own: the helper is found through PATH, which belongs to the process.
#[test]
fn credential_helpers_are_asked() {
    let tree = Tree::new("helper");
    let put = |name: &str, text: &str| {
        let text = tree.put(name, text);
        let path = tree.put(&format!("bin/docker-credential-{name}"), "");
        // By another process: what a thread beside this one forks would hold the file busy.
        let install = ["-m", "755", text.to_str().unwrap(), path.to_str().unwrap()];
        let status = std::process::Command::new("install").args(install).status().unwrap();
        assert!(status.success());
    };
    put("box", HELPER);
    put("bad", "#!/bin/sh\necho '{\"Secret\":\"hunter2\"'\n");
    put("no", "#!/bin/sh\necho the vault is locked; exit 3\n");
    put("big", "#!/bin/sh\nyes | head -c 3000000\n");
    let path = format!("{}:{}", tree.0.join("bin").display(), std::env::var("PATH").unwrap());
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "image::config::auth::tests::child_with_helpers", "-q"])
        .env("PATH", path)
        .env("BOLT_TEST_DIR", &tree.0)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stdout));
}

/// Does nothing unless `credential_helpers_are_asked` started it.
#[test]
fn child_with_helpers() {
    let Some(dir) = std::env::var_os("BOLT_TEST_DIR").map(PathBuf::from) else { return };
    let file = dir.join("auth.json");
    let helpers = r#"{"credHelpers":{"box.io":"box","bad.io":"bad","no.io":"no","big.io":"big",
        "gone.io":"gone","https://index.docker.io/v1/":"box"},"credsStore":"gone"}"#;
    fs::write(&file, helpers).unwrap();
    let files = AuthFiles::only(&file);
    assert_eq!(files.lookup("box.io", "x").unwrap(), None);
    let me = password("me", "hunter2");
    assert_eq!(files.store("box.io", &me).unwrap(), "docker-credential-box");
    assert_eq!(files.lookup("box.io", "x/y").unwrap(), Some(me.clone()));
    assert_eq!(fs::read_to_string(&file).unwrap(), helpers, "nothing is written to the file");
    assert_eq!(files.remove("box.io").unwrap(), Removed::From("docker-credential-box".to_owned()));
    assert_eq!(files.remove("box.io").unwrap(), Removed::NotLoggedIn);
    let token = Credentials::IdentityToken(Secret::new("tok"));
    files.store("box.io", &token).unwrap();
    assert_eq!(files.lookup("box.io", "").unwrap(), Some(token));
    // Broken helpers are told, and do not keep the others' entries.
    assert!(matches!(files.remove_all(), Err(AuthError::Helper { .. })));
    assert_eq!(files.lookup("box.io", "").unwrap(), None);

    files.store("docker.io", &me).unwrap();
    assert_eq!(files.lookup("docker.io", "library/alpine").unwrap(), Some(me.clone()));
    assert!(matches!(files.remove("docker.io").unwrap(), Removed::From(_)));
    // The helper for all other registries is not installed: nobody is logged in there.
    assert_eq!(files.lookup("other.io", "x").unwrap(), None);
    for (host, part) in [
        ("bad.io", "did not answer"),
        ("no.io", "the vault is locked"),
        ("big.io", "longer than 1 MiB"),
        ("gone.io", "docker-credential-gone"),
    ] {
        let error = files.lookup(host, "x").unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(part) && !shown.contains("hunter2"), "{shown}");
    }

    let own = files.clone().with_helpers(&["box".to_owned(), AUTH_FILE_HELPER.to_owned()]);
    assert!(matches!(own.store("r.io/ns", &me), Err(AuthError::HelperPath { .. })));
    own.store("r.io", &me).unwrap();
    assert_eq!(own.lookup("r.io", "ns").unwrap(), Some(me));
    assert!(matches!(own.remove("r.io").unwrap(), Removed::From(_)));
}
