//! containers.conf(5): what podman's users have set for all their containers, as far as it
//! concerns flags of `run` and `create`. Read where podman reads it; a later file wins key by key.

use crate::sys::small;
use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where the files lie.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `CONTAINERS_CONF`: this file alone.
    pub only: Option<PathBuf>,
    /// `CONTAINERS_CONF_OVERRIDE`: this file last.
    pub last: Option<PathBuf>,
    /// Directories with `containers.conf` and `containers.conf.d/*.conf`, the last one wins.
    pub dirs: Vec<PathBuf>,
}

/// Defaults of new containers; what no file sets is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `pids_limit`: 0 and -1 are unlimited.
    pub pids_limit: Option<i64>,
    /// `shm_size`, as typed: `65536k`.
    pub shm_size: Option<String>,
    /// `umask`, octal.
    pub umask: Option<String>,
    /// `tz`.
    pub tz: Option<String>,
    /// `userns`, as `--userns`.
    pub userns: Option<String>,
    /// `seccomp_profile`: a path.
    pub seccomp_profile: Option<String>,
    /// `log_driver`, as `--log-driver`.
    pub log_driver: Option<String>,
    /// `log_tag`, as `--log-opt tag`.
    pub log_tag: Option<String>,
    /// `log_size_max` in bytes; -1: no limit.
    pub log_size_max: Option<i64>,
    /// `init`.
    pub init: Option<bool>,
    /// `read_only`.
    pub read_only: Option<bool>,
    /// `env_host`.
    pub env_host: Option<bool>,
    /// `[engine] stop_timeout` in seconds.
    pub stop_timeout: Option<i64>,
    /// `[engine] events_logger`; with `none` no events are written.
    pub events_logger: Option<String>,
    /// `default_capabilities`: instead of podman's own.
    pub capabilities: Option<Vec<String>>,
    /// `default_ulimits`, as `--ulimit`.
    pub ulimits: Option<Vec<String>>,
    /// `env`: the image's own goes before it.
    pub env: Option<Vec<String>>,
    /// `annotations`, as `--annotation`.
    pub annotations: Option<Vec<String>>,
    /// `devices`, as `--device`.
    pub devices: Option<Vec<String>>,
    /// `volumes`, as `-v`.
    pub volumes: Option<Vec<String>>,
    /// `dns_servers`.
    pub dns_servers: Option<Vec<String>>,
    /// `dns_searches`.
    pub dns_searches: Option<Vec<String>>,
    /// `dns_options`.
    pub dns_options: Option<Vec<String>>,
}

impl Defaults {
    /// Whether events are written. All loggers but `none` mean the same here: a file of Bolt's.
    pub fn wants_events(&self) -> bool {
        self.events_logger.as_deref() != Some("none")
    }
}

/// A file that cannot be used; nothing of it is guessed.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// It is there and cannot be read, or it was named and is not there.
    #[error("{0}")]
    Read(PathBuf, #[source] io::Error),
    /// No TOML.
    #[error("{file}:{line}: {reason}", file = .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// A value of another type.
    #[error("{file}: {key} must be {wanted}, it is {found}", file = .file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// Section and key.
        key: String,
        /// What podman takes there.
        wanted: &'static str,
        /// What stands there.
        found: &'static str,
    },
}

