//! Regression tests named after what happened to others.

use crate::harness::image::TestImage;
use crate::harness::user::Session;
use crate::harness::{Scratch, run};
use std::os::unix::fs::symlink;
use std::path::Path;

/// An image with one more layer.
fn image(fill: impl FnOnce(&Path)) -> TestImage {
    let image = TestImage::new(&[]);
    image.add(fill);
    image
}

fn shell(s: &Session, id: &str, flags: &[&str], script: &str) -> crate::harness::process::Out {
    let mut args = vec!["run", "--rm", "--network", "none"];
    args.extend(flags);
    args.extend([id, "/bin/busybox", "sh", "-c", script]);
    s.run(&args)
}

/// runc: a directory of the host stayed open, and a working directory of `/proc/self/fd/N` led
/// there.
#[test]
fn cve_2024_21626_no_descriptor_leaks() {
    let s = session!();
    // The shell expands the pattern itself: no program has one open for it but the directory.
    for flags in [&[][..], &["--init"], &["-i"], &["--read-only"], &["-v", "vol:/v"]] {
        let fds = s.script(
            flags,
            "for f in /proc/$$/fd/*; do readlink $f; done | grep -v ^pipe: | sort -u",
        );
        let left: Vec<&str> =
            fds.lines().filter(|l| *l != "/dev/null" && !l.starts_with("/proc/")).collect();
        assert!(left.is_empty(), "{flags:?}: {left:?}");
        assert_eq!(s.script(flags, "ls /proc/$$/fd | head -n 3 | tr '\\n' ' '"), "0 1 2 ");
    }
    let id = s.detached("x", &[], "exec sleep 1000");
    let listed = s.ok(&["exec", &id, "sh", "-c", "ls -l /proc/$$/fd"]);
    for line in listed.lines().filter(|l| l.contains("->")) {
        assert!(
            line.contains("pipe:") || line.contains("/dev/null") || line.contains("/proc/"),
            "{line}"
        );
    }
    for n in 0..12 {
        let dir = format!("/proc/self/fd/{n}");
        for out in [
            s.once(&["-w", &dir], &["sh", "-c", "cat ../../../../../etc/passwd 2>&1 | head -n 1"]),
            s.run(&[
                "exec",
                "-w",
                &dir,
                &id,
                "sh",
                "-c",
                "cat ../../../../../etc/passwd 2>&1 | head -n 1",
            ]),
        ] {
            let harmless = out.out.is_empty()
                || out.out.starts_with("root:x:0:0:root:/root:/bin/sh") && out.out.len() < 40
                || out.out.contains("No such file");
            assert!(harmless, "{dir}: {out:?}");
        }
    }
}

/// runc: container root overwrote the runtime's own program through /proc/PID/exe.
#[test]
fn cve_2019_5736_the_supervisor_is_out_of_reach() {
    let s = session!();
    let out = s.once(&["--init"], &["sh", "-c", "cat /proc/1/exe | wc -c; echo x >/proc/1/exe"]);
    assert!(out.out.trim() == "0" && out.code != 0, "{out:?}");
    // An entry point of /proc/self/exe runs the shim itself, once more, within: it must not be
    // able to write to it.
    let out = s.once(&[], &["/proc/self/exe"]);
    assert_ne!(out.code, 0, "{out:?}");
    let id = s.detached("x", &[],
        "while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *busybox|'') ;; \
         *) (echo x >>$p/exe) 2>/dev/null && echo WRITTEN; head -c 4 $p/exe 2>/dev/null && echo READ;; \
         esac; done; done");
    for _ in 0..20 {
        assert_eq!(s.run(&["exec", &id, "true"]).code, 0);
    }
    let log = s.ok(&["logs", "x"]);
    assert!(!log.contains("WRITTEN") && !log.contains("READ"), "{log}");
}

