//! What lists show and how they are asked: the rows about `--format`, `--filter`, keys and states.

use crate::harness::process::signal;
use crate::harness::user::{IMAGE, Session, until};
use serde_json::Value;

fn json(s: &Session, words: &[&str]) -> Value {
    serde_json::from_str(&s.ok(words)).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// Row "`--format`": the subset of Go's templates, `table`, `json`, and what JSON looks like.
#[test]
fn format_is_gos_templates_table_and_json() {
    let s = session!();
    let flags = ["-l", "a=1", "-l", "b=x y", "-v", "vol:/v"];
    let id = s.detached("x", &flags, "exec sleep 1000");
    s.ok(&["create", "--name", "y", IMAGE, "true"]);
    let ps = |format: &str| s.ok(&["ps", "-a", "--sort", "names", "--format", format]);
    let inspect = |format: &str| s.ok(&["inspect", "--format", format, "x"]);
    for (template, want) in [
        ("{{.Name}}", "x"),
        ("{{.State.Running}} {{.State.ExitCode}}", "true 0"),
        ("{{index .Config.Cmd 0}} {{index .Config.Labels \"b\"}}", "sh x y"),
        ("{{range .Config.Cmd}}<{{.}}>{{end}}", "<sh><-c><exec sleep 1000>"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a=1;b=x y;"),
        ("{{range .ExecIDs}}some{{else}}none{{end}}", "none"),
        ("{{if .State.Paused}}p{{else if .State.Running}}r{{else}}-{{end}}", "r"),
        ("{{if and .State.Running (eq .Name \"x\")}}yes{{end}}", "yes"),
        ("{{join .Config.Cmd \"|\"}}", "sh|-c|exec sleep 1000"),
        ("{{json .Config.Labels}}", r#"{"a":"1","b":"x y"}"#),
        ("{{.Config.Labels | json}}", r#"{"a":"1","b":"x y"}"#),
        ("{{len .Config.Cmd}} {{len .Name}}", "3 1"),
        ("{{upper .Name}}{{lower \"AB\"}}", "Xab"),
        ("{{join (split \"a,b\" \",\") \"+\"}}", "a+b"),
        ("{{printf \"%s-%d-%v-%q\" .Name 3 true .Name}}", "x-3-true-\"x\""),
        ("{{with .Config}}{{.Hostname}}{{end}}", &id[..12]),
        ("{{- /* nothing */ -}} {{.Name -}}  ", "x"),
        ("{{.Name}}\\t{{.Name}}", "x\tx"),
    ] {
        assert_eq!(inspect(template), want, "{template}");
    }
    assert_eq!(ps("{{.Names}}"), "x\ny");
    assert_eq!(ps("{{range .}}{{.Names}},{{end}}"), "x,y,");
    assert_eq!(
        ps("table {{.Names}} {{.State}}"),
        "NAMES       STATE\nx           running\ny           created"
    );
    let short = ["ps", "--noheading", "--format", "table {{.Names}}"];
    assert_eq!(s.ok(&short), "x");
    assert_eq!(s.ok(&["images", "--format", "{{range .}}{{.Tag}};{{end}}"]), "latest;");
    // Those of podman-ps(1).
    for field in PLACEHOLDERS {
        ps(&format!("{{{{.{field}}}}}"));
    }
    assert_eq!(ps("{{.Label \"b\"}}"), "x y");
    for bad in ["{{.Nope}}", "{{", "{{nope .ID}}", "{{range .}}"] {
        let out = s.run(&["ps", "-a", "--format", bad]);
        assert!(out.code == 125 && out.out.is_empty() && out.err.contains("--format"), "{out:?}");
    }
    // One array, but events are lines of objects.
    for words in [&["ps", "-a"][..], &["images"], &["volume", "ls"], &["inspect", "x"]] {
        let value = json(&s, &[words, &["--format", "json"]].concat());
        assert!(value.as_array().is_some_and(|rows| !rows.is_empty()), "{words:?}");
    }
    let none = ["ps", "-a", "--filter", "name=nosuch", "--format", "json"];
    assert_eq!(s.ok(&none), "[]");
    let events = s.ok(&["events", "--stream=false", "--format", "json"]);
    assert!(events.lines().count() > 2);
    for line in events.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap().is_object(), "{line}");
    }
}

const PLACEHOLDERS: &[&str] = &[
    "AutoRemove",
    "CIDFile",
    "Command",
    "Created",
    "CreatedAt",
    "CreatedHuman",
    "ExitCode",
    "Exited",
    "ExitedAt",
    "ExposedPorts",
    "ID",
    "Image",
    "ImageID",
    "IsInfra",
    "Label \"a\"",
    "Labels",
    "Mounts",
    "Names",
    "Networks",
    "Pid",
    "Pod",
    "PodName",
    "Ports",
    "Restarts",
    "RunningFor",
    "Size",
    "StartedAt",
    "State",
    "Status",
];

/// Row "ps JSON keys". Their types: `rules::keys`.
#[test]
fn ps_json_keys() {
    let s = session!();
    s.detached("x", &["-l", "k=v"], "exec sleep 1000");
    let rows = json(&s, &["ps", "--format", "json"]);
    let of_the_row = "AutoRemove Command Created CreatedAt ExitCode Exited ExitedAt Id Image \
        ImageID IsInfra Labels Mounts Names Namespaces Networks Pid Pod PodName Ports Size \
        StartedAt State Status";
    let there = keys(&rows[0]);
    for key in of_the_row.split_whitespace() {
        assert!(there.contains(&key), "{key}");
    }
    assert_eq!(rows[0]["Names"], serde_json::json!(["x"]));
    // ps has Id, never ID, in JSON.
    assert!(!there.contains(&"ID"));
}

/// Row "inspect keys". Their types: `rules::keys`.
#[test]
fn inspect_keys() {
    let s = session!();
    s.detached("x", &["--health-cmd", "true", "--health-interval", "1h"], "exec sleep 1000");
    let one = &json(&s, &["inspect", "x"])[0];
    let top = "Id Created Path Args State Image ImageName ImageDigest Rootfs Pod ResolvConfPath \
        HostnamePath HostsPath StaticDir OCIConfigPath OCIRuntime ConmonPidFile PidFile \
        RestartCount Driver GraphDriver Mounts Dependencies NetworkSettings Namespace IsInfra \
        Config HostConfig";
    for key in top.split_whitespace() {
        assert!(one.get(key).is_some(), "{key}");
    }
    let state = "Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt \
        FinishedAt Health";
    for key in state.split_whitespace() {
        assert!(one["State"].get(key).is_some(), "State.{key}");
    }
    assert!(one["HostConfig"].as_object().unwrap().len() >= 65);
}

/// Row "`--filter`": one key again is OR, labels and different keys are AND; every key is known.
#[test]
fn filters_of_one_key_are_alternatives_and_labels_are_not() {
    let s = session!();
    let up = ["-l", "a=1", "-l", "b=2", "-v", "vol:/v", "--restart", "always"];
    s.detached("up", &up, "exec sleep 1000");
    s.ok(&["create", "--name", "made", "-l", "a=1", "--network", "host", IMAGE, "true"]);
    s.detached("over", &["-l", "b=2"], "exit 4");
    until("over", || s.inspect("over", ".State.Status") == "exited");
    let found = |filters: &[&str]| {
        let mut words = vec!["ps", "-a", "--sort", "names", "--format", "{{.Names}}"];
        filters.iter().for_each(|filter| words.extend(["--filter", filter]));
        s.ok(&words).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let id = s.inspect("made", ".Id");
    let by_id = format!("id={}", &id[..10]);
    let image = s.inspect("up", ".Image");
    let ancestor = format!("ancestor={image}");
    for (filters, want) in [
        (&["name=up", "name=over"][..], "over up"),
        (&["status=running", "status=created"], "made up"),
        (&["exited=4", "exited=5"], "over"),
        (&["label=a=1", "label=b=2"], "up"),
        (&["label=a", "label=b"], "up"),
        (&["label!=a"], "over"),
        (&["label!=a=2"], "made over up"),
        (&["name=up", "status=created"], ""),
        (&["name=up", "name=made", "label=a=1", "status=running"], "up"),
        (&[&by_id], "made"),
        (&["before=made"], "up"),
        (&["since=made"], "over"),
        (&["volume=vol"], "up"),
        (&["volume=/v"], "up"),
        (&["network=host"], "made"),
        (&["network=none"], "over up"),
        (&["restart-policy=always"], "up"),
        (&["should-start-on-boot=true"], "up"),
        (&["health=none"], "made over up"),
        (&["health=healthy"], ""),
        (&["pod=nosuch"], ""),
        (&["until=1h"], ""),
        (&["until=2100-01-01T00:00:00Z"], "made over up"),
        (&["command=exit"], "over"),
        (&[&ancestor], "made over up"),
        (&["ancestor=nosuch"], ""),
    ] {
        assert_eq!(found(filters), want, "{filters:?}");
    }
    for bad in ["color=red", "status=bogus", "exited=x", "until=soon", "nonsense"] {
        let out = s.run(&["ps", "-a", "--filter", bad]);
        assert!(out.code == 125 && out.out.is_empty() && !out.err.is_empty(), "{bad}: {out:?}");
    }
    images(&s, &image);
}

fn images(s: &Session, id: &str) {
    s.ok(&["tag", IMAGE, "localhost/other:1"]);
    let found = |filters: &[&str]| {
        let mut words = vec!["images", "--format", "{{.Repository}}"];
        filters.iter().for_each(|filter| words.extend(["--filter", filter]));
        s.ok(&words).lines().count()
    };
    let by_id = format!("id={}", &id[..12]);
    let digest = s.ok(&["image", "inspect", "--format", "{{.Digest}}", IMAGE]);
    let by_digest = format!("digest={}", &digest[..20]);
    for (filters, want) in [
        (&[][..], 2),
        (&["reference=other", "reference=nosuch"], 2),
        (&["reference=nosuch"], 0),
        (&[&by_id], 2),
        (&[&by_digest], 2),
        (&["dangling=true"], 0),
        (&["dangling=false"], 2),
        (&["containers=true"], 2),
        (&["label=nosuch"], 0),
        (&["label!=nosuch"], 2),
        (&["readonly=true"], 0),
        (&["intermediate=true"], 0),
        (&["manifest=true"], 0),
        (&["until=2100-01-01T00:00:00Z"], 2),
        (&["before=v1"], 0),
        (&["since=v1"], 0),
        (&["after=v1"], 0),
        (&["reference=other", "dangling=true"], 0),
    ] {
        assert_eq!(found(filters), want, "{filters:?}");
    }
    let out = s.run(&["images", "--filter", "color=red"]);
    assert!(out.code == 125 && out.out.is_empty() && out.err.contains("color"), "{out:?}");
}

/// Row "States". A container's end and removal are one step each, so nobody ever sees `stopped`,
/// `stopping`, `removing` or `unknown`; all are asked for without an error, and `stopped` finds
/// what has exited. `orphaned` is Bolt's own: it runs without its supervisor.
#[test]
fn states_have_podmans_words() {
    let s = session!();
    let state = |name: &str| {
        let filter = format!("name=^{name}$");
        s.ok(&["ps", "-a", "--filter", &filter, "--format", "{{.State}}"])
    };
    s.ok(&["create", "--name", "made", "--network", "none", IMAGE, "true"]);
    assert_eq!(state("made"), "created");
    let id = s.detached("up", &[], "exec sleep 1000");
    assert_eq!(state("up"), "running");
    // Where no control group can be frozen, there is no such state.
    if s.run(&["pause", "up"]).code == 0 {
        assert_eq!(state("up"), "paused");
        s.ok(&["unpause", "up"]);
    }
    s.detached("over", &[], "exit 1");
    s.ok(&["wait", "over"]);
    assert_eq!(state("over"), "exited");
    // Between two runs.
    s.detached("again", &["--restart", "always"], "exit 1");
    until("it waits for its next run", || state("again") == "initialized");
    s.ok(&["rm", "-f", "-t", "0", "again"]);
    signal(s.pids(&id).0 as u32, 9);
    until("orphaned", || state("up") == "orphaned");
    let words = "created initialized running stopped paused exited removing stopping unknown";
    for word in words.split(' ') {
        let found = ["ps", "-a", "--format", "{{.Names}}", "--filter", &format!("status={word}")];
        let want = match word {
            "created" => "made",
            "exited" | "stopped" => "over",
            _ => "",
        };
        assert_eq!(s.ok(&found), want, "{word}");
    }
}

/// Row "Events". Lives of containers and other types: `supervise::events`.
#[test]
fn events_have_their_types_and_the_exit_code_and_the_oom_killer_on_died() {
    let s = session!();
    let types = "container pod image volume network secret artifact system";
    for kind in types.split(' ') {
        s.ok(&["events", "--stream=false", "--filter", &format!("type={kind}")]);
    }
    s.detached("x", &["-l", "k=v"], "exit 4");
    s.ok(&["wait", "x"]);
    until("died", || events(&s, "x", "died").len() == 1);
    let died = &events(&s, "x", "died")[0];
    assert_eq!(died["ContainerExitCode"], 4);
    assert_eq!(died["OOMKilled"], false);
    assert_eq!(died["Attributes"]["k"], "v");
    // Docker's word for it, and podman's other key.
    assert_eq!(events(&s, "x", "die"), events(&s, "x", "died"));
    let by_status =
        ["events", "--stream=false", "--filter", "status=died", "--format", "{{.Name}}"];
    assert_eq!(s.ok(&by_status), "x");
    let created = &events(&s, "x", "create")[0];
    assert!(created.get("ContainerExitCode").is_none() && created.get("OOMKilled").is_none());
}

fn events(s: &Session, name: &str, status: &str) -> Vec<Value> {
    let (name, status) = (format!("container={name}"), format!("event={status}"));
    let base = ["events", "--stream=false", "--format", "json", "--filter"];
    let words = [&base[..], &[&name, "--filter", &status]].concat();
    s.ok(&words).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