/// Reads all files. One that is absent costs one failed open.
pub fn load(places: &Places) -> Result<Defaults, ConfError> {
    let mut all = Defaults::default();
    if let Some(only) = &places.only {
        read(&mut all, only)?;
    } else {
        for dir in &places.dirs {
            for file in
                [vec![dir.join("containers.conf")], drop_ins(&dir.join("containers.conf.d"))?]
                    .concat()
            {
                match read(&mut all, &file) {
                    Err(ConfError::Read(_, e)) if is_absent(&e) => {}
                    other => other?,
                }
            }
        }
    }
    if let Some(last) = &places.last {
        read(&mut all, last)?;
    }
    Ok(all)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What distributions ship is 25 KiB of comments, and this is read at every start: they are passed
/// over as they come. All of it is wanted where a string of many lines may hold what looks like
/// one, and for the line of an error.
fn read(all: &mut Defaults, file: &Path) -> Result<(), ConfError> {
    let wrong = |e| ConfError::Read(file.to_owned(), e);
    let mut settings = Uncommented::default();
    let once = small::read_in_pieces(file, |piece| settings.take(piece)).map_err(wrong)?;
    let whole = || match &once {
        Some(bytes) => Ok(Cow::Borrowed(bytes.as_slice())),
        // One that goes meanwhile was there.
        None => small::read(file).map(Cow::Owned).map_err(|e| wrong(io::Error::other(e))),
    };
    merge(all, file, &settings.kept, &whole)
}

/// What is not in a comment must be text.
fn utf8<'a>(file: &Path, bytes: &'a [u8]) -> Result<&'a str, ConfError> {
    str::from_utf8(bytes).map_err(|e| {
        let error = io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 text: {e}"));
        ConfError::Read(file.to_owned(), error)
    })
}

/// `*.conf` by name.
fn drop_ins(dir: &Path) -> Result<Vec<PathBuf>, ConfError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if is_absent(&e) => return Ok(Vec::new()),
        other => other.map_err(|e| ConfError::Read(dir.to_owned(), e))?,
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    files.sort();
    Ok(files)
}

fn merge<'a>(
    all: &mut Defaults,
    file: &Path,
    settings: &[u8],
    whole: &dyn Fn() -> Result<Cow<'a, [u8]>, ConfError>,
) -> Result<(), ConfError> {
    if settings.is_empty() {
        return Ok(());
    }
    let has = |mark: &[u8]| settings.windows(mark.len()).any(|part| part == mark);
    let mut table = if has(b"\"\"\"") || has(b"'''") {
        parse(file, utf8(file, &whole()?)?)?
    } else {
        let settings = utf8(file, settings)?;
        match settings.parse() {
            Ok(table) => table,
            // The error is that of the whole, whose comments may be of another coding.
            Err(_) => parse(file, &String::from_utf8_lossy(&whole()?))?,
        }
    };
    let mut keys =
        Keys { file, section: "containers", table: section(file, &mut table, "containers")? };
    keys.number("pids_limit", &mut all.pids_limit)?;
    keys.text("log_driver", &mut all.log_driver)?;
    keys.text("log_tag", &mut all.log_tag)?;
    keys.number("log_size_max", &mut all.log_size_max)?;
    keys.text("shm_size", &mut all.shm_size)?;
    keys.text("umask", &mut all.umask)?;
    keys.text("tz", &mut all.tz)?;
    keys.text("userns", &mut all.userns)?;
    keys.text("seccomp_profile", &mut all.seccomp_profile)?;
    keys.flag("init", &mut all.init)?;
    keys.flag("read_only", &mut all.read_only)?;
    keys.flag("env_host", &mut all.env_host)?;
    keys.list("default_capabilities", &mut all.capabilities)?;
    keys.list("default_ulimits", &mut all.ulimits)?;
    keys.list("env", &mut all.env)?;
    keys.list("annotations", &mut all.annotations)?;
    keys.list("devices", &mut all.devices)?;
    keys.list("volumes", &mut all.volumes)?;
    keys.list("dns_servers", &mut all.dns_servers)?;
    keys.list("dns_searches", &mut all.dns_searches)?;
    keys.list("dns_options", &mut all.dns_options)?;
    let mut keys = Keys { file, section: "engine", table: section(file, &mut table, "engine")? };
    keys.number("stop_timeout", &mut all.stop_timeout)?;
    keys.text("events_logger", &mut all.events_logger)
}

