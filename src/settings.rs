//! What was typed → what is meant. The only reader of the environment and of Bolt's own files.

pub mod containers_conf;

use crate::container::events::EventLog;
use crate::sys::accounts;
use crate::sys::dirs::Dirs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Everything a verb needs to know about the caller. Built once, passed down.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where files are kept.
    pub dirs: Dirs,
    /// `TERM` of the caller.
    pub term: Option<String>,
    /// `XDG_RUNTIME_DIR`, where auth.json is written and the user's bus is looked for.
    pub xdg_runtime: Option<PathBuf>,
    /// `DBUS_SESSION_BUS_ADDRESS`: where systemd --user is asked for a scope.
    pub bus_address: Option<String>,
    /// `REGISTRY_AUTH_FILE`.
    pub auth_file: Option<PathBuf>,
    /// `DOCKER_CONFIG`.
    pub docker_config: Option<PathBuf>,
    /// `CONTAINERS_REGISTRIES_CONF`.
    pub registries_conf: Option<PathBuf>,
    /// Where podman's own defaults are looked for.
    pub containers_conf: containers_conf::Places,
    /// `BOLT_HOST_FACTS`: a file that stands in for this machine when variants are chosen.
    pub host_facts: Option<PathBuf>,
    /// `BOLT_KEEP_BLOBS`: compressed layers stay in the store after unpacking.
    pub keep_blobs: bool,
    /// What a service manager says.
    pub service: Service,
    events: OnceLock<bool>,
}

/// The variables that a service manager sets for this process and no other (sd_notify(3),
/// sd_listen_fds(3), sd_watchdog_enabled(3)). A container gets none of them from its caller.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// `NOTIFY_SOCKET`.
    pub notify: Option<std::ffi::OsString>,
    /// `LISTEN_FDS`, where `LISTEN_PID` is this process.
    pub listen: Option<String>,
    /// `LISTEN_FDNAMES` that go with it.
    pub listen_names: Option<String>,
    /// `WATCHDOG_USEC`, where `WATCHDOG_PID` is this process or nobody.
    pub watchdog: Option<String>,
}

impl Service {
    /// All of their names.
    pub const VARIABLES: [&str; 6] = [
        "NOTIFY_SOCKET",
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ];

    fn from_env() -> Self {
        let mine =
            |name| variable(name).is_some_and(|value| value.parse() == Ok(std::process::id()));
        let listens = mine("LISTEN_PID");
        let watched = std::env::var_os("WATCHDOG_PID").is_none() || mine("WATCHDOG_PID");
        Service {
            notify: std::env::var_os("NOTIFY_SOCKET").filter(|v| !v.is_empty()),
            listen: if listens { variable("LISTEN_FDS") } else { None },
            listen_names: if listens { variable("LISTEN_FDNAMES") } else { None },
            watchdog: if watched { variable("WATCHDOG_USEC") } else { None },
        }
    }
}

/// One variable of the caller, lossily decoded; for settings that are passed on by name.
pub fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|v| v.to_string_lossy().into_owned())
}

/// One variable of the caller, byte for byte.
pub fn raw_variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// The caller's environment, for `--env-host` and the like; what is not UTF-8 cannot be passed on.
pub fn variables() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The environment of this process entry by entry, for a program that gets it unchanged.
pub fn raw_environment() -> Vec<std::ffi::OsString> {
    crate::sys::exec::environment()
}

/// Where data of all programs lies, the user's own first (XDG Base Directory Specification 0.8);
/// last /etc, which Vulkan's loader looks into as well.
pub fn data_dirs() -> Vec<PathBuf> {
    let home = base("HOME").map(|home| home.join(".local/share"));
    let own = base("XDG_DATA_HOME").or(home);
    let all = std::env::var_os("XDG_DATA_DIRS").filter(|value| !value.is_empty());
    let all = all.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    own.into_iter().chain(std::env::split_paths(&all)).chain(["/etc".into()]).collect()
}

/// The command line of this process, lossily decoded.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Why the settings could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// No home directory is known.
    #[error("HOME is no absolute path and uid {0} has no entry in /etc/passwd; set HOME")]
    NoHome(u32),
    /// Bolt's own directory is not absolute.
    #[error("BOLT_ROOT is {0:?}, which is not an absolute path")]
    NotAbsolute(PathBuf),
    /// Neither records nor mounts could name what lies in there.
    #[error(
        "{0:?} would be Bolt's own directory, and is not UTF-8 text; set HOME, XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME or BOLT_ROOT to another path"
    )]
    NotText(PathBuf),
}