/// runc: masks were bound from a `/dev/null` of the image, or followed its links.
#[test]
fn cve_2025_31133_52565_52881_masks_do_not_follow_the_image() {
    let s = session!();
    let id = s.pull(&image(|root| {
        std::fs::create_dir(root.join("dev")).unwrap();
        symlink("/proc/sysrq-trigger", root.join("dev/null")).unwrap();
        symlink("/proc/sys/kernel/core_pattern", root.join("dev/console")).unwrap();
        symlink("/etc", root.join("dev/pts")).unwrap();
        std::fs::create_dir(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/secret"), "x").unwrap();
    }));
    for flags in [&[][..], &["-t"]] {
        let out = shell(
            &s,
            &id,
            flags,
            "B=/bin/busybox; $B test -c /dev/null && $B echo null; $B head -c 1 /proc/keys; \
             $B echo x 2>/dev/null >/proc/sys/kernel/core_pattern && $B echo written; \
             $B ls /etc/secret",
        );
        assert_eq!(out.out.replace('\r', ""), "null\n/etc/secret\n", "{out:?}");
    }
}

/// Images whose `/dev`, `/proc` or `/sys` is a link, to elsewhere or not: no such start. `/etc` may
/// be one: what is mounted in it then lies where it leads within the root.
#[test]
fn cve_2026_41579_47766_links_in_the_place_of_mounts() {
    let s = session!();
    let outside = Scratch::new();
    std::fs::set_permissions(outside.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let outside_path = outside.path().to_str().unwrap().to_owned();
    let mounted = "/bin/busybox awk '{ print $5 }' /proc/self/mountinfo";
    let nothing = "No such file or directory";
    for name in ["dev", "proc", "sys", "etc"] {
        for (target, etc) in [
            (outside_path.as_str(), Err(nothing)),
            ("/", Ok("")),
            ("..", Ok("")),
            ("inside", Ok("/inside")),
            ("/nowhere", Err(nothing)),
            ("loop", Err("Symbolic link loop")),
        ] {
            let id = s.pull(&image(|root| {
                std::fs::create_dir(root.join("inside")).unwrap();
                let target = if target == "loop" { name } else { target };
                symlink(target, root.join(name)).unwrap();
            }));
            let out = shell(&s, &id, &[], mounted);
            let what = format!("{name} -> {target}: {out:?}");
            let refusal = if name == "etc" { etc } else { Err("Not a directory") };
            match refusal {
                Err(why) => {
                    assert_eq!((out.code, out.out.as_str()), (125, ""), "{what}");
                    assert!(out.err.starts_with(&format!("bolt: mount /{name}")), "{what}");
                    assert!(out.err.contains(why), "{what}");
                }
                Ok(place) => {
                    assert_eq!((out.code, out.err.as_str()), (0, ""), "{what}");
                    let mut points: Vec<&str> = out.out.lines().collect();
                    points.retain(|p| !["/proc", "/dev", "/sys"].iter().any(|k| p.starts_with(k)));
                    points.sort_unstable();
                    let files = ["hostname", "hosts", "resolv.conf"];
                    let mut want = files.map(|file| format!("{place}/{file}")).to_vec();
                    want.insert(0, "/".to_owned());
                    assert_eq!(points, want, "{what}");
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// A link in the place of a file that is bound over, absolute and to the host's own.
#[test]
fn resolv_conf_as_a_link_stays_within() {
    let s = session!();
    let outside = Scratch::new();
    let file = outside.join("resolv.conf");
    std::fs::write(&file, "untouched").unwrap();
    run("chmod", &["-R", "a+rwX", outside.path().to_str().unwrap()]);
    for target in
        [file.to_str().unwrap(), "../../../../etc/passwd", "/run/systemd/resolve/stub-resolv.conf"]
    {
        let id = s.pull(&image(|root| {
            std::fs::create_dir(root.join("etc")).unwrap();
            for name in ["resolv.conf", "hosts", "hostname"] {
                symlink(target, root.join("etc").join(name)).unwrap();
            }
        }));
        let out = shell(&s, &id, &[], "/bin/busybox echo ran");
        assert!(out.out == "ran\n" || out.code == 125, "{target}: {out:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "untouched");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

/// A bind or a volume whose target is reached through a link of the image.
#[test]
fn targets_of_volumes_stay_within() {
    let s = session!();
    let outside = Scratch::new();
    run("chmod", &["a+rwx", outside.path().to_str().unwrap()]);
    let target = outside.path().to_str().unwrap().to_owned();
    let id = s.pull(&image(|root| {
        symlink(&target, root.join("out")).unwrap();
        symlink("../../../../../../..", root.join("up")).unwrap();
    }));
    let probe = format!("/up{target}/from-up");
    for mount in ["vol:/out/made", "vol:/up/made", "vol:/out", &format!("vol:{probe}")] {
        let out = shell(&s, &id, &["-v", mount], "/bin/busybox echo ran");
        assert!(out.out == "ran\n" || out.code == 125, "{mount}: {out:?}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// What a program finds at its descriptors it can open anew, with rights that ours has not, and
/// what is a directory leads out. The same class as CVE-2024-21626.
#[test]
fn an_exec_gets_no_file_of_the_host() {
    let s = session!();
    s.detached("x", &[], "exec sleep 1000");
    let secret = s.file("secret", "of the host\n");
    let script =
        "cat; echo PWNED >>/proc/self/fd/0; : >/proc/self/fd/1; ls /proc/self/fd/0/../.. ; true";
    let mut exec = s.bolt(&["exec", "-i", "x", "sh", "-c", script]);
    let log = s.file("log", "before\n");
    exec.stdin(std::fs::File::open(&secret).unwrap());
    exec.stdout(std::fs::File::options().append(true).open(&log).unwrap());
    assert!(exec.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "of the host\n");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "before\nof the host\n");
    // A directory is no input at all.
    let mut exec = s.bolt(&["exec", "-i", "x", "sh", "-c", "ls /proc/self/fd/0/ 2>&1; cat"]);
    exec.stdin(std::fs::File::open(s.home()).unwrap());
    let out = exec.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(!text.contains("secret") && !text.contains("log"), "{text}");
    s.ok(&["rm", "-f", "-t", "0", "x"]);
}
