//! `--userns`: whose ids a container has, and that no two of `auto` have the same.

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::run;
use crate::harness::user::{IMAGE, Session};
use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

const OWNERS: &str = "echo $(id -u):$(id -g) $(stat -c %u:%g /mine /root | tr '\\n' ' ')";

#[test]
fn keep_id_gives_the_user_any_id() {
    let s = session!();
    let file = s.file("mine", "x");
    let mount = format!("{file}:/mine");
    for (mode, want) in [
        ("keep-id:uid=77,gid=78", "77:78 77:78 0:0"),
        ("keep-id:uid=1000,gid=1000", "1000:1000 1000:1000 0:0"),
    ] {
        let got = s.script(&["--userns", mode, "-v", &mount], OWNERS);
        assert_eq!(got.trim_end(), want, "{mode}");
    }
    let far = s.once(&["--userns", "keep-id:uid=4000000000"], &["true"]);
    assert!(far.code == 125 && far.err.contains("/etc/subuid"), "{far:?}");
}

/// podman's lines: a name for the caller's ids, which the image does not know.
#[test]
fn keep_id_makes_the_user_known() {
    let s = session!();
    let names = "id -un; id -gn; tail -n 1 /etc/passwd | cut -d : -f 2-4,6-; tail -n 1 /etc/group";
    let out = s.script(&["--userns", "keep-id:uid=77,gid=78", "-w", "/srv"], names);
    let [user, group, passwd, line] = out.lines().collect::<Vec<_>>()[..] else {
        panic!("{out}");
    };
    assert_eq!(passwd, "*:77:78:/srv:/bin/sh", "{out}");
    assert_eq!(line, format!("{group}:x:78:{user}"), "{out}");
    let none = s.script(&["--userns", "keep-id:uid=77,gid=78", "--passwd=false"], "id; echo $HOME");
    assert_eq!(none, "uid=77 gid=78 groups=78\n/");
}

/// Ctrl-C while the layers of a second id layout are made permanent: they were taken for whole, and
/// no container started from them any more.
#[test]
fn layers_that_an_interrupted_start_left_are_made_permanent_by_the_next() {
    let s = session!();
    let words = ["run", "--rm", "--network", "none", "--userns", "keep-id:uid=5013", IMAGE, "true"];
    s.ok(&words);
    let layers = s.data().join("store/layers");
    let mut found = 0;
    for layout in std::fs::read_dir(layers).unwrap().flatten() {
        let name = layout.file_name().into_string().unwrap();
        for layer in std::fs::read_dir(layout.path()).unwrap().flatten() {
            let is_layer = layer.file_type().unwrap().is_dir();
            let hex = layer.file_name().into_string().unwrap();
            if name.starts_with("kept") && is_layer && hex.len() == 64 {
                let fresh = layer.path().with_file_name(format!(".fresh-{hex}"));
                std::fs::rename(layer.path(), fresh).unwrap();
                found += 1;
            }
        }
    }
    assert!(found > 0, "there is a second layout");
    let out = s.run(&words);
    assert_eq!((out.code, out.err.as_str()), (0, ""), "nothing is unpacked anew");
    s.ok(&words);
}