impl Settings {
    /// [`Self::from_env`] for what writes records, which are text.
    pub fn for_records() -> Result<Self, SettingsError> {
        let settings = Self::from_env()?;
        let Dirs { data, state, cache, .. } = &settings.dirs;
        if let Some(dir) = [data, state, cache].into_iter().find(|dir| dir.to_str().is_none()) {
            return Err(SettingsError::NotText(dir.clone()));
        }
        Ok(settings)
    }

    /// Reads the environment of this process.
    pub fn from_env() -> Result<Self, SettingsError> {
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let home = match base("HOME") {
            Some(home) => home,
            None => home_of(uid).ok_or(SettingsError::NoHome(uid))?,
        };
        let config_home = base("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let dirs = if uid == 0 {
            root_dirs(config_home, home)?
        } else {
            user_dirs(config_home, home, uid, gid)?
        };
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let mut conf_dirs = vec!["/usr/share/containers".into(), "/etc/containers".into()];
        if uid != 0 {
            conf_dirs.push(dirs.config_home.join("containers"));
        }
        Ok(Settings {
            dirs,
            term: variable("TERM"),
            xdg_runtime: path("XDG_RUNTIME_DIR"),
            bus_address: variable("DBUS_SESSION_BUS_ADDRESS"),
            auth_file: path("REGISTRY_AUTH_FILE"),
            docker_config: path("DOCKER_CONFIG"),
            registries_conf: path("CONTAINERS_REGISTRIES_CONF"),
            containers_conf: containers_conf::Places {
                only: path("CONTAINERS_CONF"),
                last: path("CONTAINERS_CONF_OVERRIDE"),
                dirs: conf_dirs,
            },
            host_facts: path("BOLT_HOST_FACTS"),
            keep_blobs: variable("BOLT_KEEP_BLOBS").is_some_and(|v| v == "1" || v == "true"),
            events: OnceLock::new(),
            service: Service::from_env(),
        })
    }

    /// Where events go. containers.conf is read for that once, unless a verb has read it already
    /// ([`Self::know`]); where it cannot be read, they are written.
    pub fn event_log(&self) -> EventLog {
        let wanted = || containers_conf::load(&self.containers_conf).map(|c| c.wants_events());
        EventLog::new(&self.dirs, *self.events.get_or_init(|| wanted().unwrap_or(true)))
    }

    /// What containers.conf says, from whoever has read it.
    pub fn know(&self, defaults: &containers_conf::Defaults) {
        let _ = self.events.set(defaults.wants_events());
    }
}

fn root_dirs(config_home: PathBuf, home: PathBuf) -> Result<Dirs, SettingsError> {
    let root = bolt_root()?;
    Ok(Dirs {
        data: root.clone().unwrap_or_else(|| "/var/lib/bolt".into()),
        state: root.as_ref().map_or_else(|| "/var/lib/bolt/state".into(), |r| r.join("state")),
        cache: root.map_or_else(|| "/var/cache/bolt".into(), |r| r.join("cache")),
        config_home,
        home,
        login: OnceLock::new(),
        uid: 0,
        gid: 0,
    })
}

fn user_dirs(
    config_home: PathBuf,
    home: PathBuf,
    uid: u32,
    gid: u32,
) -> Result<Dirs, SettingsError> {
    let root = bolt_root()?;
    let data = match &root {
        Some(root) => root.clone(),
        None => base("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")).join("bolt"),
    };
    let state = match &root {
        Some(root) => root.join("state"),
        None => base("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("bolt"),
    };
    let cache = match root {
        Some(root) => root.join("cache"),
        None => base("XDG_CACHE_HOME").unwrap_or_else(|| home.join(".cache")).join("bolt"),
    };
    Ok(Dirs { data, cache, state, config_home, home, login: OnceLock::new(), uid, gid })
}

/// A directory that a variable names. A relative path is to be taken as none (XDG Base Directory
/// Specification 0.8); one in HOME would be another directory in each.
fn base(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn bolt_root() -> Result<Option<PathBuf>, SettingsError> {
    match std::env::var_os("BOLT_ROOT").filter(|v| !v.is_empty()).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(SettingsError::NotAbsolute(path)),
        path => Ok(path),
    }
}

/// The home directory that /etc/passwd has for a user; none where it is no text.
fn home_of(uid: u32) -> Option<PathBuf> {
    let home = accounts::line("/etc/passwd", uid)?.into_iter().nth(5)?;
    (!home.contains(char::REPLACEMENT_CHARACTER)).then(|| home.into())
}
