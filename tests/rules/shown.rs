//! What `ps` and `inspect` show and in which order, as podman 4.3.1 does it.

use crate::harness::user::{IMAGE, Session};
use serde_json::Value;

/// Three containers that were created one after the other.
fn three(s: &Session) {
    for name in ["f1", "f2", "f3"] {
        let flags = ["--label", "x=y", "-v", "vol:/data", "--network", "none"];
        s.ok(&[&["create", "--name", name], &flags[..], &[IMAGE, "true"]].concat());
    }
}

fn names(s: &Session, flags: &[&str]) -> Vec<String> {
    let out = s.ok(&[&["ps", "--format", "{{.Names}}"], flags].concat());
    out.lines().map(str::to_owned).collect()
}

#[test]
fn the_oldest_is_first() {
    let s = session!();
    three(&s);
    for (flags, want) in [
        (&["-a"][..], &["f1", "f2", "f3"][..]),
        (&["-a", "--sort", "created"], &["f1", "f2", "f3"]),
        (&["-n", "2"], &["f2", "f3"]),
        (&["-l"], &["f3"]),
    ] {
        assert_eq!(names(&s, flags), want, "{flags:?}");
    }
    let table = s.ok(&["ps", "-a"]);
    let shown: Vec<_> = table.lines().skip(1).map(|l| &l[l.len() - 2..]).collect();
    assert_eq!(shown, ["f1", "f2", "f3"], "{table}");
}

#[test]
fn names_are_filtered_by_regular_expressions() {
    let s = session!();
    three(&s);
    for (pattern, want) in
        [("^f[12]$", &["f1", "f2"][..]), ("f.*2", &["f2"]), ("f1|f3", &["f1", "f3"]), ("^1", &[])]
    {
        assert_eq!(names(&s, &["-a", "--filter", &format!("name={pattern}")]), want, "{pattern}");
    }
    let out = s.run(&["ps", "-a", "--filter", "name=f["]);
    assert_eq!(out.code, 125, "{out:?}");
    assert!(out.err.contains("\"f[\"") && out.err.contains("regular expression"), "{out:?}");
}

#[test]
fn lists_and_maps_stay_what_they_are_in_templates() {
    let s = session!();
    three(&s);
    let one = |template: &str| s.ok(&["ps", "-l", "--format", template]);
    for (template, want) in [
        ("{{range .Mounts}}<{{.}}>{{end}}", "</data>"),
        ("{{join .Mounts \",\"}}", "/data"),
        ("{{index .Labels \"x\"}}", "y"),
        ("{{.Mounts}} {{.Labels}}", "[/data] map[x:y]"),
        ("{{range $k, $v := .Labels}}{{$k}}={{$v}}{{end}}", "x=y"),
    ] {
        assert_eq!(one(template), want, "{template}");
    }
    let table = one("table {{.Mounts}} {{.Labels}}");
    assert_eq!(table, "MOUNTS      LABELS\n[/data]     map[x:y]");
}

