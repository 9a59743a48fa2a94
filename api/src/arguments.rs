//! The lists of `run_container`: environment, volumes, and what they mean for paths.

use crate::error::RuntimeError;
use std::path::{Component, Path, PathBuf};

/// Environment and volumes, each where it belongs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    pub(crate) env: Vec<String>,
    pub(crate) volumes: Vec<String>,
    /// One was in the other's place.
    pub(crate) swapped: bool,
}

/// Sorts the two lists by what their items are: `NAME=…` can be no volume, and `SOURCE:/TARGET`
/// no variable, so callers that mix up the two arguments (GhostForge,
/// `src/bolt_integration.rs:261`) are understood.
pub(crate) fn sort(env: &[String], volumes: &[String]) -> Result<Sorted, RuntimeError> {
    let mut sorted = Sorted::default();
    for (list, is_env) in [(env, true), (volumes, false)] {
        for item in list {
            if is_variable(item) {
                sorted.env.push(item.clone());
                sorted.swapped |= !is_env;
            } else if target(item).is_some() {
                sorted.volumes.push(item.clone());
                sorted.swapped |= is_env;
            } else {
                return Err(RuntimeError::BadArgument {
                    argument: item.clone(),
                    reason:
                        "it is neither a variable, NAME=VALUE, nor a volume, SOURCE:/TARGET[:OPTIONS]"
                            .to_owned(),
                });
            }
        }
    }
    Ok(sorted)
}

/// Checks a container's name as `bolt` does, which would meet names of volumes made of it first.
pub(crate) fn check_name(name: &str) -> Result<(), RuntimeError> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if first && name.bytes().all(is_fine) && name.len() <= 255 {
        return Ok(());
    }
    Err(RuntimeError::BadArgument {
        argument: name.to_owned(),
        reason: "it is no name of a container: use letters, digits, '_', '.' and '-', the first \
                 one a letter or digit, at most 255"
            .to_owned(),
    })
}

/// `NAME=…` with a name as POSIX has it.
pub(crate) fn is_variable(text: &str) -> bool {
    let Some((name, _)) = text.split_once('=') else { return false };
    let mut letters = name.bytes();
    letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
        && letters.all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

/// Whether a list of variables sets this one.
pub(crate) fn sets(env: &[String], name: &str) -> bool {
    value(env, name).is_some()
}

/// The last value that a list of variables gives this one.
pub(crate) fn value<'a>(env: &'a [String], name: &str) -> Option<&'a str> {
    env.iter().rev().find_map(|item| item.strip_prefix(name)?.strip_prefix('='))
}

/// Source and target of `SOURCE:/TARGET[:OPTIONS]`.
fn target(volume: &str) -> Option<(&str, &str)> {
    let mut fields = volume.split(':');
    let (source, target) = (fields.next()?, fields.next()?);
    let short = fields.next().is_none_or(|options| !options.contains('/'));
    (!source.is_empty() && target.starts_with('/') && short && fields.next().is_none())
        .then_some((source, target))
}

/// Whether a volume is mounted at `path`, or above it.
pub(crate) fn is_mounted(volumes: &[String], path: &str) -> bool {
    volumes.iter().filter_map(|v| target(v)).any(|(_, at)| Path::new(path).starts_with(at))
}

/// Where directories of the host are in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table(Vec<(PathBuf, PathBuf)>);

impl Table {
    /// Of these volumes; named ones have no place on the host.
    pub(crate) fn new(volumes: &[String]) -> Self {
        let pairs = volumes.iter().filter_map(|v| target(v));
        let on_host = pairs.filter(|(source, _)| source.starts_with(['/', '.']));
        let absolute = |(source, at): (&str, &str)| {
            Some((std::path::absolute(source).ok()?, PathBuf::from(at)))
        };
        Table(on_host.filter_map(absolute).collect())
    }

