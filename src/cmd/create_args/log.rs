//! Flags of `run` and `create` about the log.

use super::parse::memory;
use crate::container::log_driver::LogDriver;
use crate::launch::LONGEST_TAG;
use crate::ui::print;
use crate::ui::template::Template;
use anyhow::{Context, bail, ensure};
use rustix::fs::{Access, access as access_to};
use std::path::{Path, PathBuf};

/// They stand in the container's config as `log_driver` and what begins so.
#[derive(Debug, Default, clap::Args)]
pub struct LogArgs {
    /// Log driver: k8s-file, journald, none, passthrough or passthrough-tty [default: k8s-file]
    #[arg(long = "log-driver", value_name = "DRIVER", value_parser = driver)]
    pub driver: Option<LogDriver>,
    /// Log options: max-size=SIZE and path=FILE (which stays after rm) of k8s-file, tag=TEXT of journald
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    pub options: Vec<String>,
}

/// What they mean.
#[derive(Debug, Default)]
pub struct Log {
    /// `--log-driver`.
    pub driver: LogDriver,
    /// Bytes, 0: no limit.
    pub max_size: u64,
    /// Absolute.
    pub path: Option<PathBuf>,
    /// Text or template.
    pub tag: String,
}

/// `--log-driver`.
pub fn driver(text: &str) -> Result<LogDriver, String> {
    LogDriver::of(text).ok_or_else(|| {
        let known = LogDriver::ALL.map(LogDriver::word).join(", ");
        format!("it is not supported; use one of {known}")
    })
}

impl LogArgs {
    /// The driver that holds.
    pub fn driver(&self) -> LogDriver {
        self.driver.unwrap_or_default()
    }

    /// Errors name the option.
    pub fn log(&self) -> anyhow::Result<Log> {
        let mut log = Log { driver: self.driver(), ..Log::default() };
        for option in &self.options {
            let shown = || format!("--log-opt {option:?}");
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "max-size" => {
                    log.max_size = memory(value).map_err(anyhow::Error::msg).with_context(shown)?;
                }
                "path" => log.path = Some(path(value).with_context(shown)?),
                "tag" => {
                    ensure!(
                        log.driver == LogDriver::Journald,
                        "{}: the log driver '{}' has no tags; journald has",
                        shown(),
                        log.driver.word()
                    );
                    ensure!(
                        value.len() <= LONGEST_TAG,
                        "--log-opt tag= has {} bytes; at most {LONGEST_TAG} are taken",
                        value.len()
                    );
                    Template::parse(value).with_context(shown)?;
                    value.clone_into(&mut log.tag);
                }
                _ => bail!("{} is not known; max-size=SIZE, path=FILE and tag=TEXT are", shown()),
            }
            if key != "tag" && !log.driver.has_file() {
                let driver = log.driver.word();
                print::warning(&format!("{} means nothing to the log driver '{driver}'", shown()));
            }
        }
        Ok(log)
    }
}

/// In a directory that is there: the supervisor, which writes it, has another working directory.
fn path(typed: &str) -> anyhow::Result<PathBuf> {
    ensure!(!typed.is_empty(), "it names no file");
    let path = std::path::absolute(typed)?;
    ensure!(path.to_str().is_some(), "the path is not UTF-8");
    let dir = if path.is_dir() { &path } else { path.parent().unwrap_or(&path) };
    // Without links: one that the container makes later is then seen.
    let dir = std::fs::canonicalize(dir).with_context(|| format!("directory {}", dir.display()))?;
    let fits = path.is_dir() || path.symlink_metadata().map_or(true, |there| there.is_file());
    ensure!(dir.is_dir() && fits, "it is not a regular file in a directory");
    let (wanted, access) = match path.is_file() {
        true => (&path, Access::WRITE_OK),
        false => (&dir, Access::WRITE_OK | Access::EXEC_OK),
    };
    access_to(wanted, access).with_context(|| format!("write to {}", wanted.display()))?;
    Ok(match (path.is_dir(), path.file_name()) {
        (false, Some(name)) => dir.join(name),
        _ => dir,
    })
}

/// The file of this container below a directory that was named.
pub fn place(path: &Path, id: &str) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let dir = path.join(id);
    std::fs::create_dir_all(&dir).with_context(|| format!("make directory {}", dir.display()))?;
    Ok(dir.join("ctr.log"))
}