#[test]
fn auto_gives_each_container_ids_of_its_own() {
    let s = session!();
    let wait = "touch /made; exec sleep 1000";
    let first = s.detached("first", &["--userns", "auto"], wait);
    let second = s.detached("second", &["--userns", "auto:size=2000"], wait);
    let map = |name: &str| {
        let text = s.ok(&["exec", name, "cat", "/proc/1/uid_map", "/proc/1/gid_map"]);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(map("first"), "0 1 1024 0 1 1024");
    assert_eq!(map("second"), "0 1025 2000 0 1025 2000");
    let mappings = "json .HostConfig.IDMappings";
    let shown: serde_json::Value = serde_json::from_str(&s.inspect("second", mappings)).unwrap();
    assert_eq!(shown, serde_json::json!({"UidMap": ["0:1025:2000"], "GidMap": ["0:1025:2000"]}));
    assert_eq!(s.inspect("first", ".HostConfig.UsernsMode"), "auto:size=1024");
    // What they made belongs to nobody else on the host either.
    let owner = |id: &str| {
        let made = s.data().join("containers").join(id).join("upper/made");
        std::fs::symlink_metadata(made).unwrap().uid()
    };
    assert_eq!(owner(&second) - owner(&first), 1024);
    assert!(![0, s.user.uid].contains(&owner(&first)));
    // The ids outlive a stop, and are another's after a removal.
    s.ok(&["stop", "-t", "0", "first"]);
    s.ok(&["start", "first"]);
    assert_eq!(map("first"), "0 1 1024 0 1 1024");
    s.ok(&["rm", "-f", "-t", "0", "first"]);
    s.detached("third", &["--userns", "auto"], wait);
    assert_eq!(map("third"), "0 1 1024 0 1 1024");
    // Its layers go with the next prune; the plain ones stay.
    s.ok(&["rm", "-f", "-t", "0", "--all"]);
    s.ok(&["image", "prune", "-f"]);
    let layouts = std::fs::read_dir(s.data().join("store/layers")).unwrap();
    let ranges = layouts.flatten().filter(|e| e.file_name().to_string_lossy().contains("range"));
    assert_eq!(ranges.count(), 0);
    assert_eq!(s.script(&[], "echo here"), "here");
}

/// The root of a volume belongs to an id that such a container has not.
#[test]
fn volumes_belong_to_containers_with_ids_of_their_own() {
    let s = session!();
    let image = TestImage::new(&[]);
    let source = image.source();
    let name = source.strip_prefix("oci:").unwrap();
    run("umoci", &["config", "--image", name, "--config.volume", "/declared"]);
    let id = s.pull(&image);
    let script = "b=/bin/busybox; $b touch /declared/x /named/x /plain/x && \
                  $b stat -c %u:%g /declared /named /plain";
    for mode in ["auto", "nomap", "host"] {
        let (named, plain) = (format!("{mode}:/named"), format!("{mode}-plain:/plain:nocopy"));
        let flags = ["run", "--rm", "--network", "none", "--userns", mode, "-v", &named];
        let rest = ["-v", &plain, &id, "/bin/busybox", "sh", "-c", script];
        // The second time they are not empty.
        for _ in 0..2 {
            let out = s.run(&[&flags[..], &rest[..]].concat());
            assert_eq!((out.code, out.out.trim_end()), (0, "0:0\n0:0\n0:0"), "{mode}: {out:?}");
        }
    }
}

#[test]
fn auto_is_fair_to_those_who_start_at_once() {
    let s = session!();
    // The first one unpacks the layout of its range; the others need their own.
    let start = |n: usize| {
        let name = format!("c{n}");
        let words =
            ["create", "--userns", "auto", "--network", "none", "--name", &name, IMAGE, "true"];
        s.spawn(&words)
    };
    let all: Vec<_> = (0..4).map(start).collect();
    for child in all {
        let out = finish(child, Duration::from_secs(60), "create");
        assert_eq!(out.code, 0, "{out:?}");
    }
    let range = |n| s.inspect(&format!("c{n}"), "index .HostConfig.IDMappings.UidMap 0");
    let ranges: BTreeSet<_> = (0..4).map(range).collect();
    let want = ["0:1:1024", "0:1025:1024", "0:2049:1024", "0:3073:1024"];
    assert_eq!(ranges, want.map(str::to_owned).into());
}

#[test]
fn auto_holds_the_ids_of_the_image_or_refuses() {
    let s = session!();
    let image = TestImage::new(&[]);
    image.add(|root| {
        std::fs::create_dir(root.join("etc")).unwrap();
        let passwd = "root:x:0:0::/:/bin/sh\nhi:x:4000:4000::/:/bin/sh\nnobody:x:65534:65534::/:\n";
        std::fs::write(root.join("etc/passwd"), passwd).unwrap();
    });
    let id = s.pull(&image);
    let run = |mode: &str, user: &str| {
        s.run(&[
            "run",
            "--rm",
            "--network",
            "none",
            "-u",
            user,
            "--userns",
            mode,
            &id,
            "/bin/busybox",
            "cat",
            "/proc/self/uid_map",
        ])
    };
    let map = |mode: &str, user: &str| {
        let out = run(mode, user);
        assert_eq!(out.code, 0, "{out:?}");
        out.out.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(map("auto", "0"), "0 1 4001");
    assert_eq!(map("auto", "hi"), "0 1 4001");
    assert_eq!(map("auto", "5000:1"), "0 1 5001");
    for (mode, said) in [
        ("auto:size=4000", "use size=4001"),
        ("auto:size=4000000000", "/etc/subuid"),
        ("auto:size=0", "wants a number"),
        ("auto:uidmapping=0:1:1", "not in this version"),
    ] {
        let out = run(mode, "0");
        assert!(out.code == 125 && out.err.contains(said), "{mode}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// One of the two programs that write the maps is broken: the user is alone, as without both.
#[test]
fn one_broken_mapper_is_as_two() {
    let s = session!();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip!("only root can replace a program for others");
    }
    for broken in [&["newuidmap"][..], &["newgidmap"], &["newuidmap", "newgidmap"]] {
        let covers: String = broken
            .iter()
            .map(|name| format!("mount --bind /bin/false $(command -v {name}) && "))
            .collect();
        let user = format!("--reuid {} --regid {} --clear-groups", s.user.uid, s.user.gid);
        let line = format!(
            "{covers} exec setpriv {user} {} run --rm --network none {IMAGE} id -u",
            s.program().display()
        );
        let mut shell = s.command_of_the_tester("unshare");
        let child = shell.args(["-m", "sh", "-c", &line]).spawn().unwrap();
        let out = finish(child, Duration::from_secs(30), "run");
        assert_eq!((out.code, out.out.as_str()), (0, "0\n"), "{broken:?}: {out:?}");
        assert!(out.err.contains("denied: subordinate ids"), "{broken:?}: {out:?}");
        assert_eq!(s.ok(&["ps", "-aq"]), "");
    }
}

/// What a shell of the user's does with `line` where he finds these files empty. Root alone can hide
/// them from others.
fn without(s: &Session, files: &[&str], line: &str) -> Out {
    let hide: String = files.iter().map(|f| format!("mount --bind /dev/null {f} && ")).collect();
    let user = format!("--reuid {} --regid {} --clear-groups", s.user.uid, s.user.gid);
    let hidden = format!("{hide}exec setpriv {user} sh -c \"$1\"");
    let mut shell = s.command_of_the_tester("unshare");
    let child = shell.args(["-m", "sh", "-c", &hidden, "sh", line]).spawn().unwrap();
    finish(child, Duration::from_secs(60), "run")
}

/// Whose only id the user is: it lies where the container wants it, and nowhere else.
#[test]
fn a_user_without_others_enters_and_copies() {
    let s = session!();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip!("only root can hide subordinate ids from others");
    }
    let bolt = s.program().display().to_string();
    let checks = format!(
        "for mode in host keep-id keep-id:uid=5,gid=6; do \
         {bolt} run -d --name x --network none --userns $mode {IMAGE} sleep 1000 >/dev/null && \
         {bolt} exec x id -u && {bolt} cp x:/etc/hostname - | tar -tf - && \
         {bolt} export x | tar -tf - | grep -c '^etc/passwd$'; \
         {bolt} rm -f x >/dev/null; done"
    );
    let out = without(&s, &["/etc/subuid", "/etc/subgid"], &checks);
    let own = s.user.uid;
    let want = format!("0\nhostname\n1\n{own}\nhostname\n1\n5\nhostname\n1\n");
    assert_eq!((out.code, out.out), (0, want), "{}", out.err);
}

/// As podman's pause process does: who has ids keeps them, and the next container is beside him.
#[test]
fn a_living_range_is_shared_whatever_the_files_say_by_now() {
    let s = session!();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip!("only root can hide subordinate ids from others");
    }
    let bolt = s.program().display().to_string();
    let count = format!("{bolt} run --rm --network none {IMAGE} grep -c . /proc/self/uid_map");
    let alone = without(&s, &["/etc/subgid"], &count);
    assert_eq!((alone.code, alone.out.as_str()), (0, "1\n"), "{alone:?}");
    assert!(alone.err.contains("in /etc/subgid;"), "{alone:?}");
    // Also where who made it is gone, and another one has it.
    s.detached("x", &[], "exec sleep 1000");
    s.detached("y", &[], "exec sleep 1000");
    for _ in 0..2 {
        let beside = without(&s, &["/etc/subuid", "/etc/subgid"], &count);
        assert_eq!((beside.code, beside.out.as_str(), beside.err.as_str()), (0, "2\n", ""));
        s.run(&["rm", "-f", "-t", "0", "x"]);
    }
    // Containers that are made beside it, and begin alone: with root's files, and without.
    let hidden = ["/etc/subuid", "/etc/subgid"];
    let made = |flags: &str| format!("{bolt} create {flags} --network none {IMAGE} id -u");
    let lines = [made("--name root"), made("--name kept --userns keep-id:uid=5,gid=6")];
    assert_eq!(without(&s, &hidden, &lines.join(" && ")).code, 0);
    s.run(&["rm", "-f", "-t", "0", "y"]);
    let begun = without(&s, &hidden, &format!("{bolt} start -a root"));
    assert!(begun.err.contains("are nobody's and cannot be changed"), "{begun:?}");
    assert_eq!((begun.code, begun.out.as_str()), (0, "0\n"), "{begun:?}");
    let refused = without(&s, &hidden, &format!("{bolt} start -a kept"));
    assert!(refused.code == 125 && refused.err.contains("laid out for many ids"), "{refused:?}");
    assert_eq!(s.ok(&["start", "-a", "kept"]), "5");
}

/// What a supervisor is told of P, of the boot and of its own start is what the kernel says; and
/// neither it nor one with a single id needs a mount namespace for the usual root.
#[test]
fn a_supervisor_knows_what_the_kernel_would_tell_it() {
    let s = session!();
    for (name, alone) in [("maker", false), ("joiner", false), ("alone", true)] {
        let words = ["run", "-d", "--name", name, "--network", "none", IMAGE, "sleep", "1000"];
        if alone {
            s.ok(&["rm", "-f", "-t", "0", "maker", "joiner"]);
            let program = s.program().display().to_string();
            let mut shell = s.command("setpriv");
            let child = shell.args(["--no-new-privs", &program]).args(words).spawn().unwrap();
            let out = finish(child, Duration::from_secs(60), "run");
            assert_eq!(out.code, 0, "{out:?}");
        } else {
            s.ok(&words);
        }
        let id = s.inspect(name, ".Id");
        let record = s.data().join("containers").join(id).join("state.json");
        let state: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(record).unwrap()).unwrap();
        let of = |pid: &str, file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", state[pid])).unwrap()
        };
        let start = |pid| {
            let stat = of(pid, "stat");
            let rest = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(19).unwrap();
            rest.parse::<u64>().unwrap()
        };
        assert_eq!(
            (&state["start"], &state["monitor_start"]),
            (&start("pid").into(), &start("monitor").into())
        );
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        assert_eq!(state["boot"], boot.trim());
        for (key, file) in [("uids", "uid_map"), ("gids", "gid_map")] {
            let map = of("monitor", file);
            let column = |line: &str, n: usize| -> u64 {
                line.split_ascii_whitespace().nth(n).unwrap().parse().unwrap()
            };
            let want: Vec<_> = map.lines().map(|line| [column(line, 0), column(line, 2)]).collect();
            assert_eq!(state[key], serde_json::json!(want), "{name}");
            assert_eq!(want.len() == 1, alone);
        }
        let mounts = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).unwrap();
        assert_eq!(mounts(&state["monitor"].to_string()), mounts("self"), "{name}");
        let pids = std::fs::metadata(format!("/proc/{}/ns/pid", state["pid"])).unwrap().ino();
        assert_eq!(state["pidns"], pids);
    }
}

