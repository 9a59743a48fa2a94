//! Capabilities, the filter, masks, devices, what is mounted.

use crate::harness::image::TestImage;
use crate::harness::user::Session;

fn status(s: &Session, flags: &[&str], field: &str) -> String {
    s.script(flags, &format!("sed -n 's/^{field}:[[:space:]]*//p' /proc/self/status"))
}

#[test]
fn capabilities() {
    let s = session!();
    const DEFAULT: u64 = 0x8004_05fb;
    let eff = |flags: &[&str]| u64::from_str_radix(&status(&s, flags, "CapEff"), 16).unwrap();
    let bounding = |flags: &[&str]| u64::from_str_radix(&status(&s, flags, "CapBnd"), 16).unwrap();
    assert_eq!((eff(&[]), bounding(&[])), (DEFAULT, DEFAULT));
    assert_eq!(eff(&["--cap-drop", "all"]), 0);
    assert_eq!(eff(&["--cap-drop", "ALL", "--cap-add", "CAP_NET_RAW"]), 1 << 13);
    assert_eq!(eff(&["--cap-drop", "chown"]), DEFAULT & !1);
    assert_eq!(eff(&["--cap-add", "SYS_ADMIN"]), DEFAULT | 1 << 21);
    assert!(eff(&["--cap-add", "all"]) >= 1 << 40);
    // Another user has none, and no ambient ones that a nested sandbox would stumble over.
    assert_eq!((eff(&["-u", "player"]), bounding(&["-u", "player"])), (0, DEFAULT));
    for field in ["CapAmb", "CapInh"] {
        for flags in [&[][..], &["-u", "player"], &["--cap-add", "SYS_ADMIN"]] {
            assert_eq!(status(&s, flags, field), "0".repeat(16), "{field}: {flags:?}");
        }
        assert_eq!(status(&s, &["--privileged", "-u", "player"], field), "0".repeat(16));
    }
}

/// What podman gives a user that is not root: exactly what was added, for its children too.
#[test]
fn added_capabilities_hold_for_any_user() {
    let s = session!();
    const ADDED: u64 = 1 << 13 | 1;
    let sets = |out: &str| -> Vec<u64> {
        out.lines().map(|bits| u64::from_str_radix(bits, 16).unwrap()).collect()
    };
    // Inheritable, permitted, effective, bounding, ambient: of a program that sh has executed.
    const SHOW: &str = "sed -n 's/^Cap...:[[:space:]]*//p' /proc/self/status";
    let of = |flags: &[&str]| sets(&s.script(flags, SHOW));
    let player = ["-u", "player", "--cap-add", "NET_RAW,CHOWN"];
    let bounding = 0x8004_05fb | ADDED;
    assert_eq!(of(&player), [ADDED, ADDED, ADDED, bounding, ADDED]);
    let locked = ["--security-opt", "no-new-privileges"];
    assert_eq!(of(&[&player[..], &locked].concat()), [ADDED, ADDED, ADDED, bounding, ADDED]);
    let fewer = of(&[&player[..], &["--cap-drop", "ALL"]].concat());
    assert_eq!(fewer, [ADDED; 5]);
    let all = of(&["-u", "player", "--cap-add", "all", "--cap-drop", "SYS_ADMIN"]);
    assert!(all[4] >= 1 << 40 && all[4] & 1 << 21 == 0 && all[4] == all[2], "{all:?}");
    let kept = of(&["--userns", "keep-id", "--cap-add", "NET_RAW"]);
    assert_eq!((kept[2], kept[4]), (1 << 13, 1 << 13));

    let id = s.detached("added", &player, "exec sleep 1000");
    let exec = |flags: &[&str]| {
        let words = [&["exec"], flags, &[id.as_str(), "sh", "-c", SHOW]].concat();
        sets(&s.ok(&words))
    };
    assert_eq!(exec(&[])[4], ADDED);
    assert_eq!(exec(&["-u", "player"])[4], ADDED);
    assert_eq!(exec(&["-u", "4711"]), [0, 0, 0, bounding, 0]);
    assert_eq!(exec(&["-u", "root"]), [0, bounding, bounding, bounding, 0]);
    s.ok(&["rm", "-f", "-t", "0", &id]);
}