fn parse(file: &Path, text: &str) -> Result<Table, ConfError> {
    text.parse().map_err(|e: toml::de::Error| ConfError::Syntax {
        file: file.to_owned(),
        line: e
            .span()
            .map_or(1, |span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1),
        reason: e.message().to_owned(),
    })
}

/// The lines of a file that are no comments, which comes piece by piece.
#[derive(Debug, Default)]
struct Uncommented {
    kept: Vec<u8>,
    line: Line,
}

/// What has been seen of a line.
#[derive(Debug, Default)]
enum Line {
    /// Nothing, or blanks.
    #[default]
    Blank,
    Comment,
    Setting,
}

impl Uncommented {
    fn take(&mut self, mut piece: &[u8]) {
        while let Some(first) = piece.first() {
            match self.line {
                Line::Blank => {
                    self.line = match first {
                        b'#' => Line::Comment,
                        blank if blank.is_ascii_whitespace() => Line::Blank,
                        _ => Line::Setting,
                    };
                    if let Line::Setting = self.line {
                        continue;
                    }
                    piece = &piece[1..];
                }
                Line::Comment => piece = self.end(piece, line_length(piece)),
                Line::Setting => {
                    let length = line_length(piece);
                    self.kept.extend_from_slice(&piece[..length]);
                    if length < piece.len() {
                        self.kept.push(b'\n');
                    }
                    piece = self.end(piece, length);
                }
            }
        }
    }

    /// What comes behind so much of a line.
    fn end<'a>(&mut self, piece: &'a [u8], length: usize) -> &'a [u8] {
        let Some(behind) = piece.get(length + 1..) else { return &[] };
        self.line = Line::Blank;
        behind
    }
}

/// Bytes up to the next end of a line, eight at a time.
fn line_length(text: &[u8]) -> usize {
    // A byte of zero in what is left without the ends is the only one that borrows.
    let ends = |block: &[u8; 8]| {
        const ONES: u64 = u64::from_ne_bytes([1; 8]);
        let other = u64::from_ne_bytes(*block) ^ (ONES * u64::from(b'\n'));
        other.wrapping_sub(ONES) & !other & (ONES << 7) != 0
    };
    let before = text.as_chunks().0.iter().take_while(|block| !ends(block)).count() * 8;
    text[before..].iter().position(|b| *b == b'\n').map_or(text.len(), |at| before + at)
}

fn section(file: &Path, table: &mut Table, name: &str) -> Result<Table, ConfError> {
    match table.remove(name) {
        None => Ok(Table::new()),
        Some(Value::Table(section)) => Ok(section),
        Some(other) => Err(ConfError::Type {
            file: file.to_owned(),
            key: name.to_owned(),
            wanted: "a section",
            found: kind(&other),
        }),
    }
}

struct Keys<'a> {
    file: &'a Path,
    section: &'static str,
    table: Table,
}

