//! Which display a game is told. GhostForge says `DISPLAY=:0` whatever there is.

use crate::arguments::{sets, value};
use std::path::{Path, PathBuf};

/// What the caller's own session has.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// `DISPLAY`.
    pub(crate) x11: Option<String>,
    /// `WAYLAND_DISPLAY`.
    pub(crate) wayland: Option<String>,
    /// Where X servers listen.
    pub(crate) sockets: PathBuf,
}

impl Caller {
    pub(crate) fn here() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Caller {
            x11: set("DISPLAY"),
            wayland: set("WAYLAND_DISPLAY"),
            sockets: "/tmp/.X11-unix".into(),
        }
    }

    /// A local display of which there is no socket is replaced by the caller's own.
    pub(crate) fn correct(&self, env: &mut Vec<String>) {
        let Some(asked) = value(env, "DISPLAY") else { return };
        let Some(number) = local(asked) else { return };
        if self.sockets.join(format!("X{number}")).exists() {
            return;
        }
        if let Some(own) = self.x11.as_deref().filter(|own| *own != asked) {
            let own = format!("DISPLAY={own}");
            env.retain(|item| !item.starts_with("DISPLAY="));
            env.push(own);
        }
        if let Some(own) = self.wayland.as_deref().filter(|_| !sets(env, "WAYLAND_DISPLAY")) {
            // The container has no runtime directory of the host to look a name up in.
            let name = Path::new(own).file_name().unwrap_or_default().to_string_lossy();
            env.push(format!("WAYLAND_DISPLAY={name}"));
        }
    }
}

/// The number of `:N` and `:N.S`.
fn local(display: &str) -> Option<u32> {
    let rest = display.strip_prefix(':')?;
    rest.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_that_is_not_there_is_replaced() {
        let dir = std::env::temp_dir().join(format!("bolt-face-x11-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("X7"), "").unwrap();
        let caller = |x11: Option<&str>, wayland: Option<&str>| Caller {
            x11: x11.map(str::to_owned),
            wayland: wayland.map(str::to_owned),
            sockets: dir.clone(),
        };
        let corrected = |caller: Caller, given: &[&str]| {
            let mut env: Vec<String> = given.iter().map(|item| (*item).to_owned()).collect();
            caller.correct(&mut env);
            env
        };
        let both = || caller(Some(":7"), Some("wayland-1"));
        let cases: [(Caller, &[&str], &[&str]); 6] = [
            (both(), &["DISPLAY=:0", "A=b"], &["A=b", "DISPLAY=:7", "WAYLAND_DISPLAY=wayland-1"]),
            (both(), &["DISPLAY=:7.0"], &["DISPLAY=:7.0"]),
            (both(), &["DISPLAY=far:0"], &["DISPLAY=far:0"]),
            (both(), &["A=b"], &["A=b"]),
            (caller(None, None), &["DISPLAY=:0"], &["DISPLAY=:0"]),
            (
                caller(None, Some("/run/w-0")),
                &["DISPLAY=:0"],
                &["DISPLAY=:0", "WAYLAND_DISPLAY=w-0"],
            ),
        ];
        for (caller, given, want) in cases {
            assert_eq!(corrected(caller, given), want, "{given:?}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
