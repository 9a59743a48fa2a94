//! `--group-add keep-groups`: groups of the caller's, for which no container has a number.

use crate::harness::process::{Out, finish};
use crate::harness::run;
use crate::harness::user::{IMAGE, Session, until};
use std::os::unix::fs::{PermissionsExt, chown};
use std::time::Duration;

/// A group that the user of a session is in besides his own, or why there is none.
fn second_group(s: &Session) -> Result<u32, String> {
    if rustix::process::geteuid().is_root() {
        // Anybody's, as long as it is none of his subordinate ones.
        return Ok(4242);
    }
    let all = run("id", &["-G"]);
    let mut all = all.split_ascii_whitespace().map(|gid| gid.parse().unwrap());
    all.find(|gid| *gid != s.user.gid).ok_or_else(|| "you are in one group only".to_owned())
}

/// A file that the group may read, as a volume: root's where root tests, else the user's own.
fn file_of(s: &Session, group: u32) -> String {
    let file = s.file("of-the-group", "for members\n");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    chown(&file, is_root.then_some(0), Some(group)).unwrap();
    format!("{file}:/file")
}

/// `bolt ARGS` by the user as a member of the group.
fn by_member(s: &Session, group: u32, args: &[&str]) -> Out {
    let mut command = if rustix::process::geteuid().is_root() {
        let [uid, gid, group] = [s.user.uid, s.user.gid, group].map(|id| id.to_string());
        let mut command = s.command_of_the_tester("setpriv");
        command.args(["--reuid", &uid, "--regid", &gid, "--groups", &group]).arg(s.program());
        command
    } else {
        s.bolt(&[])
    };
    finish(command.args(args).spawn().unwrap(), Duration::from_secs(60), &format!("{args:?}"))
}

#[test]
fn a_kept_group_opens_its_file() {
    let s = session!();
    let group = match second_group(&s) {
        Ok(group) => group,
        Err(why) => skip!(why),
    };
    let mount = file_of(&s, group);
    // The file of a user who tests is his own: another one in the container has to read it.
    let mut users = vec![&["-u", "player"][..]];
    if rustix::process::geteuid().is_root() {
        users.extend([&[][..], &["--userns", "keep-id"], &["--init"]]);
    }
    let once = ["run", "--rm", "--network", "none", "-v", &mount];
    for user in &users {
        let words = |flags: &[&'static str]| [user, flags, &[IMAGE, "cat", "/file"]].concat();
        let without = by_member(&s, group, &[&once[..], &words(&[])].concat());
        assert_eq!((without.code, without.out.as_str()), (1, ""), "{user:?}: {without:?}");
        assert!(without.err.contains("Permission denied"), "{user:?}: {without:?}");
        let kept = words(&["--group-add", "keep-groups"]);
        let kept = by_member(&s, group, &[&once[..], &kept].concat());
        assert_eq!((kept.code, kept.out.as_str()), (0, "for members\n"), "{user:?}: {kept:?}");
    }
}

/// What is executed later has the groups of who started the container, not of who executes it.
#[test]
fn an_exec_has_the_groups_that_its_container_kept() {
    let s = session!();
    let group = match second_group(&s) {
        Ok(group) => group,
        Err(why) => skip!(why),
    };
    let mount = file_of(&s, group);
    let begin = ["run", "-d", "--network", "none", "--user", "player", "-v", &mount];
    for (name, flags) in [("kept", &["--group-add", "keep-groups"][..]), ("plain", &[])] {
        let words = [&begin, &["--name", name][..], flags, &[IMAGE, "sleep", "1000"]].concat();
        let out = by_member(&s, group, &words);
        assert_eq!(out.code, 0, "{out:?}");
        until("it runs", || s.inspect(name, ".State.Status") == "running");
    }
    assert_eq!(s.ok(&["exec", "kept", "cat", "/file"]), "for members");
    let out = s.run(&["exec", "plain", "cat", "/file"]);
    assert!(out.code == 1 && out.err.contains("Permission denied"), "{out:?}");
    s.ok(&["rm", "-f", "-t", "0", "kept", "plain"]);
}

#[test]
fn kept_groups_go_with_no_other() {
    let s = session!();
    for groups in ["keep-groups,video", "44,keep-groups"] {
        let out = s.once(&["--group-add", groups], &["true"]);
        assert_eq!((out.code, out.out.as_str()), (125, ""), "{groups}: {out:?}");
        assert!(out.err.contains("goes with no other --group-add"), "{groups}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}
