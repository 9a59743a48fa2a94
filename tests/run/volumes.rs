//! Binds, volumes and tmpfs.

use crate::harness::image::TestImage;
use crate::harness::process::{finish, signal, wait};
use crate::harness::run;
use crate::harness::user::{IMAGE, Session, has, until};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

#[test]
fn binds() {
    let s = session!();
    let dir = s.make_dir("shared");
    s.file("shared/in", "from the host\n");
    let mount = |suffix: &str| format!("{dir}:/m{suffix}");
    assert_eq!(s.script(&["-v", &mount("")], "cat /m/in; echo out >/m/out"), "from the host");
    let out = std::fs::metadata(s.home().join("shared/out")).unwrap();
    assert_eq!((out.uid(), out.gid()), (s.user.uid, s.user.gid));
    let refused = s.once(&["-v", &mount(":ro")], &["touch", "/m/x"]);
    assert!(refused.code == 1 && refused.err.contains("Read-only"), "{refused:?}");
    assert_eq!(s.script(&["-v", "./shared:/m:ro"], "cat /m/in"), "from the host");
    let long = format!("type=bind,source={dir},target=/a/b/c,ro");
    assert_eq!(
        s.script(&["--mount", &long], "cat /a/b/c/in; grep -c ' /a/b/c ro' /proc/self/mountinfo"),
        "from the host\n1"
    );
    // One file, over one of the image.
    let file = format!("{dir}/in:/srv/data/file");
    assert_eq!(s.script(&["-v", &file], "cat /srv/data/file"), "from the host");
    // Executable and suid programs of a mount are no way to more rights.
    let nosuid = s.script(&["-v", &mount("")], "grep ' /m ' /proc/self/mountinfo");
    assert!(nosuid.contains("nosuid") && nosuid.contains("nodev"), "{nosuid}");
}

#[test]
fn named_volumes() {
    let s = session!();
    // At first use the image's content is copied, later the volume's own is kept.
    assert_eq!(
        s.script(&["-v", "vol:/srv/data"], "cat /srv/data/file; echo mine >/srv/data/file"),
        "from the image"
    );
    assert_eq!(s.script(&["-v", "vol:/srv/data"], "cat /srv/data/file"), "mine");
    let list = s.ok(&["volume", "ls", "-q"]);
    assert_eq!(list, "vol");
    let long = ["--mount", "type=volume,source=vol,target=/v,ro"];
    assert_eq!(s.script(&long, "cat /v/file"), "mine");
    assert_eq!(s.script(&["-v", "empty:/srv/data:nocopy"], "ls /srv/data"), "");
    // A volume written by somebody within is removed all the same.
    s.script(&["-v", "vol:/v"], "chown -R player /v");
    s.script(&["-v", "vol:/v", "-u", "player"], "mkdir /v/dir; chmod 0 /v/dir");
    s.ok(&["volume", "rm", "vol", "empty"]);
    assert_eq!(std::fs::read_dir(s.data().join("volumes")).unwrap().count(), 0);
}

/// As podman has it: the names of hosts are the container's in a volume at /etc too.
#[test]
fn a_volume_at_etc_lies_below_the_small_files() {
    let s = session!();
    let look = "cat /etc/hostname; grep -c localhost /etc/hosts; test -e /etc/resolv.conf && \
                test -s /etc/passwd && echo whole";
    for mount in [["-v", "vol:/etc"], ["-v", "vol:/etc"], ["-v", "vol:/etc:ro"], ["-v", "/etc"]] {
        let flags = [&mount[..], &["--hostname", "inside"]].concat();
        let out = s.script(&flags, look);
        assert!(out.starts_with("inside\n") && out.ends_with("\nwhole"), "{mount:?}: {out}");
    }
    let dir = s.make_dir("etc");
    let out =
        s.script(&["-v", &format!("{dir}:/etc"), "--hostname", "inside"], "cat /etc/hostname");
    assert_eq!(out, "inside");
    assert_eq!(std::fs::read(s.home().join("etc/hostname")).unwrap(), b"");
    // Who brings a file of his own keeps it.
    let own = s.file("hosts", "mine\n");
    let flags = ["-v", "vol:/etc", "-v", &format!("{own}:/etc/hosts")];
    assert_eq!(s.script(&flags, "cat /etc/hosts"), "mine");
    // The same of the directories that are memory in a read-only root.
    let under = s.script(&["--read-only", "-v", "var:/var"], "grep ' /var' /proc/mounts | wc -l");
    assert_eq!(under, "2");
}

