//! `bolt doctor` and `bolt info` say what is so: the exit code goes by the lines, JSON and table
//! agree, and what a container gets is what was told.

use super::roots::{ROOT_MOUNT, in_mounts, where_overlay_is_refused};
use crate::harness::process::Out;
use crate::harness::user::has;
use serde_json::Value;

/// One check, as the table shows it; an empty string where it shows none.
#[derive(Debug, Default, PartialEq, Eq)]
struct Line {
    status: String,
    name: String,
    seen: String,
    means: String,
    fix: String,
}

fn table(text: &str) -> Vec<Line> {
    let mut lines = Vec::<Line>::new();
    for line in text.lines() {
        if let Some(means) = line.strip_prefix("      means: ") {
            lines.last_mut().unwrap().means = means.to_owned();
        } else if let Some(fix) = line.strip_prefix("      fix:   ") {
            lines.last_mut().unwrap().fix = fix.to_owned();
        } else {
            let (status, rest) = line.split_once(' ').unwrap();
            let (name, seen) = rest.trim_start().split_once(' ').unwrap();
            let [status, name, seen] = [status, name, seen.trim_start()].map(str::to_owned);
            lines.push(Line { status, name, seen, ..Line::default() });
        }
    }
    lines
}

/// What the table would show of `--format json`: a meaning of what is not well alone.
fn of_json(text: &str) -> Vec<Line> {
    let rows: Vec<Value> = serde_json::from_str(text).unwrap();
    let line = |row: &Value| {
        let text = |key: &str| row[key].as_str().map(str::to_owned);
        let [status, name, seen, means] =
            ["status", "name", "seen", "means"].map(|key| text(key).unwrap());
        assert!(row["fix"].is_null() || row["fix"].is_string(), "{row}");
        let means = if status == "ok" { String::new() } else { means };
        Line { status, name, seen, means, fix: text("fix").unwrap_or_default() }
    };
    rows.iter().map(line).collect()
}

/// Both outputs, looked at; the table's lines.
fn agreed(plain: &Out, json: &Out) -> Vec<Line> {
    let lines = table(&plain.out);
    assert_eq!(lines, of_json(&json.out));
    let is_bad = lines.iter().any(|line| line.status == "fail");
    let code = i32::from(is_bad);
    assert_eq!((plain.code, json.code), (code, code), "{plain:?}");
    assert_eq!((plain.err.as_str(), json.err.as_str()), ("", ""));
    for line in &lines {
        let well = line.status == "ok";
        assert!(well || ["warn", "fail"].contains(&line.status.as_str()), "{line:?}");
        assert!(!line.seen.is_empty() && line.means.is_empty() == well, "{line:?}");
        // What stands in for the kernel's overlay is there: nothing is left to be mended.
        let stands_in = line.name == "overlay" && line.seen.ends_with("fuse-overlayfs is there");
        assert_eq!(line.fix.is_empty(), well || stands_in, "{line:?}");
    }
    for name in ["user-namespaces", "subordinate-ids", "overlay", "cgroups", "tun", "uplink"] {
        assert_eq!(lines.iter().filter(|line| line.name == name).count(), 1, "{name}");
    }
    lines
}

fn find<'a>(lines: &'a [Line], name: &str) -> &'a Line {
    lines.iter().find(|line| line.name == name).unwrap()
}

#[test]
fn the_exit_code_and_the_json_of_doctor_agree_with_its_table() {
    let s = session!();
    let lines = agreed(&s.run(&["doctor"]), &s.run(&["doctor", "--format", "json"]));
    // Containers run in this session, so none of it can be a failure.
    assert_eq!(s.script(&[], "echo runs"), "runs");
    assert!(lines.iter().all(|line| line.status != "fail"), "{lines:?}");
    let names = s.ok(&["doctor", "--format", "{{.name}}={{.status}}"]);
    let want = lines.iter().map(|line| format!("{}={}", line.name, line.status));
    assert_eq!(names.lines().collect::<Vec<_>>(), want.collect::<Vec<_>>());
}