#[test]
fn the_filter() {
    let s = session!();
    assert_eq!(status(&s, &[], "Seccomp"), "2");
    assert_eq!(status(&s, &["--security-opt", "seccomp=unconfined"], "Seccomp"), "0");
    assert_eq!(status(&s, &["--privileged"], "Seccomp"), "0");
    assert_eq!(status(&s, &[], "NoNewPrivs"), "0");
    assert_eq!(status(&s, &["--security-opt", "no-new-privileges"], "NoNewPrivs"), "1");
    let profile = s.file(
        "profile.json",
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#,
    );
    let option = format!("seccomp={profile}");
    let out = s.once(&["--security-opt", &option], &["mkdir", "/x"]);
    assert!(out.code == 1 && out.err.contains("not supported"), "{out:?}");
    let broken = s.file("broken.json", "{");
    let out = s.once(&["--security-opt", &format!("seccomp={broken}")], &["true"]);
    assert!(out.code == 125 && out.err.contains("broken.json"), "{out:?}");
}

/// A mask was left out where a link of the image's led to what it covers.
fn linked_image() -> TestImage {
    let image = TestImage::new(&[]);
    image.add(|root| {
        std::fs::create_dir(root.join("long")).unwrap();
        std::fs::write(root.join("long/secret"), "x").unwrap();
        std::os::unix::fs::symlink("/long", root.join("short")).unwrap();
        std::os::unix::fs::symlink("round", root.join("round")).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.join("gone")).unwrap();
    });
    image
}

#[test]
fn masked_paths() {
    let s = session!();
    let script = "for p in /proc/keys /proc/timer_list /proc/kcore /proc/sched_debug \
                  /proc/interrupts; do [ ! -e $p ] || [ -z \"$(head -c 1 $p 2>/dev/null)\" ] \
                  || echo open: $p; done; ls -A /proc/acpi /sys/firmware /proc/scsi 2>/dev/null \
                  | grep -v '^/' | grep . ; for p in /proc/sys/kernel/pid_max /proc/sysrq-trigger; \
                  do echo 1 2>/dev/null >$p && echo written: $p; done; true";
    assert_eq!(s.script(&[], script), "");
    assert_eq!(s.script(&["--cap-add", "all"], script), "");
    assert_eq!(
        s.script(&["--security-opt", "mask=/etc/passwd:/srv"], "cat /etc/passwd; ls /srv"),
        ""
    );
    let id = s.pull(&linked_image());
    let out = s.run(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--security-opt",
        "mask=/short/secret:/round:/gone/x",
        &id,
        "/bin/busybox",
        "cat",
        "/long/secret",
    ]);
    assert_eq!((out.code, out.out.as_str()), (0, ""), "{out:?}");
    let unmasked = s
        .script(&["--security-opt", "unmask=/proc/interrupts"], "grep -c . /proc/interrupts; true");
    assert_ne!(unmasked, "0");
    let mounts = s.script(&["--security-opt", "unmask=ALL"], "cat /proc/self/mountinfo");
    assert!(!mounts.contains(" /proc/keys ") && !mounts.contains(" /proc/sys "), "{mounts}");
    // The second procfs is for nested sandboxes only: no path shows it.
    assert_eq!(s.script(&[], "ls -A /dev/.p"), "");
    assert_ne!(s.once(&[], &["umount", "/proc/keys"]).code, 0);
    assert_ne!(s.once(&[], &["umount", "-l", "/dev/.p"]).code, 0);
}

#[test]
fn nothing_is_executed_from_dev() {
    let s = session!();
    let script = "cp /bin/busybox /dev/program && /dev/program true";
    let out = s.once(&[], &["sh", "-c", script]);
    assert_eq!(out.code, 126, "{out:?}");
    let options = "grep -E ' /dev(/pts|/shm|/mqueue)? ' /proc/mounts | grep -vc noexec";
    assert_eq!(s.once(&[], &["sh", "-c", options]).out, "0\n");
}

/// Where every container has a file system of its own.
const OWN: [&str; 6] = ["/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"];