impl Keys<'_> {
    fn wrong(&self, key: &str, wanted: &'static str, found: &Value) -> ConfError {
        let key = format!("[{}] {key}", self.section);
        ConfError::Type { file: self.file.to_owned(), key, wanted, found: kind(found) }
    }

    fn number(&mut self, key: &str, to: &mut Option<i64>) -> Result<(), ConfError> {
        match self.table.remove(key) {
            None => {}
            Some(Value::Integer(number)) => *to = Some(number),
            Some(other) => return Err(self.wrong(key, "a whole number", &other)),
        }
        Ok(())
    }

    fn flag(&mut self, key: &str, to: &mut Option<bool>) -> Result<(), ConfError> {
        match self.table.remove(key) {
            None => {}
            Some(Value::Boolean(flag)) => *to = Some(flag),
            Some(other) => return Err(self.wrong(key, "true or false", &other)),
        }
        Ok(())
    }

    /// An empty text is no setting, as for podman.
    fn text(&mut self, key: &str, to: &mut Option<String>) -> Result<(), ConfError> {
        match self.table.remove(key) {
            None => {}
            Some(Value::String(text)) => *to = (!text.is_empty()).then_some(text),
            Some(other) => return Err(self.wrong(key, "a text in quotes", &other)),
        }
        Ok(())
    }

    /// A list replaces that of earlier files, or with `{append=true}` among its items goes behind
    /// it.
    fn list(&mut self, key: &str, to: &mut Option<Vec<String>>) -> Result<(), ConfError> {
        const WANTED: &str = "a list of texts in quotes";
        let items = match self.table.remove(key) {
            None => return Ok(()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(self.wrong(key, WANTED, &other)),
        };
        let mut list = Vec::new();
        let mut append = false;
        for item in items {
            match item {
                Value::String(text) => list.push(text),
                Value::Table(mark) if mark.get("append").is_some_and(Value::is_bool) => {
                    append = mark.get("append").and_then(Value::as_bool).unwrap_or(false);
                }
                other => return Err(self.wrong(key, WANTED, &other)),
            }
        }
        let earlier = to.take().filter(|_| append).unwrap_or_default();
        *to = Some(earlier.into_iter().chain(list).collect());
        Ok(())
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a point",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list, or has such an item",
        Value::Table(_) => "a section, or has such an item",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn parse(texts: &[&str]) -> Result<Defaults, String> {
        let mut all = Defaults::default();
        for text in texts {
            merge_in(&mut all, text.as_bytes(), 4096).map_err(|e| e.to_string())?;
        }
        Ok(all)
    }

    fn merge_in(all: &mut Defaults, text: &[u8], size: usize) -> Result<(), ConfError> {
        let mut settings = Uncommented::default();
        text.chunks(size).for_each(|piece| settings.take(piece));
        merge(all, Path::new("f.conf"), &settings.kept, &|| Ok(Cow::Borrowed(text)))
    }

    #[test]
    fn comments_are_left_out_and_nothing_else() {
        let (before, behind) = ("# ".repeat(40), "#".repeat(33));
        let text = format!("{before}\n\r\n\t# x\n[containers]\n  tz = \"UTC\" # y\r\n{behind}");
        for size in 1..text.len() {
            let mut all = Defaults::default();
            merge_in(&mut all, text.as_bytes(), size).unwrap();
            assert_eq!(all.tz.as_deref(), Some("UTC"), "{size}");
        }
        let many_lines = "[containers]\n# a\ntz = \"\"\"\n# b\"\"\"\n";
        assert_eq!(parse(&[many_lines]).unwrap().tz.as_deref(), Some("# b"));
        let mut all = Defaults::default();
        merge_in(&mut all, b"# \xff\n[containers]\ntz = \"local\"", 4096).unwrap();
        assert_eq!(all.tz.as_deref(), Some("local"));
        let bad = merge_in(&mut all, b"[containers]\ntz = \"\xff\"", 4096).unwrap_err();
        assert!(matches!(bad, ConfError::Read(_, e) if e.to_string().contains("UTF-8")));
    }

    #[test]
    fn a_pipe_is_read_once_and_a_file_again_for_its_errors() {
        let scratch = Scratch::new("conf");
        let of = |path: &Path| Places { only: Some(path.to_owned()), ..Places::default() };
        let file = scratch.path().join("containers.conf");
        let long = "# a line\n".repeat(2000);
        fs::write(&file, format!("{long}[containers]\ntz = \"UTC\"\n")).unwrap();
        assert_eq!(load(&of(&file)).unwrap().tz.as_deref(), Some("UTC"));
        fs::write(&file, format!("{long}[containers]\ntz = \n")).unwrap();
        let error = load(&of(&file)).unwrap_err().to_string();
        assert!(error.contains("2002"), "{error}");
        for text in ["tz = \"UTC\"", "tz = \"\"\"UTC\"\"\""] {
            let pipe = scratch.path().join("pipe");
            rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
            let text = format!("{long}[containers]\n{text}\n");
            let writer = std::thread::spawn({
                let pipe = pipe.clone();
                move || fs::write(pipe, text)
            });
            assert_eq!(load(&of(&pipe)).unwrap().tz.as_deref(), Some("UTC"));
            writer.join().unwrap().unwrap();
            fs::remove_file(&pipe).unwrap();
        }
    }

    #[test]
    fn later_files_win_and_lists_can_be_added_to() {
        let first = "# c\n[containers]\npids_limit = 10\n  # d\nenv = [\"A=1\"]\ntz = \"UTC\"\nvolumes=[\"/a:/b\"]\n";
        let second = "[containers]\npids_limit = -1\nenv = [\"B=2\", {append=true}]\ntz = \"\"\nvolumes=[]\nno_hosts = true\n[engine]\nstop_timeout = 3\nevents_logger = \"none\"\n[network]\nx = 1\n";
        assert!(Defaults::default().wants_events());
        let all = parse(&[first, second, "", "# only a comment"]).unwrap();
        assert!(!all.wants_events());
        assert_eq!((all.pids_limit, all.tz, all.stop_timeout), (Some(-1), None, Some(3)));
        assert_eq!(all.env.unwrap(), ["A=1", "B=2"]);
        assert_eq!(all.volumes.unwrap(), Vec::<String>::new());
        let text = parse(&["[containers]\ntz = '''\n#x'''\n"]).unwrap();
        assert_eq!(text.tz.as_deref(), Some("#x"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, said) in [
            (
                "[containers]\npids_limit = \"many\"",
                "f.conf: [containers] pids_limit must be a whole number, it is a text",
            ),
            (
                "[containers]\ninit = 1",
                "f.conf: [containers] init must be true or false, it is a whole number",
            ),
            (
                "[containers]\nenv = \"A=1\"",
                "f.conf: [containers] env must be a list of texts in quotes, it is a text",
            ),
            (
                "[containers]\nenv = [1]",
                "f.conf: [containers] env must be a list of texts in quotes, it is a whole number",
            ),
            ("containers = 1", "f.conf: containers must be a section, it is a whole number"),
        ] {
            assert_eq!(parse(&[text]).unwrap_err(), said);
        }
        let syntax = parse(&["# a comment\n[containers]\ntz = UTC\n"]).unwrap_err();
        assert!(syntax.starts_with("f.conf:3: "), "{syntax}");
    }

    #[test]
    fn files_are_read_in_podmans_order() {
        let scratch = Scratch::new("containers-conf");
        let write = |name: &str, tz: &str| {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("[containers]\ntz = \"{tz}\"\n")).unwrap();
            path
        };
        let dirs = ["system", "admin", "user"].map(|d| scratch.path().join(d)).to_vec();
        let mut places = Places { dirs, ..Places::default() };
        let tz = |places: &Places| load(places).unwrap().tz;
        assert_eq!(tz(&places), None);
        for file in [
            "system/containers.conf",
            "admin/containers.conf",
            "admin/containers.conf.d/10-a.conf",
            "admin/containers.conf.d/20-b.conf",
            "user/containers.conf",
            "user/containers.conf.d/a.conf",
        ] {
            write(file, file);
            assert_eq!(tz(&places).as_deref(), Some(file));
        }
        write("user/containers.conf.d/z.conf.old", "no");
        assert_eq!(tz(&places).as_deref(), Some("user/containers.conf.d/a.conf"));
        places.last = Some(write("last", "last"));
        assert_eq!(tz(&places).as_deref(), Some("last"));
        places = Places { only: Some(write("only", "only")), last: None, ..places };
        assert_eq!(tz(&places).as_deref(), Some("only"));
        places.only = Some(scratch.path().join("absent"));
        assert!(load(&places).unwrap_err().to_string().ends_with("absent"));
    }
}