    /// The container's path of a host path: below the volume that has most of it. `None`: it is
    /// below none.
    pub(crate) fn translate(&self, path: &str) -> Option<String> {
        let path = Path::new(path);
        if !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
            return None;
        }
        // As it is written, else as the links on the way lead.
        self.below(path, |source| Some(source.to_owned()))
            .or_else(|| self.below(&path.canonicalize().ok()?, |source| source.canonicalize().ok()))
    }

    fn below(&self, path: &Path, real: impl Fn(&Path) -> Option<PathBuf>) -> Option<String> {
        let found = self.0.iter().filter_map(|(source, at)| {
            let source = real(source)?;
            let rest = path.strip_prefix(&source).ok()?;
            Some((source.components().count(), at.join(rest)))
        });
        let (_, inside) = found.max_by_key(|(depth, _)| *depth)?;
        // A join with nothing ends in a slash.
        let text = inside.into_os_string().into_string().ok()?;
        Some(text.trim_end_matches('/').to_owned()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn either_order_is_understood() {
        let env = list(&["DISPLAY=:0", "LD_LIBRARY_PATH=/a:/b", "_x1=", "E=a:/b"]);
        let volumes = list(&["/home/u/My Games/Q:/game", "saves:/s:ro,noexec"]);
        let right = sort(&env, &volumes).unwrap();
        assert_eq!((&right.env, &right.volumes, right.swapped), (&env, &volumes, false));
        let wrong = sort(&volumes, &env).unwrap();
        assert_eq!((wrong.env, wrong.volumes, wrong.swapped), (env, volumes, true));
        assert_eq!(sort(&[], &[]).unwrap(), Sorted::default());
    }

    #[test]
    fn what_is_neither_is_named() {
        for odd in ["DISPLAY", "=x", "1A=x", "/a", "/a:b", ":/b", "/a:/b:/c", "/a:/b:ro:z", ""] {
            let error = sort(&list(&[odd]), &[]).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{odd:?}: it is neither")), "{error}");
        }
    }

    #[test]
    fn names_are_those_of_the_program() {
        for fine in ["q", "Q1_a.b-c", &"9".repeat(255)] {
            check_name(fine).unwrap();
        }
        for odd in ["", "-q", ".q", "my game", "q/1", "q\n", "\u{fc}", &"9".repeat(256)] {
            let error = check_name(odd).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{odd:?}: it is no name")), "{error}");
        }
    }

    #[test]
    fn paths_of_the_host_are_found_in_the_container() {
        let table = Table::new(&list(&[
            "/home/u/My Games:/games",
            "/home/u/My Games/Quake:/game:ro",
            "named:/data",
            "/srv/:/srv",
        ]));
        for (path, want) in [
            ("/home/u/My Games/Quake/q.exe", Some("/game/q.exe")),
            ("/home/u/My Games/Quake", Some("/game")),
            ("/home/u/My Games/Doom/d.exe", Some("/games/Doom/d.exe")),
            ("/home/u/My Gamesx/d.exe", None),
            ("/home/u/My Games/../secret", None),
            ("/srv/x", Some("/srv/x")),
            ("named/x", None),
            ("-high", None),
        ] {
            assert_eq!(table.translate(path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn links_on_the_way_are_followed() {
        let dir = std::env::temp_dir().join(format!("bolt-face-links-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("real")).unwrap();
        std::fs::write(dir.join("real/x.exe"), "").unwrap();
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        let table = Table::new(&[format!("{}:/game", dir.join("real").display())]);
        let found = table.translate(dir.join("link/x.exe").to_str().unwrap());
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found.as_deref(), Some("/game/x.exe"));
    }

    #[test]
    fn a_mount_covers_what_is_below_it() {
        let volumes = list(&["a:/wine-prefix", "b:/x"]);
        assert!(is_mounted(&volumes, "/wine-prefix") && is_mounted(&volumes, "/x/y"));
        assert!(!is_mounted(&volumes, "/") && !is_mounted(&volumes, "/wine-prefixes"));
    }
}
