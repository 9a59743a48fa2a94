//! Records that cannot be written, and what stands in the place of records.

use crate::harness::Scratch;
use crate::harness::process::{Out, finish, lives, signal};
use crate::harness::user::{IMAGE, Session, until};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o644.into()).unwrap();
}

fn link(path: &Path) {
    symlink("/dev/zero", path).unwrap();
}

fn directory(path: &Path) {
    std::fs::create_dir(path).unwrap();
}

fn huge(path: &Path) {
    std::fs::File::create(path).unwrap().set_len(3 << 30).unwrap();
}

/// Nothing waits for a pipe or reads without an end, the container is told as damaged, and `rm -f`
/// ends what runs.
#[test]
fn what_stands_in_the_place_of_a_record_is_damage_and_can_be_removed() {
    let s = session!();
    let makers: [fn(&Path); 4] = [pipe, link, directory, huge];
    for (what, make) in ["pipe", "link", "directory", "huge"].iter().zip(makers) {
        for record in ["config.json", "state.json"] {
            let id = s.detached("x", &[], "exec sleep 1000");
            let (_, payload) = s.pids(&id);
            let path = s.data().join("containers").join(&id).join(record);
            std::fs::remove_file(&path).unwrap();
            make(&path);
            let begun = Instant::now();
            let (ps, check) = (s.run(&["ps", "-a"]), s.run(&["system", "check"]));
            let told = format!("{record} is damaged");
            assert_eq!(ps.code, 0, "{what} {record}: {ps:?}");
            assert!((check.out + &check.err).contains(&told), "{what}: no {told:?}");
            assert!(begun.elapsed() < Duration::from_secs(4), "{what} {record}");
            s.ok(&["rm", "-f", "-t", "0", "x"]);
            until("the payload has ended", || !lives(payload as u32));
            assert!(!path.parent().unwrap().exists(), "{what} {record}");
        }
    }
}

type Damage = dyn Fn(&Path) -> std::io::Result<()>;

/// The supervisor's copy says what runs, while it lives and after it was killed: a start of what
/// runs took 30 seconds and blamed another command, and a payload without a supervisor was lost.
#[test]
fn what_runs_is_found_though_its_state_is_damaged() {
    let s = session!();
    let cut = |path: &Path| std::fs::OpenOptions::new().write(true).open(path)?.set_len(20);
    let garbage = |path: &Path| std::fs::write(path, "no JSON");
    let gone = |path: &Path| std::fs::remove_file(path);
    let instead = |path: &Path| std::fs::remove_file(path).and_then(|()| std::fs::create_dir(path));
    let makers: [&Damage; 4] = [&cut, &garbage, &gone, &instead];
    for (what, damage) in ["cut", "garbage", "gone", "a directory"].iter().zip(makers) {
        let id = s.detached("x", &[], "exec sleep 1000");
        let (supervisor, payload) = s.pids(&id);
        damage(&s.data().join("containers").join(&id).join("state.json")).unwrap();
        let begun = Instant::now();
        assert_eq!(s.ok(&["start", "x"]), "x", "{what}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        assert_eq!(s.ok(&["ps", "--format", "{{.Names}} {{.State}}"]), "x running", "{what}");
        assert_eq!(s.inspect("x", ".State.Pid"), payload.to_string(), "{what}");
        assert_eq!(s.ok(&["exec", "x", "echo", "here"]), "here", "{what}");
        let check = s.run(&["system", "check"]);
        assert!(check.code == 0 && (check.out + &check.err).contains("state.json"), "{what}");
        signal(supervisor as u32, 9);
        until("it is orphaned", || s.inspect("x", ".State.Status") == "orphaned");
        assert!(lives(payload as u32), "{what}");
        s.ok(&["rm", "-f", "-t", "0", "x"]);
        until("the payload has ended", || !lives(payload as u32));
    }
}

/// `bolt ARGS` of all lines by the user, with a tmpfs that only this script sees as its disk.
fn on_small_disk(s: &Session, disk: &Scratch, script: &str) -> Out {
    let (uid, gid) = (s.user.uid, s.user.gid);
    let script = format!(
        r#"set -u
mount -t tmpfs -o size=5m,uid={uid},gid={gid},mode=755 none "$DISK"
bolt() {{ setpriv --reuid {uid} --regid {gid} --clear-groups "$BOLT" "$@"; }}
state() {{ bolt inspect -f "{{{{.State.$1}}}}" $2; }}
{script}"#
    );
    let mut command = s.command_of_the_tester("unshare");
    command.args(["-m", "sh", "-c", &script]).stdin(Stdio::null());
    command.env("XDG_DATA_HOME", disk.path()).env("DISK", disk.path());
    command.env("BOLT", s.program()).env("SOURCE", s.image_source());
    finish(command.spawn().unwrap(), Duration::from_secs(60), "a full disk")
}

#[test]
fn a_start_on_a_full_disk_can_be_found_again_or_is_refused() {
    let s = session!();
    if !rustix::process::geteuid().is_root() {
        skip!("only root can give a user a small disk");
    }
    let disk = Scratch::new();
    std::fs::set_permissions(disk.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let script = r#"bolt pull -q "$SOURCE" || exit 70
for name in again first; do
  bolt create --name $name --network none "$SOURCE" sleep 1000 || exit 71
done
bolt start again && bolt stop -t 0 again || exit 72
dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null
# Its record is there, and is written over.
bolt start again || exit 73
[ "$(state Status again)" = running ] || exit 74
payload=$(state Pid again)
kill -9 "$(state ConmonPid again)"
until [ "$(state Status again)" = orphaned ]; do sleep 0.05; done
bolt rm -f -t 0 again || exit 75
case $(cut -d' ' -f3 "/proc/$payload/stat" 2>/dev/null) in ''|Z|X) ;; *) exit 76 ;; esac
# What the removal gave back.
dd if=/dev/zero of="$DISK/fill2" bs=4k 2>/dev/null
# There is none yet.
bolt start first; [ $? = 125 ] || exit 77
[ "$(state Status first)" = created ] || exit 78
bolt rm first || exit 79
"#;
    let out = on_small_disk(&s, &disk, script);
    assert_eq!(out.code, 0, "{out:?}");
    assert!(
        out.err.contains("nothing was started: write the state") && out.err.contains("df -h"),
        "{out:?}"
    );
    let text = disk.path().to_str().unwrap();
    until("nothing is left", || crate::harness::process::belonging_to(text).is_empty());
}