#[test]
fn a_volume_in_use_stays() {
    let s = session!();
    s.detached("x", &["-v", "vol:/v"], "exec sleep 1000");
    assert_ne!(s.run(&["volume", "rm", "vol"]).code, 0);
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "vol");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    s.ok(&["volume", "rm", "vol"]);
}

#[test]
fn anonymous_volumes_go_with_their_container() {
    let s = session!();
    assert_eq!(s.script(&["-v", "/srv/data"], "cat /srv/data/file"), "from the image");
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "");
    // Nor does one of a start that fails stay.
    let out = s.once(&["-v", "/srv/data"], &["nosuch"]);
    assert_eq!(out.code, 127);
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "");
    s.ok(&["run", "--network", "none", "--name", "x", "-v", "/v", IMAGE, "true"]);
    assert_eq!(s.ok(&["volume", "ls", "-q"]).lines().count(), 1);
    s.ok(&["rm", "-v", "x"]);
    assert_eq!(s.ok(&["volume", "ls", "-q"]), "");
}

#[test]
fn memory_and_read_only_roots() {
    let s = session!();
    let size = "df -k /t | tail -n 1 | awk '{print $2}'";
    assert_eq!(s.script(&["--tmpfs", "/t:size=1m"], size), "1024");
    assert_eq!(s.script(&["--mount", "type=tmpfs,target=/t,tmpfs-size=2m"], size), "2048");
    let script = "touch /x 2>/dev/null && echo root; for d in /tmp /run /dev/shm /var/tmp; do \
                  touch $d/x && echo $d; done";
    assert_eq!(s.script(&["--read-only"], script), "/tmp\n/run\n/dev/shm\n/var/tmp");
    assert_eq!(s.script(&["--tmpfs", "/srv/data"], "cat /srv/data/file"), "from the image");
}

#[test]
fn a_root_directory() {
    let s = session!();
    let root = s.make_dir("root");
    let bin = s.make_dir("root/bin");
    let busybox = format!("{bin}/busybox");
    std::fs::copy("/bin/busybox", &busybox).unwrap();
    let args = |flags: &[&'static str]| -> Vec<String> {
        let all = [&["run", "--rm", "--network", "none", "--rootfs"], flags].concat();
        all.into_iter().map(str::to_owned).collect()
    };
    let mut line = args(&[]);
    line.extend([root.clone(), "/bin/busybox".into(), "touch".into(), "/made".into()]);
    s.ok(&line.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(std::fs::metadata(format!("{root}/made")).is_ok());
    let mut line = args(&["--read-only"]);
    line.extend([root, "/bin/busybox".into(), "touch".into(), "/again".into()]);
    assert_eq!(s.run(&line.iter().map(String::as_str).collect::<Vec<_>>()).code, 1);
}

/// A layer of a few kilobytes may hold a file of many gigabytes: its holes are never written.
#[test]
fn holes_stay_holes_in_volumes_and_copies() {
    const GIB: u64 = 1 << 30;
    let s = session!();
    let image = TestImage::new(&[]);
    image.add_by(&["--sparse", "--format=posix"], |root| {
        std::fs::create_dir(root.join("vol")).unwrap();
        let mut file = std::fs::File::create(root.join("vol/x")).unwrap();
        file.set_len(32 * GIB).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(5 * GIB)).unwrap();
        std::io::Write::write_all(&mut file, b"here").unwrap();
    });
    let id = s.pull(&image);
    let volume = ["run", "--name", "x", "--network", "none", "-v", "sparse:/vol"];
    let script = "busybox stat -c %s /vol/x; busybox du -k /vol/x | busybox cut -f1; \
        busybox dd if=/vol/x bs=1M skip=5120 count=1 2>/dev/null | busybox head -c 4";
    let out = s.ok(&[&volume[..], &[&id, "/bin/sh", "-c", script]].concat());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], (32 * GIB).to_string(), "{out}");
    assert!(lines[1].parse::<u64>().unwrap() < 1024, "{out}");
    assert_eq!(lines[2], "here");
    s.ok(&["rm", "x"]);
}

