//! The keys of podman's JSON and their types, recorded in `podman-4.3.1.json`: each is in ours, or
//! in [`OTHERWISE`] with its reason.

use crate::harness::image::TestImage;
use crate::harness::run;
use crate::harness::user::{Session, until};
use serde_json::Value;
use std::collections::BTreeSet;

/// Keys that Bolt leaves out, or has with another type. Below a key that is left out nothing is
/// asked for.
const OTHERWISE: &[(&str, &str)] = &[
    ("inspect.GraphDriver.Data.MergedDir", "the root is mounted where only the container sees it"),
    ("inspect.Config.Entrypoint", "a list, as of podman 5: words with spaces stay apart"),
    ("info.host.buildahVersion", "there is no buildah"),
    ("info.host.conmon", "there is no conmon; the supervisor is ociRuntime"),
    ("info.host.ociRuntime.package", "no package manager is asked"),
    ("info.host.remoteSocket", "nobody listens"),
    ("info.host.slirp4netns.package", "no package manager is asked"),
    ("info.host.slirp4netns.version", "no other program is started to be asked"),
    ("info.store.graphStatus", "graphDriverWhy says what was found"),
    ("info.store.imageCopyTmpDir", "layers are unpacked as they come"),
    ("info.version.GoVersion", "it is no Go program"),
    ("info.version.GitCommit", "a build does not ask git"),
    ("image_inspect.History[].empty_layer", "only steps without a layer say so"),
    ("image_inspect.GraphDriver.Data.UpperDir", "a layer lies once for each id layout"),
    ("image_inspect.GraphDriver.Data.WorkDir", "an image is mounted by its containers alone"),
];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Compares ours with the recorded shape. A shape is the name of a type, an object of shapes, or
/// a list with the shape of its items; `null` was there without a value, so that any will do.
fn compare(path: &str, shape: &Value, ours: &Value, faults: &mut BTreeSet<String>) {
    let wanted = shape.as_str().unwrap_or_else(|| kind(shape));
    if wanted == "null" {
        return;
    }
    if kind(ours) != wanted {
        faults.insert(format!("{path}: {wanted}, but ours is {} ({ours})", kind(ours)));
        return;
    }
    for (key, shape) in shape.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        match ours.get(key) {
            Some(ours) => compare(&path, shape, ours, faults),
            None => {
                faults.insert(format!("{path}: missing"));
            }
        }
    }
    let items = shape.as_array().and_then(|shapes| shapes.first());
    for (shape, ours) in
        items.into_iter().flat_map(|s| ours.as_array().into_iter().flatten().map(move |o| (s, o)))
    {
        compare(&format!("{path}[]"), shape, ours, faults);
    }
}

/// The recorded container, as podman's was made.
fn session_with_keys() -> Result<(Session, String), String> {
    let s = Session::new()?;
    let image = TestImage::busybox();
    let layout = image.source();
    let history = ["--config.label", "k=image", "--author", "somebody"];
    let name = layout.trim_start_matches("oci:");
    run("umoci", &[&["config", "--image", name], &history[..]].concat());
    let id = s.pull(&image);
    let flags = "-d --name keys --network none -v vol:/v -v /etc:/e:ro --tmpfs /t -l k=v -e A=1 \
        --restart on-failure:3 --health-cmd true --health-interval 1h";
    let mut words = vec!["run"];
    words.extend(flags.split_whitespace());
    s.ok(&[&words[..], &[&id, "sleep", "1000"]].concat());
    s.ok(&["healthcheck", "run", "keys"]);
    s.ok(&["exec", "keys", "true"]);
    let over = ["run", "--name", "over", "--network", "none", &id, "sh", "-c", "exit 3"];
    assert_eq!(s.run(&over).code, 3);
    until("the end is told", || s.ok(&["events", "--stream=false"]).contains("cleanup"));
    Ok((s, id))
}

#[test]
fn keys_and_types_are_podmans() {
    let (s, image) = match session_with_keys() {
        Ok(made) => made,
        Err(reason) => skip!(reason),
    };
    let recorded: Value = serde_json::from_str(include_str!("podman-4.3.1.json")).unwrap();
    assert_eq!(recorded["podman"], "4.3.1");
    let json = |words: &[&str]| -> Value { serde_json::from_str(&s.ok(words)).unwrap() };
    let mut faults = BTreeSet::new();
    for (name, words) in [
        ("ps", &["ps", "-a", "--format", "json"][..]),
        ("inspect", &["inspect", "keys"]),
        ("images", &["images", "--format", "json"]),
        ("info", &["info", "--format", "json"]),
        ("stats", &["stats", "--no-stream", "--format", "json"]),
        ("image_inspect", &["image", "inspect", &image]),
        ("volume_inspect", &["volume", "inspect", "vol"]),
    ] {
        let ours = json(words);
        let items = match &ours {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        assert!(!items.is_empty(), "{name}");
        items.iter().for_each(|ours| compare(name, &recorded[name], ours, &mut faults));
    }
    s.ok(&["rm", "over"]);
    let lines = s.ok(&["events", "--stream=false", "--format", "json"]);
    let events: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for (name, shape) in recorded["events"].as_object().unwrap() {
        let is = |e: &&Value| {
            *name == format!("{} {}", e["Type"].as_str().unwrap(), e["Status"].as_str().unwrap())
        };
        match events.iter().find(is) {
            Some(ours) => compare(&format!("events.{name}"), shape, ours, &mut faults),
            None => {
                faults.insert(format!("events.{name}: no such event"));
            }
        }
    }
    let excused =
        |fault: &str| OTHERWISE.iter().any(|(path, _)| fault.starts_with(&format!("{path}:")));
    let unexcused: Vec<_> = faults.iter().filter(|fault| !excused(fault)).collect();
    assert!(unexcused.is_empty(), "{unexcused:#?}");
    // An excuse that excuses nothing is out of date.
    for (path, _) in OTHERWISE {
        let used = faults.iter().any(|fault| fault.starts_with(&format!("{path}:")));
        assert!(used, "{path} is as podman has it");
    }
}