/// With the name of every new file taken by a directory, and a link where the record was: nobody
/// could find what runs then.
#[test]
fn a_start_that_cannot_be_recorded_runs_nothing() {
    let s = session!();
    let id = s.detached("x", &[], "echo ran; exec sleep 1000");
    s.ok(&["stop", "-t", "0", "x"]);
    let dir = s.data().join("containers").join(&id);
    std::fs::create_dir(dir.join("state.json.new")).unwrap();
    s.ok(&["start", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "running");
    s.ok(&["stop", "-t", "0", "x"]);
    assert_eq!(s.inspect("x", ".State.Status"), "exited");
    let before = s.ok(&["logs", "x"]);
    std::fs::rename(dir.join("state.json"), dir.join("kept")).unwrap();
    symlink("kept", dir.join("state.json")).unwrap();
    let out = s.run(&["start", "x"]);
    assert!(out.code == 125 && out.err.contains("write the state"), "{out:?}");
    assert_eq!(s.ok(&["logs", "x"]), before);
}

/// The kernel's mark of an overlay whose machine went down (`volatile`): what it holds may be torn.
#[test]
fn a_root_that_a_crash_left_is_not_mounted_again() {
    let s = session!();
    // A volume to fill wants another init than the one that was made ahead.
    for flags in [&[][..], &["-v", "vol:/etc"]] {
        let words = [&["create", "--rm", "--network", "none"], flags, &[IMAGE, "true"]].concat();
        let id = s.ok(&words);
        let script = "cd \"$1\" && mkdir -p upper work/work/incompat/volatile && \
                      touch work/work/incompat/volatile/dirty";
        let dir = s.data().join("containers").join(&id);
        let mut shell = s.command("sh");
        let child = shell.args(["-c", script, "sh"]).arg(&dir).spawn().unwrap();
        assert_eq!(finish(child, Duration::from_secs(10), "crash").code, 0);
        let out = s.run(&["start", "-a", &id]);
        assert!(out.code == 125 && out.err.contains("overlay"), "{flags:?}: {out:?}");
        s.run(&["rm", "-f", &id]);
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}