/// An image may name a path of the kernel, or a link of its own to one.
#[test]
fn volumes_hold_no_files_of_the_kernel() {
    let s = session!();
    let image = |target: &str| {
        let image = TestImage::new(&[]);
        image.add(|root| std::os::unix::fs::symlink("/proc/1", root.join("link")).unwrap());
        let source = image.source();
        let name = source.strip_prefix("oci:").unwrap();
        run("umoci", &["config", "--image", name, "--config.volume", target]);
        s.pull(&image)
    };
    for (target, said) in [
        ("/proc/1/fd", "the image's volume \"/proc/1/fd\" lies in /proc"),
        ("/link/fdinfo", "/link/fdinfo: it leads to files of the kernel"),
    ] {
        let id = image(target);
        let out = s.run(&["run", "--rm", "--network", "none", &id, "/bin/busybox", "true"]);
        assert!(out.code == 125 && out.err.contains(said), "{target}: {out:?}");
        assert_eq!(s.ok(&["volume", "ls", "-q"]), "");
    }
}

const FILES: usize = 9000;

/// An image with enough small files below `/vol` that copying them takes a second or two.
fn much_to_copy(s: &Session) -> String {
    let image = TestImage::new(&[]);
    image.add(|root| {
        for dir in 0..30 {
            let dir = root.join(format!("vol/{dir}"));
            std::fs::create_dir_all(&dir).unwrap();
            for file in 0..FILES / 30 {
                std::fs::write(dir.join(file.to_string()), b"x").unwrap();
            }
        }
    });
    s.pull(&image)
}

fn files_below(dir: &std::path::Path) -> usize {
    let inner = std::fs::read_dir(dir).into_iter().flatten().flatten();
    inner.map(|d| std::fs::read_dir(d.path()).map_or(0, Iterator::count)).sum()
}

/// Ctrl-C and `kill` end a run at once that copies an image's files into a volume; so does kill -9
/// of everybody. The next run copies what is missing.
#[test]
fn a_volume_that_was_filled_in_part_is_never_taken_for_whole() {
    let s = session!();
    let id = much_to_copy(&s);
    let data = s.data().join("volumes/v/_data");
    let run = ["run", "--rm", "--network", "none", "-v", "v:/vol", "--name", "x"];
    let counts = ["/bin/sh", "-c", "busybox find /vol -type f | busybox wc -l"];
    let start = |flags: &[&str]| {
        let child = s.spawn(&[&run[..], flags, &[&id], &counts].concat());
        until("it copies", || files_below(&data) > 100);
        child
    };
    for (flags, number, code) in [(&[][..], 2, 130), (&[], 15, 143), (&["-d"], 2, -2)] {
        let mut child = start(flags);
        let begun = Instant::now();
        signal(child.id(), number);
        assert_eq!(wait(&mut child, Duration::from_secs(20), "the launcher"), code, "{flags:?}");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        until("nothing runs", || s.ok(&["ps", "-aq"]).is_empty());
        assert!(files_below(&data) < FILES, "all was copied before the signal came");
        s.ok(&["volume", "rm", "v"]);
    }
    // Nobody can write down that he was killed.
    let mut child = start(&["-d"]);
    let id_of = s.ok(&["ps", "-aq", "--no-trunc"]);
    let (monitor, init) = s.pids(&id_of);
    for pid in [child.id(), monitor as u32, init as u32] {
        signal(pid, 9);
    }
    wait(&mut child, Duration::from_secs(20), "the launcher");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
    std::fs::write(data.join("mine"), "of somebody else").unwrap();
    let count = s.ok(&[&run[..], &[&id], &counts].concat());
    assert_eq!(count, (FILES + 1).to_string());
    assert_eq!(std::fs::read_to_string(data.join("mine")).unwrap(), "of somebody else");
    // It is whole now: what is deleted stays deleted.
    let less =
        ["/bin/sh", "-c", "busybox rm -r /vol/[1-9]*; busybox find /vol -type f | busybox wc -l"];
    s.ok(&[&run[..], &[&id], &less].concat());
    assert_eq!(s.ok(&[&run[..], &[&id], &counts].concat()), "301");
}

