//! registries.conf: where a name is asked for, and how.

use super::{asked, ear, id_of, insecure, player};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};

#[test]
fn a_short_name_is_found_in_the_second_registry_of_the_list() {
    let player = player!();
    let (lacks, has) = (Registry::start(Options::default()), Registry::start(Options::default()));
    let image = TestImage::new(&[]);
    let name = has.push(&image, "box:1");
    lacks.push(&TestImage::new(&[1000]), "other:1");
    let first = ear(&lacks);
    let list = format!(
        "unqualified-search-registries = [\"{}\", \"{}\"]\n{}",
        first.host(),
        has.host(),
        insecure(&[first.host(), has.host()])
    );
    player.set("registries.conf", &list);
    let out = player.run(&["pull", "box:1"]);
    assert_eq!((out.code, out.out.trim()), (0, id_of(&image).as_str()), "{out:?}");
    assert!(asked(&first).iter().any(|path| path == "/v2/box/manifests/1"), "{:?}", asked(&first));
    assert!(player.has(&name) && !player.has(&format!("{}/box:1", first.host())));
    // What none of them has is an error of the last one.
    let error = player.refused(&["pull", "-q", "nothing:1"]);
    assert!(error.contains(&format!("does not exist in {}/nothing", has.host())), "{error}");
}

#[test]
fn an_alias_is_asked_for_and_no_registry_of_the_list() {
    let player = player!();
    let (listed, meant) =
        (Registry::start(Options::default()), Registry::start(Options::default()));
    let image = TestImage::new(&[]);
    let name = meant.push(&image, "deep/game:7");
    listed.push(&TestImage::new(&[1000]), "box:7");
    let ear = ear(&listed);
    let conf = format!(
        "unqualified-search-registries = [\"{}\"]\n{}[aliases]\n\"box\" = \"{}/deep/game\"\n",
        ear.host(),
        insecure(&[ear.host(), meant.host()]),
        meant.host()
    );
    player.set("registries.conf", &conf);
    assert_eq!(player.ok(&["pull", "-q", "box:7"]), id_of(&image));
    assert!(player.has(&name));
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
}

#[test]
fn a_prefix_is_asked_for_at_its_location_and_keeps_its_name() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    registry.push(&image, "new/place/box:1");
    let ear = ear(&registry);
    let conf = format!(
        "[[registry]]\nprefix = \"games.invalid/old\"\nlocation = \"{}/new/place\"\n\
         insecure = true\n",
        ear.host()
    );
    player.set("registries.conf", &conf);
    assert_eq!(player.ok(&["pull", "-q", "games.invalid/old/box:1"]), id_of(&image));
    assert!(player.has("games.invalid/old/box:1"));
    let paths = asked(&ear);
    assert!(paths.iter().any(|path| path == "/v2/new/place/box/manifests/1"), "{paths:?}");
    assert!(paths.iter().all(|path| !path.contains("old")), "{paths:?}");
    // Whole words only.
    let error = player.refused(&["pull", "-q", "--retry", "0", "games.invalid/older/box:1"]);
    assert!(error.contains("cannot be resolved"), "{error}");
    assert_eq!(asked(&ear), paths);
}

#[test]
fn a_blocked_registry_is_sent_nothing() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    registry.push(&image, "games/box:1");
    registry.push(&image, "games/free:1");
    let ear = ear(&registry);
    let conf = |blocked: bool| {
        format!(
            "{}[[registry]]\nlocation = \"{}/games/box\"\ninsecure = true\nblocked = {blocked}\n",
            insecure(&[ear.host()]),
            ear.host()
        )
    };
    player.set("registries.conf", &conf(true));
    let name = format!("{}/games/box:1", ear.host());
    for flags in [&["pull", "-q"][..], &["pull", "-q", "--tls-verify=false"]] {
        let error = player.refused(&[flags, &[&name]].concat());
        let file = player.config().join("containers/registries.conf");
        assert!(error.contains("is blocked"), "{error}");
        assert!(error.contains(file.to_str().unwrap()), "{error}");
    }
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
    // The block is of that repository alone.
    player.ok(&["pull", "-q", &format!("{}/games/free:1", ear.host())]);
    assert!(!player.has(&name));
    // And was the only reason.
    player.set("registries.conf", &conf(false));
    assert_eq!(player.ok(&["pull", "-q", &name]), id_of(&image));
}

#[test]
fn plain_http_is_spoken_where_a_file_or_a_flag_allows_it() {
    let player = player!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    registry.push(&image, "box:1");
    let ear = ear(&registry);
    let name = format!("{}/box:1", ear.host());
    // A server that answers at all, for the words of the error.
    let direct = format!("{}/box:1", registry.host());
    player.set("registries.conf", "");
    let error = player.refused(&["pull", "-q", "--retry", "0", &direct]);
    assert!(error.contains("does not speak TLS"), "{error}");
    player.refused(&["pull", "-q", "--retry", "0", &name]);
    // The flag wins over the file, both ways.
    player.allow_http(&[ear.host()]);
    player.refused(&["pull", "-q", "--retry", "0", "--tls-verify", &name]);
    assert!(ear.requests().is_empty(), "{:?}", asked(&ear));
    assert_eq!(player.ok(&["pull", "-q", &name]), id_of(&image));
    player.set("registries.conf", "");
    assert_eq!(player.ok(&["pull", "-q", "--tls-verify=false", &name]), id_of(&image));
}

#[test]
fn the_last_drop_in_wins() {
    let player = player!();
    let images = [1000, 2000, 3000].map(|len| TestImage::new(&[len]));
    let registry = Registry::start(Options::default());
    for (image, place) in images.iter().zip(["main", "first", "last"]) {
        registry.push(image, &format!("{place}/box:1"));
    }
    let host = registry.host();
    let table = |place: &str| {
        format!(
            "[[registry]]\nprefix = \"games.invalid\"\nlocation = \"{host}/{place}\"\n\
             insecure = true\n"
        )
    };
    let pull = || player.ok(&["pull", "-q", "games.invalid/box:1"]);
    player.set("registries.conf", &table("main"));
    // None of the directory's files is one: another end, another place.
    player.set("registries.conf.d/99.conf.off", &table("nowhere"));
    player.set("registries.conf.d/99.conf/x.conf", &table("nowhere"));
    assert_eq!(pull(), id_of(&images[0]));
    player.set("registries.conf.d/10-first.conf", &table("first"));
    assert_eq!(pull(), id_of(&images[1]));
    player.set("registries.conf.d/20-last.conf", &table("last"));
    assert_eq!(pull(), id_of(&images[2]));
}
