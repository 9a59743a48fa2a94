//! The root file system where the kernel mounts no overlay.

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::user::{IMAGE, Session, has};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A store of which an earlier trial found that overlay does not work here.
fn refuses_overlay(s: &Session) {
    let store = s.data().join("store");
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let device = std::fs::metadata(&store).unwrap().dev();
    let tried = format!(
        r#"{{"version":1,"kernel":"{kernel}","device":{device},"refusal":"mount an overlay: EINVAL"}}"#
    );
    let made = s.file("driver.json", tried);
    std::fs::copy(made, store.join("driver.json")).unwrap();
}

/// Makes the file of fuse-overlayfs no program.
const HIDE_FUSE: &str =
    "[ ! -e /usr/bin/fuse-overlayfs ] || mount --bind /dev/null /usr/bin/fuse-overlayfs";
/// Puts an overlay below the data directory, as in a container of somebody's: the kernel takes no
/// overlay for an upper directory.
const NEST: &str = "cd \"$XDG_DATA_HOME/..\"; mkdir -p under/lower under/upper under/work
    chown \"$UID_OF:$GID_OF\" under/upper
    mount -t overlay -o lowerdir=under/lower,upperdir=under/upper,workdir=under/work none data
    cd \"$HOME\"";
/// The file system of a container's `/`, and which directory of it that is.
pub(super) const ROOT_MOUNT: &str =
    "awk '$5 == \"/\" { for (n = 6; $n != \"-\"; n++); print $(n + 1), $4 }' /proc/self/mountinfo";

/// A program as the session's user, in a mount namespace of root's that `prepare` changes before.
pub(super) fn in_mounts(s: &Session, prepare: &str, words: &[&str]) -> Out {
    let mut command = Command::new("unshare");
    let script = format!(
        "set -e; {prepare}
        exec setpriv --reuid \"$UID_OF\" --regid \"$GID_OF\" --init-groups \"$@\""
    );
    command.args(["--mount", "sh", "-c", &script, "sh"]).args(words);
    command.env_clear().current_dir(s.home()).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    for (key, value) in s.bolt(&[]).get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    let home = std::fs::metadata(s.home()).unwrap();
    command.env("UID_OF", home.uid().to_string()).env("GID_OF", home.gid().to_string());
    finish(command.spawn().unwrap(), Duration::from_secs(60), &format!("{words:?}"))
}

/// A script of the session's user where the kernel really refuses overlay; `$0` is bolt.
pub(super) fn where_overlay_is_refused(s: &Session, has_fuse: bool, script: &str) -> Out {
    let hide = if has_fuse { "" } else { HIDE_FUSE };
    let bolt = s.program();
    let words = ["sh", "-ec", script, bolt.to_str().unwrap()];
    in_mounts(s, &format!("{NEST}\n{hide}"), &words)
}

/// `bolt` where the file of fuse-overlayfs is no program.
fn without_fuse(s: &Session, args: &[&str]) -> Out {
    let bolt = s.program();
    in_mounts(s, HIDE_FUSE, &[&[bolt.to_str().unwrap()], args].concat())
}

/// overlayfs lies over something: an image that has nothing is given nothing to lie over.
#[test]
fn an_image_without_layers_runs_what_a_volume_brings() {
    let s = session!();
    let image = TestImage::without_layers();
    s.pull(&image);
    let name = image.source();
    let none = s.run(&["run", "--rm", "--network", "none", &name, "/busybox", "true"]);
    assert!(none.code == 127 && none.err.contains("/busybox: not found"), "{none:?}");
    let volume = ["-v", "/bin/busybox:/busybox:ro"];
    let script = "/busybox stat -c %a /; echo x >/written";
    let mut args = vec!["run", "--name", "x", "--network", "none"];
    args.extend(volume.iter().chain(&[name.as_str(), "/busybox", "sh", "-c", script]));
    assert_eq!(s.ok(&args), "755");
    assert!(s.ok(&["diff", "x"]).contains("A /written"));
    s.ok(&["start", "-a", "x"]);
    assert!(s.run(&["export", "x"]).out.contains("written"));
    s.ok(&["rm", "x"]);
    s.ok(&["system", "check"]);
}