/// The second waits until the first has filled it.
#[test]
fn two_first_users_of_a_volume_both_find_it_whole() {
    let s = session!();
    let id = much_to_copy(&s);
    let run = ["run", "--rm", "--network", "none", "-v", "v:/vol", &id];
    let counts = ["/bin/sh", "-c", "busybox find /vol -type f | busybox wc -l"];
    let both = [(), ()].map(|()| s.spawn(&[&run[..], &counts].concat()));
    for child in both {
        let out = crate::harness::process::finish(child, Duration::from_secs(60), "run");
        assert!(out.code == 0 && out.out == format!("{FILES}\n"), "{out:?}");
    }
}

/// System calls of one `bolt run --rm FLAGS v1 true` and all it starts, as strace(1) writes them.
fn traced(s: &Session, calls: &str, flags: &[&str]) -> String {
    let trace = s.home().join("trace");
    let mut command = s.command("strace");
    command.args(["-f", "-o"]).arg(&trace).arg("-e").arg(format!("trace={calls}"));
    command.arg(s.program()).args(["run", "--rm", "--network", "none"]).args(flags);
    command.args([IMAGE, "true"]);
    let out = finish(command.spawn().unwrap(), Duration::from_secs(60), "strace");
    assert_eq!(out.code, 0, "{out:?}");
    std::fs::read_to_string(trace).unwrap()
}

/// A power cut leaves a volume that is whole, or one that is marked and copied again.
#[test]
fn a_filled_volume_is_on_the_disk_before_it_counts_as_filled() {
    let s = session!();
    if !has("strace") {
        skip!("no strace");
    }
    // A program under strace gets no more rights from newuidmap: P is there already.
    s.detached("other", &[], "exec sleep 1000");
    let calls = "syncfs,fsync,fdatasync,sync,openat,unlinkat";
    let trace = traced(&s, calls, &["-v", "new:/srv/data"]);
    let mut rest = trace.lines();
    for what in ["openat( \"filling\"", " fsync(", " syncfs(", "unlinkat( \"filling\""] {
        let found = rest.any(|l| what.split(' ').all(|w| l.contains(w)));
        assert!(found, "no {what} in this place: {trace}");
    }
    // Who fills nothing waits for no disk.
    for flags in [&["-v", "new:/srv/data"][..], &[]] {
        let trace = traced(&s, "syncfs,sync", flags);
        assert!(!trace.contains("sync"), "{trace}");
    }
}

#[test]
fn a_tmpfs_has_the_mode_that_was_asked_for() {
    let s = session!();
    let mount = "type=tmpfs,target=/tmp,tmpfs-mode=0700";
    let flags = ["--tmpfs", "/srv:mode=1770,uid=3,gid=4", "--mount", mount, "--tmpfs", "/root"];
    let script = "stat -c %a:%u:%g /srv /tmp /root; cat /srv/data/file";
    // Without a wish it is the image's.
    assert_eq!(s.script(&flags, script), "1770:3:4\n700:0:0\n700:0:0\nfrom the image");
}