/// podman 4.3.1: Go's times print as Go prints them, have its methods, and are text in JSON. A nil
/// prints as what it is a nil of.
#[test]
fn times_and_nils_in_templates_are_gos() {
    let s = session!();
    s.detached("x", &["-v", "vol:/data"], "exec sleep 1000");
    let one = |template: &str| s.ok(&["inspect", "-f", template, "x"]);
    let parts = |shown: String| shown.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for field in [".Created", ".State.StartedAt"] {
        let shown = parts(one(&format!("{{{{{field}}}}}")));
        assert_eq!(shown.len(), 4, "{shown:?}");
        assert!(
            shown[1].matches(':').count() == 2 && shown[2].starts_with(['+', '-']),
            "{shown:?}"
        );
        let text = one(&format!("{{{{json {field}}}}}"));
        assert!(text.starts_with(&format!("\"{}T", shown[0])), "{text}");
        assert_eq!(
            one(&format!("{{{{{field}.Format \"2006-01-02 15:04:05\"}}}}")),
            shown[..2].join(" ").split('.').next().unwrap()
        );
        let unix: u64 = one(&format!("{{{{{field}.Unix}}}}")).parse().unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(now - unix < 600, "{unix} {now}");
        let nanos: u64 = one(&format!("{{{{{field}.UnixNano}}}}")).parse().unwrap();
        assert_eq!(nanos / 1_000_000_000, unix);
    }
    assert_eq!(one("{{.State.FinishedAt}}"), "0001-01-01 00:00:00 +0000 UTC");
    assert_eq!(one("{{.State.FinishedAt.Unix}}"), "-62135596800");
    let nils = "{{.HostConfig.VolumesFrom}} {{.HostConfig.LogConfig.Config}} {{.Config.OnBuild}} \
                {{.HostConfig.IDMappings}} {{.Config.Volumes}} {{json .HostConfig.Links}}";
    assert_eq!(one(nils), "[] map[] <nil> <nil> map[] null");
    let created = one("{{.Created}}");
    assert_eq!(s.ok(&["ps", "--format", "{{.Created}}"]), created);
    assert_eq!(s.ok(&["ps", "--format", "{{.CreatedAt}}"]), created);
    assert!(s.ok(&["ps", "--format", "{{.CreatedHuman}}"]).ends_with(" ago"));
    let unix = one("{{.Created.Unix}}");
    assert_eq!(s.ok(&["ps", "--format", "{{.Created.Unix}}"]), unix);
    let row: Value = serde_json::from_str(&s.ok(&["ps", "--format", "json"])).unwrap();
    assert_eq!(row[0]["Created"].to_string(), unix);
    // The image's time is in UTC, as it was written.
    for words in [&["image", "inspect"][..], &["inspect", "--type", "image"]] {
        let shown = s.ok(&[words, &["-f", "{{.Created}}", IMAGE]].concat());
        assert!(shown.ends_with(" +0000 UTC"), "{shown}");
    }
    let volume = s.ok(&["volume", "inspect", "-f", "{{.CreatedAt}}|{{.CreatedAt.Year}}", "vol"]);
    assert_eq!(volume, s.ok(&["volume", "ls", "--format", "{{.CreatedAt}}|{{.CreatedAt.Year}}"]));
    assert!(volume[..4] == volume[volume.len() - 4..], "{volume}");
    let ages = s.ok(&["images", "--format", "{{.Created}}|{{.CreatedSince}}|{{.CreatedAt}}"]);
    let ages: Vec<&str> = ages.split('|').collect();
    assert!(
        ages[0] == ages[1] && ages[0].ends_with(" ago") && ages[2].ends_with(" UTC"),
        "{ages:?}"
    );
}

#[test]
fn the_template_json_is_the_word_json() {
    let s = session!();
    three(&s);
    for words in [
        &["ps", "-a"][..],
        &["images"],
        &["stats", "-a", "--no-stream"],
        &["events", "--stream=false"],
        &["volume", "ls"],
        &["inspect", "f1"],
        &["version"],
    ] {
        let shown = |format: &str| s.ok(&[words, &["--format", format]].concat());
        let (word, template) = (shown("json"), shown("{{ json . }}"));
        assert_eq!(word, template, "{words:?}");
        assert!(word.starts_with(['[', '{']), "{words:?}: {word}");
    }
}

#[test]
fn sizes_are_the_containers_own_and_the_images() {
    let s = session!();
    s.ok(&["run", "--name", "w", "--network", "none", IMAGE, "sh", "-c", "printf 12345 >/made"]);
    let image: Value = serde_json::from_str(&s.ok(&["images", "--format", "json"])).unwrap();
    let image = image[0]["Size"].as_u64().unwrap();
    let row: Value = serde_json::from_str(&s.ok(&["ps", "-asl", "--format", "json"])).unwrap();
    assert_eq!(row[0]["Size"], serde_json::json!({ "rootFsSize": image, "rwSize": 5 }));
    let shown = s.ok(&["ps", "-asl", "--format", "{{.Size}}"]);
    let whole = shown.strip_prefix("5B (virtual ").unwrap().strip_suffix("B)").unwrap();
    assert!(whole.ends_with(['k', 'M']) && whole.starts_with(|c: char| c.is_ascii_digit()));
    assert!(s.ok(&["ps", "-as"]).contains(&shown));
    let inspected = s.ok(&["inspect", "-s", "--format", "{{.SizeRw}} {{.SizeRootFs}}", "w"]);
    assert_eq!(inspected, format!("5 {image}"));
}

