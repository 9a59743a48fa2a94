//! The machine with something about it changed, which one command sees and nobody else: in a mount
//! namespace of root's.

use crate::harness::process::{Out, finish};
use crate::harness::user::Session;
use std::time::Duration;

/// Makes what is no regular file of every `$1`, where `src/net` looks for programs.
pub(super) const HIDE: &str = "hide() { for d in /usr/bin /usr/local/bin /bin /usr/sbin \
    /usr/libexec/podman; do [ ! -f $d/$1 ] || mount --bind /dev/null $d/$1; done; }; ";

/// Only root changes what a user sees of the machine.
pub(super) fn may_change() -> bool {
    rustix::process::geteuid().is_root()
}

/// `bolt ARGS` as the user of the session, where root has done what the script `change` says.
pub(super) fn changed(s: &Session, change: &str, args: &[&str]) -> Out {
    let (uid, gid) = (s.user.uid.to_string(), s.user.gid.to_string());
    let script = format!("{change}\nexec setpriv \"$@\"");
    let mut command = s.command_of_the_tester("unshare");
    command.args(["-m", "sh", "-ec", &script, "sh"]);
    command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
    command.arg(s.program()).args(args);
    finish(command.spawn().unwrap(), Duration::from_secs(60), &format!("{change:?} {args:?}"))
}