/// As podman mounts it: programs run from it, it has the mode of the image's directory, and where
/// the image has none everybody may write.
#[test]
fn a_tmpfs_is_podmans() {
    let s = session!();
    let show = |flags: &[&str], path: &str| {
        let script = format!(
            "sed -n 's,^[^ ]* {path} tmpfs \\([^ ]*\\)relatime.*,\\1,p' \
                              /proc/mounts; stat -c %a {path}; ls {path}"
        );
        s.script(flags, &script).replace('\n', " ")
    };
    for (flags, want) in [
        (["--tmpfs", "/new"], "rw,nosuid,nodev, 1777"),
        (["--tmpfs", "/new:rprivate"], "rw,nosuid,nodev, 1777"),
        (["--tmpfs", "/new:noexec,ro"], "ro,nosuid,nodev,noexec, 1777"),
        (["--tmpfs", "/new:suid,dev,mode=700"], "rw, 700"),
        (["--mount", "type=tmpfs,target=/new"], "rw,nosuid,nodev, 1777"),
    ] {
        assert_eq!(show(&flags, "/new"), want, "{flags:?}");
    }
    assert_eq!(show(&["--tmpfs", "/root"], "/root"), "rw,nosuid,nodev, 700");
    assert_eq!(show(&["--tmpfs", "/root:notmpcopyup"], "/root"), "rw,nosuid,nodev, 700");
    assert_eq!(show(&["--tmpfs", "/srv/data"], "/srv/data"), "rw,nosuid,nodev, 755 file");
    assert_eq!(show(&["--tmpfs", "/srv/data:notmpcopyup"], "/srv/data"), "rw,nosuid,nodev, 755");
    let program = "cp /bin/busybox /new/echo && /new/echo ran";
    assert_eq!(s.script(&["-u", "player", "--tmpfs", "/new"], program), "ran");
}

/// As with podman: a place for saves is of use to who plays.
#[test]
fn a_new_volume_where_the_image_has_nothing_belongs_to_the_user() {
    let s = session!();
    let script = "touch /saves/x && stat -c '%u %g' /saves";
    for (n, (flags, want)) in [
        (&["-u", "player"][..], "1000 1000"),
        (&["-u", "4711:44"], "4711 44"),
        (&["--userns", "keep-id:uid=77,gid=78"], "77 78"),
        (&[], "0 0"),
    ]
    .into_iter()
    .enumerate()
    {
        let volume = format!("saves{n}:/saves");
        let flags = [flags, &["-w", "/", "-v", &volume]].concat();
        assert_eq!(s.script(&flags, script), want, "{flags:?}");
    }
    // Where the image has a directory, that one's owner counts.
    assert_eq!(s.script(&["-u", "player", "-v", "own:/srv", "-w", "/"], "stat -c %u /srv"), "0");
    let out = s.once(&["--tmpfs", "/dev/"], &["true"]);
    assert!(out.code == 125 && out.err.contains("at /dev, which"), "{out:?}");
}

/// An empty volume gets the image's content before it becomes read-only; the start failed.
#[test]
fn a_read_only_volume_is_filled() {
    let s = session!();
    let script = "cat file; touch x 2>/dev/null || echo refused";
    for _ in 0..2 {
        let out = s.script(&["-v", "sealed:/srv/data:ro", "-w", "/srv/data"], script);
        assert_eq!(out, "from the image\nrefused");
    }
    assert_eq!(
        s.script(&["-v", "bare:/new:ro"], "touch /new/x 2>/dev/null || echo refused"),
        "refused"
    );
    s.ok(&["volume", "rm", "sealed", "bare"]);
}