/// What no user and no path can be is refused by its name, and what the kernel refuses is told in
/// a message that a packet can carry.
#[test]
fn endless_words_of_an_image_are_told_in_short() {
    let s = session!();
    let long = |letter: &str| letter.repeat(100_000);
    for (field, value, flag, says) in [
        ("user", long("u"), ["--user", "root"], "its User has 100000 bytes"),
        ("workingdir", format!("/{}", long("w")), ["--workdir", "/"], "its WorkingDir has 100001"),
        ("entrypoint", format!("/{}", long("e")), ["--entrypoint", ""], "eee... (100001 bytes)"),
    ] {
        let image = TestImage::busybox();
        image.configure(field, &value);
        s.pull(&image);
        let out = s.run(&["run", "--rm", "--network", "none", &image.source(), "true"]);
        assert!(out.code >= 125 && out.err.contains(says), "{field}: {}", out.code);
        assert!(out.err.len() < 700, "{field}: {}", out.err.len());
        let other = ["run", "--rm", "--network", "none", flag[0], flag[1], &image.source(), "true"];
        s.ok(&other);
    }
}

/// The layers are copied inside the user namespace that the supervisor makes: as the user's
/// first container, nobody else has made it before.
#[test]
fn the_first_container_of_all_has_a_copied_root() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can hide fuse-overlayfs");
    }
    refuses_overlay(&s);
    let script = "echo w >/etc/w; id -u";
    let out =
        without_fuse(&s, &["run", "--network", "none", "--name", "x", IMAGE, "sh", "-c", script]);
    assert_eq!((out.code, out.out.trim()), (0, "0"), "{out:?}");
    assert_eq!(s.inspect("x", ".Driver"), "copy");
    let out = without_fuse(&s, &["start", "-a", "x"]);
    assert_eq!(out.code, 0, "{out:?}");
    s.ok(&["rm", "x"]);
}

/// Not forged: the data directory lies on an overlay, and the kernel says EINVAL. The container runs
/// all the same, over what is there, and `bolt info` says over what and why.
#[test]
fn where_the_kernel_refuses_overlay_something_else_takes_its_place() {
    let fuse = has("fuse-overlayfs") && std::path::Path::new("/dev/fuse").exists();
    for has_fuse in [true, false] {
        let s = match Session::empty() {
            Ok(session) => session,
            Err(reason) => skip!(reason),
        };
        if !rustix::process::geteuid().is_root() {
            skip!("only root can mount an overlay for others to refuse");
        }
        if has_fuse && !fuse {
            println!("not over fuse-overlayfs: it is not installed");
            continue;
        }
        let run = format!(
            "id -u; echo w >>/srv/data/file; cat /srv/data/file; rm /etc/group; ls /etc/group; \
             chown 1000:44 /bin/busybox; stat -c %u:%g /bin/busybox; {ROOT_MOUNT}"
        );
        let script = format!(
            "\"$0\" pull -q {} >/dev/null
            \"$0\" info --format '{{{{.Store.GraphDriverName}}}}: {{{{.Store.GraphDriverWhy}}}}'
            \"$0\" run --name x --network none {IMAGE} sh -c '{}' 2>&1
            \"$0\" inspect --format '{{{{.Driver}}}}' x
            \"$0\" start -a x 2>&1 | sed -n 2,4p; \"$0\" rm x >/dev/null; \"$0\" system check",
            s.image_source(),
            run.replace('\'', "'\\''"),
        );
        let out = where_overlay_is_refused(&s, has_fuse, &script);
        assert_eq!((out.code, out.err.as_str()), (0, ""), "{out:?}");
        let lines: Vec<&str> = out.out.lines().collect();
        let refused = "overlay does not work here (mount an overlay: Invalid argument";
        let (driver, why) = match has_fuse {
            true => ("fuse-overlayfs", "fuse-overlayfs does"),
            false => ("copy", "fuse-overlayfs is not installed"),
        };
        assert!(lines[0].starts_with(&format!("{driver}: {refused}")), "{out:?}");
        assert!(lines[0].ends_with(why), "{out:?}");
        assert_eq!(lines[1..4], ["0", "from the image", "w"], "{out:?}");
        assert!(lines[4].contains("/etc/group: No such file"), "{out:?}");
        assert_eq!(lines[5], "1000:44", "{out:?}");
        match has_fuse {
            true => assert_eq!(lines[6], "fuse.fuse-overlayfs /", "{out:?}"),
            // A directory of the overlay that lies below the data directory.
            false => assert!(
                lines[6].starts_with("overlay /bolt/containers/") && lines[6].ends_with("/root"),
                "{out:?}"
            ),
        }
        assert_eq!(lines[7], driver, "{out:?}");
        assert_eq!(lines[8..11], ["from the image", "w", "w"], "its files are kept: {out:?}");
    }
}