/// The first that has the name: a container, an image, a volume.
#[test]
fn inspect_looks_at_containers_images_and_volumes() {
    let s = session!();
    three(&s);
    let of_image = s.ok(&["image", "inspect", IMAGE]);
    let id = s.ok(&["images", "-q"]);
    for words in
        [&["inspect", IMAGE][..], &["inspect", "--type", "image", IMAGE], &["inspect", &id]]
    {
        assert_eq!(s.ok(words), of_image, "{words:?}");
    }
    assert_eq!(s.ok(&["inspect", "--format", "{{.Name}}", "vol"]), "vol");
    s.ok(&["create", "--name", IMAGE, "--network", "none", IMAGE, "true"]);
    assert_eq!(s.inspect(IMAGE, ".ImageName"), s.inspect("f1", ".ImageName"));
    let both = s.ok(&["inspect", "--format", "{{len .Id}}", "f1", &id, "f2"]);
    assert_eq!(both, "64\n64\n64");
    for words in [&["--type", "image", "f1"][..], &["--type", "container", &id], &["no:such"]] {
        let out = s.run(&[&["inspect"], words].concat());
        assert_eq!((out.code, &*out.out), (125, "[]\n"), "{words:?}: {out:?}");
        assert!(out.err.contains(words[words.len() - 1]), "{out:?}");
    }
}

/// The values that podman 4.3.1 shows where there is a choice.
#[test]
fn inspect_says_what_holds_inside() {
    let s = session!();
    let flags = ["--network", "none", "-v", "vol:/data", "-v", "/tmp:/t:ro,slave", "-i"];
    s.ok(&[&["create", "--name", "x"], &flags[..], &[IMAGE, "sleep", "1000"]].concat());
    let json = |field: &str| s.ok(&["inspect", "--format", &format!("{{{{json {field}}}}}"), "x"]);
    assert_eq!(
        json(".HostConfig.Binds"),
        r#"["vol:/data:rw,rprivate,nosuid,nodev,rbind","/tmp:/t:ro,slave,nosuid,nodev,rbind"]"#
    );
    for field in ["AttachStdin", "AttachStdout", "AttachStderr"] {
        assert_eq!(json(&format!(".Config.{field}")), "false", "{field}");
    }
    assert_eq!(json(".Config.OpenStdin"), "true");
    assert_eq!(json(".HostConfig.LogConfig.Size"), "\"0B\"");
    assert!(!json(".Config.Env").contains("HOSTNAME="));
    s.ok(&["start", "x"]);
    let inside = s.ok(&["exec", "x", "sh", "-c", "echo HOSTNAME=$HOSTNAME"]);
    assert!(json(".Config.Env").contains(&format!("\"{inside}\"")), "{inside}");
    let mount = s.ok(&["exec", "x", "grep", " /data ", "/proc/self/mounts"]);
    assert!(mount.contains("nosuid") && mount.contains("nodev"), "{mount}");
    let log = ["--log-opt", "max-size=10m"];
    s.ok(&[&["create", "--name", "y"], &log[..], &[IMAGE, "true"]].concat());
    assert!(s.inspect("y", ".HostConfig.LogConfig.Size").ends_with("MB"));
    let fields = "{{.Store.RunRoot}}|{{.Store.ConfigFile}}|{{.Host.Security.SECCOMPProfilePath}}|";
    assert_eq!(s.ok(&["info", "-f", fields]), format!("{}|||", s.data().display()));
    // 64 digits, and the short form.
    let ids = s.ok(&["images", "--format", "{{.Id}} {{.ID}}"]);
    let (whole, short) = ids.split_once(' ').unwrap();
    assert!(whole.len() == 64 && whole.starts_with(short) && short.len() == 12, "{ids}");
}
