//! `bolt system prune --keep-size`: the store is made small, and only by what may go.

use crate::harness::image::TestImage;
use crate::harness::user::{Session, until};

/// Sizes of layers and blobs, as `system df` counts them.
fn bytes(s: &Session) -> u64 {
    s.ok(&["system", "df", "--format", "{{.Type}} {{.RawSize}}"])
        .lines()
        .find_map(|l| l.strip_prefix("Images "))
        .and_then(|n| n.trim().parse().ok())
        .unwrap()
}

fn has(s: &Session, name: &str) -> bool {
    s.run(&["image", "exists", name]).code == 0
}

#[test]
fn the_longest_unused_go_first_and_those_with_containers_stay() {
    let s = session!();
    // Three images of 300 kB that share a layer of busybox, in this order.
    let images: Vec<TestImage> = (0..3).map(|n| TestImage::new(&[300_000 + n])).collect();
    let ids: Vec<String> = images.iter().map(|image| s.pull(image)).collect();
    for (n, id) in ids.iter().enumerate() {
        s.ok(&["tag", id, &format!("game:{n}")]);
        // Minutes apart, without waiting for them.
        let record = std::fs::read_dir(s.data().join("store/images")).unwrap();
        for file in record.map(|f| f.unwrap().path()) {
            let text = std::fs::read_to_string(&file).unwrap();
            let age = match text.contains(id.as_str()) {
                true => std::time::Duration::from_secs(86_400 * (10 - n as u64)),
                false => continue,
            };
            let file = std::fs::File::options().append(true).open(file).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
        }
    }
    // The oldest is used again, the second has a container.
    s.ok(&["run", "--rm", "--network", "none", "game:0", "/bin/busybox", "true"]);
    s.ok(&[
        "run",
        "-d",
        "--name",
        "x",
        "--network",
        "none",
        "game:1",
        "/bin/busybox",
        "sleep",
        "100",
    ]);
    // The session's own image lost its name to these.
    s.ok(&["image", "prune", "-f"]);
    let whole = bytes(&s);
    let out = s.run(&["system", "prune", "-f", "--keep-size", &format!("{}b", whole - 1000)]);
    assert_eq!(out.code, 0, "{out:?}");
    let left: Vec<bool> = (0..3).map(|n| has(&s, &format!("game:{n}"))).collect();
    assert_eq!(left, [true, true, false], "{out:?}");
    assert!(out.out.contains(&ids[2]) && out.out.contains("Reclaimed"), "{out:?}");
    assert!(bytes(&s) < whole - 250_000);
    // Nothing may go any more but what a container was made from: that is told.
    let out = s.run(&["system", "prune", "-f", "--keep-size", "1k"]);
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.err.contains("containers were made from"), "{out:?}");
    assert!(has(&s, "game:1") && !has(&s, "game:0"));
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    until("the supervisor is gone", || s.ok(&["ps", "-aq"]).is_empty());
}

/// What a name of a game was resolved to starts tomorrow too.
#[test]
fn what_the_lock_file_pins_stays() {
    let s = session!();
    let id = s.pull(&TestImage::new(&[200_000]));
    let digest = s.ok(&["image", "inspect", "-f", "{{.Digest}}", &id]);
    let lock = format!(
        r#"{{"version":1,"names":{{"bolt://game":{{"repository":"h.example/game","manifest":"{digest}","variant":"any","reason":"it fits"}}}}}}"#
    );
    std::fs::copy(s.file("lock", lock), s.data().join("lock.json")).unwrap();
    let out = s.run(&["system", "prune", "-f", "--keep-size", "1k"]);
    assert!(out.code == 0 && out.err.contains("the lock file pins them"), "{out:?}");
    assert!(has(&s, &id));
    // Without a name too.
    s.ok(&["untag", "v1"]);
    s.ok(&["image", "prune", "-f"]);
    s.ok(&["system", "prune", "-f"]);
    assert!(has(&s, &id));
    std::fs::remove_file(s.data().join("lock.json")).unwrap();
    s.ok(&["system", "prune", "-f", "--keep-size", "1k"]);
    assert!(!has(&s, &id));
}

#[test]
fn a_store_that_is_small_enough_is_left_alone() {
    let s = session!();
    let before = bytes(&s);
    s.ok(&["system", "prune", "-f", "--keep-size", "1t"]);
    assert_eq!(bytes(&s), before);
    let out = s.run(&["system", "prune", "-f", "--keep-size", "much"]);
    assert!(
        out.code == 125 && out.err.contains("--keep-size") && out.err.contains("512m"),
        "{out:?}"
    );
    assert_eq!(s.run(&["system", "prune", "-f", "-a", "--keep-size", "1g"]).code, 125);
}

#[test]
fn downloads_that_were_broken_off_are_freed() {
    let s = session!();
    for args in [
        &["system", "prune", "-f"][..],
        &["system", "prune", "-a", "-f"],
        &["system", "prune", "-f", "--keep-size", "1b"],
        &["image", "prune", "-f"],
    ] {
        let hex = "ab".repeat(32);
        let dir = s.data().join("store/blobs/sha256/ab");
        let part = dir.join(format!("{hex}.part"));
        let (dir, file) = (dir.display(), part.display());
        let script = format!("mkdir -p {dir} && head -c 3000000 /dev/zero >{file}");
        assert!(s.command("sh").args(["-c", &script]).status().unwrap().success());
        let out = s.run(args);
        assert!(out.code == 0 && !part.exists(), "{args:?}: {out:?}");
        let told = format!("{}{}", out.out, out.err);
        let said = told.lines().find(|line| line.contains("eclaimed")).unwrap();
        assert!(!said.ends_with(" 0B") && !said.ends_with(" 0 B"), "{args:?}: {told}");
    }
}