/// The image's files of other users go into a volume as the user's own; it was "Invalid argument".
#[test]
fn a_volume_is_filled_where_the_user_is_alone_after_all() {
    let s = session!();
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        skip!("only root can replace a program for others");
    }
    let image = TestImage::new(&[]);
    image.add_by(&["--owner=1000", "--group=1000"], |root| {
        std::fs::create_dir_all(root.join("data/dir")).unwrap();
        let file = root.join("data/dir/file");
        std::fs::write(&file, "content").unwrap();
        // Its owner is not there, and nobody else's program is to run as root.
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o6755)).unwrap();
    });
    let id = s.pull(&image);
    let show = "/bin/busybox cat /data/dir/file; /bin/busybox stat -c ' %a' /data/dir/file";
    let user = format!("--reuid {} --regid {} --clear-groups", s.user.uid, s.user.gid);
    for mount in ["-v vol:/data", "--tmpfs /data"] {
        let line = format!(
            "mount --bind /bin/false $(command -v newuidmap) && exec setpriv {user} {} run --rm \
             --network none {mount} {id} /bin/busybox sh -c \"{show}\"",
            s.program().display()
        );
        let mut shell = s.command_of_the_tester("unshare");
        let child = shell.args(["-m", "sh", "-c", &line]).spawn().unwrap();
        let out = finish(child, Duration::from_secs(30), "run");
        assert_eq!((out.code, out.out.trim()), (0, "content 755"), "{mount}: {out:?}");
        assert!(out.err.contains("denied: subordinate ids"), "{mount}: {out:?}");
    }
}
