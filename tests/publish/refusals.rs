//! What the verbs of registries say of what is not there: one line that names the thing, the
//! reason and what to do, and nothing twice.

use crate::harness::user::IMAGE;

#[test]
fn each_refusal_is_one_line_with_advice() {
    let session = session!();
    // Nobody listens there.
    let gone = "127.0.0.1:1/games/doom";
    let drift = format!("drift://{gone}");
    let docker = format!("docker://{gone}");
    let log = session.file("log.csv", "fps,frametime\n60,16.6\n");
    let game = session.file("game.json", "{\"title\":\"Doom\"}");
    let profile = session.file("p.toml", "[profile]\nname = \"doom\"\n");
    let no_file = session.home().join("none.toml");
    let no_file = no_file.to_str().unwrap();
    let archive = format!("oci-archive:{no_file}");
    session.ok(&["manifest", "create", "list", IMAGE]);
    let refused = "connection refused: nothing listens on that port; check the address";
    let cases: &[(&[&str], &str)] = &[
        (&["resolve", &drift], refused),
        (&["resolve", "bolt://doom"], "no default Drift registry is configured; write to"),
        (&["resolve", "doom"], "write bolt://NAME or drift://HOST/NAME"),
        (&["resolve", "bolt://Doom!"], "bolt: \"Doom!\" is not a valid part"),
        (&["pull", gone], refused),
        (&["pull", "Doom!"], "bolt: \"Doom!\" is not a valid part"),
        (&["pull", &archive], "none.toml: No such file"),
        (&["push", "doom"], "`bolt images` lists what can be pushed"),
        (&["push", IMAGE, gone], refused),
        (&["push", IMAGE, &drift], "push to HOST/NAME"),
        (&["search", gone], refused),
        (&["search", "doom"], "write HOST/doom"),
        (&["profile", "ls", gone], refused),
        (&["profile", "show", gone], refused),
        (&["profile", "pull", &drift], refused),
        (&["profile", "push", &profile, gone], refused),
        (&["profile", "push", no_file, gone], "none.toml: No such file"),
        (&["profile", "show", "doom"], "write HOST/NAME"),
        (&["manifest", "inspect", "doom"], "`bolt manifest ls` lists those"),
        (&["manifest", "inspect", &docker], refused),
        (&["manifest", "create", "bolt://doom"], "write [HOST/]NAME[:TAG]"),
        (&["manifest", "push", "doom"], "`bolt manifest create doom` makes one"),
        (&["manifest", "push", "list", gone], refused),
        (&["manifest", "add", "list", "doom"], "write docker://HOST/NAME"),
        (&["manifest", "add", "list", &docker], refused),
        (&["manifest", "annotate", "list", "doom"], "`bolt manifest inspect localhost/list:"),
        (&["image", "annotate", "--game", no_file, "list"], "none.toml: No such file"),
        (&["image", "annotate", "--game", &game, gone], refused),
        (&["mirror", "sync", gone, "s3://bucket/prefix"], refused),
        (&["mirror", "sync", &archive, "s3://bucket/prefix"], "none.toml: No such file"),
        (&["bench", "record", "doom", "--fps-log", &log], "`bolt pull doom` fetches it"),
        (&["bench", "record", gone, "--fps-log", &log], "doom` fetches it"),
    ];
    let key = ["AWS_ACCESS_KEY_ID=canary", "AWS_SECRET_ACCESS_KEY=canary", "AWS_REGION=eu-west-1"];
    for (args, words) in cases {
        let mut bolt = session.bolt(args);
        bolt.envs(key.iter().filter_map(|variable| variable.split_once('=')));
        let out = bolt.output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(125), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{args:?}: {said}");
        assert!(said.starts_with("bolt: ") && said.contains(words), "{args:?}: {said}");
        let parts: Vec<&str> = said.trim_end().split(": ").collect();
        let twice = parts.iter().enumerate().find(|(n, part)| parts[..*n].contains(part));
        assert_eq!(twice, None, "{args:?}: {said}");
        assert!(!said.contains("--pull=never") && !said.contains("canary"), "{args:?}: {said}");
    }
}