/// On a host where no user may make a namespace nothing runs, and scripts learn it by the code.
#[test]
fn doctor_fails_where_no_container_can_run() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can show users another /proc");
    }
    let zero = s.file("zero", "0\n");
    let prepare = format!("mount --bind {zero} /proc/sys/user/max_user_namespaces");
    let bolt = s.program();
    let doctor = |rest: &[&str]| {
        in_mounts(&s, &prepare, &[&[bolt.to_str().unwrap(), "doctor"], rest].concat())
    };
    let lines = agreed(&doctor(&[]), &doctor(&["--format", "json"]));
    let line = find(&lines, "user-namespaces");
    assert_eq!(
        (line.status.as_str(), line.seen.as_str()),
        ("fail", "user.max_user_namespaces is 0")
    );
    assert!(line.fix.contains("user.max_user_namespaces = "), "{line:?}");
    assert_eq!(lines.iter().filter(|line| line.status == "fail").count(), 1, "{lines:?}");
}

/// A refused overlay is no failure, since something else takes its place.
#[test]
fn doctor_tells_what_stands_in_for_overlay() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can mount an overlay for others to refuse");
    }
    let fuse = has("fuse-overlayfs") && std::path::Path::new("/dev/fuse").exists();
    for has_fuse in [true, false] {
        let ask = |format: &str| {
            where_overlay_is_refused(&s, has_fuse, &format!("exec \"$0\" doctor {format}"))
        };
        let lines = agreed(&ask(""), &ask("--format json"));
        let line = find(&lines, "overlay");
        assert_eq!(line.status, "warn", "{line:?}");
        assert!(line.seen.starts_with("mount an overlay: Invalid argument"), "{line:?}");
        match has_fuse && fuse {
            true => assert!(line.seen.ends_with("/fuse-overlayfs is there"), "{line:?}"),
            false => assert!(line.fix.contains("fuse"), "{line:?}"),
        }
    }
}

#[test]
fn info_tells_what_a_container_really_gets() {
    let s = session!();
    let info = |field: &str| s.ok(&["info", "--format", &format!("{{{{{field}}}}}")]);
    let root = s.script(&[], ROOT_MOUNT);
    let is_copy = root.ends_with("/root");
    let driver = match root.as_str() {
        "overlay /" => "overlay",
        "fuse.fuse-overlayfs /" => "fuse-overlayfs",
        _ if is_copy => "copy",
        _ => panic!("{root}"),
    };
    assert_eq!(info(".Store.GraphDriverName"), driver);
    let checks = agreed(&s.run(&["doctor"]), &s.run(&["doctor", "--format", "json"]));
    assert_eq!(find(&checks, "overlay").status == "ok", driver == "overlay");

    assert_eq!(info(".Store.GraphRoot"), s.data().to_str().unwrap());
    assert_eq!(info(".Store.ImageStore.Number"), "1");
    s.detached("x", &[], "exec sleep 1000");
    s.ok(&["create", "--network", "none", crate::harness::user::IMAGE]);
    let count = "json .Store.ContainerStore";
    let counts: Value = serde_json::from_str(&info(count)).unwrap();
    let want = serde_json::json!({ "number": 2, "running": 1, "paused": 0, "stopped": 1 });
    assert_eq!(counts, want);
    // Who its ids are on the host: that of the namespace above it.
    let all: Value = serde_json::from_str(&s.ok(&["info", "--format", "json"])).unwrap();
    for (file, map) in [("uid_map", "uidmap"), ("gid_map", "gidmap")] {
        let real = s.ok(&["unshare", "cat", &format!("/proc/self/{file}")]);
        let real: Vec<Vec<u64>> = real
            .lines()
            .map(|line| line.split_whitespace().map(|n| n.parse().unwrap()).collect())
            .collect();
        let row = |row: &Value| {
            ["container_id", "host_id", "size"].map(|key| row[key].as_u64().unwrap()).to_vec()
        };
        let told: Vec<_> =
            all["host"]["idMappings"][map].as_array().unwrap().iter().map(row).collect();
        assert_eq!(told, real, "{map}");
    }
    // Its capabilities: as many as the kernel's mask has.
    let status = s.ok(&["exec", "x", "cat", "/proc/1/status"]);
    let mask = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    let names = info(".Host.Security.Capabilities");
    assert_eq!(names.split(',').count() as u32, mask.count_ones(), "{names}");
    assert_eq!(info(".Host.Security.Rootless"), "true");
    s.ok(&["rm", "-f", "-a", "-t", "0"]);
}
