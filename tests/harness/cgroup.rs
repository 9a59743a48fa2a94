//! A part of cgroup v2 that belongs to a session's user, as systemd delegates it to a unit.

use super::process::{Out, finish};
use super::user::Session;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gone, with all that runs in it, when the value is.
#[derive(Debug)]
pub(crate) struct Delegated {
    dir: PathBuf,
}

impl Delegated {
    /// Or why it cannot be made: only root may.
    pub(crate) fn new(session: &Session) -> Result<Delegated, String> {
        if session.user.uid == 0 || std::fs::metadata("/proc/self").map_or(0, |m| uid(&m)) != 0 {
            return Err("only root can give a part of cgroup v2 to another user".to_owned());
        }
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        let mount = mounts.into_iter().find(|m| m.join("cgroup.controllers").exists());
        let mount = mount.ok_or("no cgroup v2 is mounted")?;
        let name = session.dir().file_name().unwrap();
        let dir = mount.join(name);
        std::fs::create_dir(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let made = Delegated { dir };
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            let user = &session.user;
            chown(made.dir.join(file), Some(user.uid), Some(user.gid))
                .map_err(|e| format!("{}: {e}", made.dir.display()))?;
        }
        Ok(made)
    }

    /// `bolt ARGS` to its end, begun in here.
    pub(crate) fn run(&self, session: &Session, args: &[&str]) -> Out {
        let user = &session.user;
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        let script = "echo $$ >\"$0/cgroup.procs\" && exec setpriv \"$@\"";
        let mut command = session.command_of_the_tester("sh");
        command.args(["-c", script]).arg(&self.dir);
        command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
        command.arg(session.program()).args(args);
        finish(command.spawn().unwrap(), Duration::from_secs(60), &format!("{args:?}"))
    }

    /// `bolt run -d --network none --name NAME FLAGS v1 sh -c SCRIPT` in a group of its own.
    pub(crate) fn detached(&self, session: &Session, name: &str, flags: &[&str], script: &str) {
        // A limit that may be denied: without any, a host of two versions makes no group.
        let begin = ["run", "-d", "--network", "none", "--pids-limit", "100", "--name", name];
        let end = [super::user::IMAGE, "sh", "-c", script];
        let out = self.run(session, &[&begin, flags, &end].concat());
        assert_eq!(out.code, 0, "{out:?}");
    }
}

fn uid(of: &std::fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(of)
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let _ = std::fs::write(self.dir.join("cgroup.kill"), "1");
        for _ in 0..200 {
            for entry in std::fs::read_dir(&self.dir).into_iter().flatten().flatten() {
                let _ = std::fs::remove_dir(entry.path());
            }
            if std::fs::remove_dir(&self.dir).is_ok() || !self.dir.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
