//! The secrets of a container: files in its memory, and variables that only its supervisor and
//! its programs have.

use crate::container::config::Config;
use crate::container::dir::ContainerDir;
use crate::container::secret::{self, Given, How};
use bolt_shim::launch::{Mount as Step, MountFlags, MountKind};
use bolt_shim::secret::Variable;

/// Adds the files to `mounts`, over everything that was mounted before; the variables. Of two
/// with the same name the later one stays.
pub(super) fn plan(
    dir: &ContainerDir,
    config: &Config,
    mounts: &mut Vec<Step>,
) -> anyhow::Result<Vec<Variable>> {
    let mut variables: Vec<Variable> = Vec::new();
    for (n, given) in config.secrets.iter().enumerate() {
        let value = secret::kept(dir, n, given)?;
        match &given.how {
            How::Mount { target, owner, mode } => {
                mounts.retain(|step| step.target != *target || !is_small(&step.what));
                let what = MountKind::Secret { content: value, owner: *owner, mode: *mode };
                mounts.push(Step { target: target.clone(), what, flags: FLAGS });
            }
            How::Env { name } => {
                variables.retain(|variable| variable.name != *name);
                variables.push(Variable { name: name.clone(), value });
            }
        }
    }
    Ok(variables)
}

/// A file without a name, over which nothing can be mounted.
fn is_small(what: &MountKind) -> bool {
    matches!(what, MountKind::Text { .. } | MountKind::Secret { .. })
}

/// A secret goes before a variable of the same name (podman-run(1)).
pub(super) fn give_way(secrets: &[Given], env: &mut Vec<String>) {
    let is_secret = |entry: &str| {
        let name = entry.split('=').next().unwrap_or_default();
        secrets.iter().any(|s| matches!(&s.how, How::Env { name: secret } if secret == name))
    };
    env.retain(|entry| !is_secret(entry));
}

const FLAGS: MountFlags = MountFlags { read_only: false, nosuid: true, nodev: true, noexec: false };