/// What is mounted there, each once: place, type, flags, and those of its options that are ours.
fn own_mounts(mountinfo: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        // proc_pid_mountinfo(5): any number of fields before the hyphen.
        let (mount, system) = line.split_once(" - ").unwrap();
        let (mount, system) = (Vec::from_iter(mount.split(' ')), Vec::from_iter(system.split(' ')));
        if OWN.contains(&mount[4]) {
            let flags = mount[5].split(',').filter(|flag| *flag != "relatime");
            let ours = ["size=", "mode=", "ptmxmode="];
            let is_ours = |option: &&str| ours.iter().any(|key| option.starts_with(key));
            let options = Vec::from_iter(system[2].split(',').filter(is_ours)).join(",");
            let flags = Vec::from_iter(flags).join(",");
            found.push(format!("{} {} {flags} {options}", mount[4], system[0]));
        }
    }
    found.sort();
    found
}

#[test]
fn file_systems_of_its_own() {
    let s = session!();
    let script = "cat /proc/self/mountinfo";
    let want = |shm: &str| {
        [
            "/dev tmpfs rw,nosuid,noexec size=65536k,mode=755".to_owned(),
            "/dev/mqueue mqueue rw,nosuid,nodev,noexec ".to_owned(),
            "/dev/pts devpts rw,nosuid,noexec mode=620,ptmxmode=666".to_owned(),
            format!("/dev/shm tmpfs rw,nosuid,nodev,noexec size={shm}"),
            "/proc proc rw,nosuid,nodev,noexec ".to_owned(),
            "/sys sysfs ro,nosuid,nodev,noexec ".to_owned(),
        ]
    };
    // Made ahead, made with the plan, and made beside a container that lives.
    assert_eq!(own_mounts(&s.script(&[], script)), want("65536k"));
    assert_eq!(own_mounts(&s.script(&["--shm-size", "1m"], script)), want("1024k"));
    assert_eq!(own_mounts(&s.script(&["--userns", "keep-id"], script)), want("65536k"));
    s.detached("x", &[], "exec sleep 1000");
    assert_eq!(own_mounts(&s.script(&["-u", "player"], script)), want("65536k"));
    let modes = "stat -c '%a %u:%g' /dev /dev/shm /dev/pts /dev/mqueue";
    assert_eq!(s.script(&[], modes), "755 0:0\n1777 0:0\n755 0:0\n1777 0:0");
    // Any user's to write to, and nobody else's to see.
    let write = "echo mine >/dev/shm/x && cat /dev/shm/x && touch /dev/mqueue/q";
    assert_eq!(s.script(&["-u", "player"], write), "mine");
    assert_eq!(s.script(&[], "ls -A /dev/shm /dev/mqueue"), "/dev/mqueue:\n\n/dev/shm:");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}

#[test]
fn devices() {
    let s = session!();
    let list = s.script(&[], "ls /dev | tr '\\n' ' '");
    let want = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ";
    assert_eq!(list.trim(), want.trim());
    let flags = ["--device", "/dev/zero:/dev/mine", "--device", "/dev/full"];
    assert_eq!(
        s.script(&flags, "head -c 3 /dev/mine | wc -c; echo x 2>/dev/null >/dev/full || echo full"),
        "3\nfull"
    );
    let out = s.once(&["--device", "/dev/full:/dev/mine:rwx"], &["true"]);
    assert!(out.code == 125 && out.err.contains("permissions are of r, w and m"), "{out:?}");
    assert_ne!(s.once(&["--cap-add", "MKNOD"], &["mknod", "/x", "b", "254", "0"]).code, 0);
}

/// podman takes them, and says nothing of a rootless container that writes all the same.
#[test]
fn permissions_of_a_device_that_do_not_hold_are_told() {
    let s = session!();
    for permissions in ["r", "w", "m", "rm", "mw"] {
        let device = format!("/dev/null:/dev/mine:{permissions}");
        let out = s.once(&["--device", &device], &["sh", "-c", "cat /dev/mine; echo x >/dev/mine"]);
        let told = format!("denied: permissions \"{permissions}\" of the device at /dev/mine: ");
        assert!(out.code == 0 && out.err.contains(&told), "{out:?}");
        assert_eq!(out.err.lines().count(), 1, "{out:?}");
    }
    for device in ["/dev/null:rw", "/dev/null:/dev/mine:mwr"] {
        let out = s.once(&["--device", device], &["true"]);
        assert_eq!((out.code, out.err.as_str()), (0, ""), "{device}");
    }
}
