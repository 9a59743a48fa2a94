//! Bolt as a compatibility tool of Steam: three files in `compatibilitytools.d/bolt`.
//!
//! The two VDF files begin with a line that names their own checksum: a file whose checksum is
//! another was changed by a person, and is not replaced or removed unless that is forced.

use super::vdf::{Table, Value};
use crate::container::live;
use crate::image::types::Digest;
use crate::sys::{atomic, small};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The directory in `compatibilitytools.d`.
const DIRECTORY: &str = "bolt";
/// The program that Steam starts, a link to Bolt or a copy of it.
const PROGRAM: &str = "bolt-compat";
/// How the first line of a file of ours begins.
const MARK: &str = "// Written by bolt, checksum ";

/// Why the tool could not be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// A person's file.
    #[error(
        "{}: somebody changed it since bolt wrote it, or bolt never did; --force replaces it",
        .0.display()
    )]
    Changed(PathBuf),
    /// A directory in the place of a file, which nothing here removes.
    #[error("{} is a directory where a file of the tool belongs; move it away", .0.display())]
    Directory(PathBuf),
    /// A file or directory.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// What an installation or removal changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Files were written or removed.
    Done,
    /// All was as it should be.
    None,
}

/// The tool's directory below a Steam.
pub fn directory(root: &Path) -> PathBuf {
    root.join("compatibilitytools.d").join(DIRECTORY)
}

/// Whether a Steam runs where this system's programs are out of its sight (Flatpak, Snap).
fn is_sandboxed(root: &Path) -> bool {
    let text = root.to_string_lossy();
    text.contains("/.var/app/") || text.contains("/snap/")
}

/// The two files, with their marks.
fn files() -> [(&'static str, String); 2] {
    let text = |key: &str, value: &str| (key.to_owned(), Value::Text(value.to_owned()));
    let table =
        |key: &str, inside: Vec<(String, Value)>| (key.to_owned(), Value::Table(Table(inside)));
    let tool = vec![
        text("install_path", "."),
        text("display_name", "Bolt"),
        text("from_oslist", "linux"),
        text("to_oslist", "linux"),
    ];
    let declaration =
        table("compatibilitytools", vec![table("compat_tools", vec![table("bolt", tool)])]);
    let manifest = table(
        "manifest",
        vec![
            text("version", "2"),
            text("commandline", &format!("/{PROGRAM} steam tool %verb%")),
            text("compatmanager_layer_name", "bolt"),
            // Steam then asks a game to end before it kills it.
            text("use_tool_subprocess_reaper", "1"),
        ],
    );
    [("compatibilitytool.vdf", declaration), ("toolmanifest.vdf", manifest)]
        .map(|(name, pair)| (name, marked(&Table(vec![pair]).to_string())))
}

fn marked(body: &str) -> String {
    format!("{MARK}{}\n{body}", Digest::sha256_of(body.as_bytes()).hex())
}

/// Whether a file is as some version of Bolt wrote it.
fn is_ours(text: &str) -> bool {
    let split = text.strip_prefix(MARK).and_then(|rest| rest.split_once('\n'));
    split.is_some_and(|(sum, body)| Digest::sha256_of(body.as_bytes()).hex() == sum)
}

/// What is in the place of a file of ours.
enum Found {
    Nothing,
    Ours(String),
    Theirs,
}

fn look(path: &Path) -> Result<Found, ToolError> {
    use io::ErrorKind::{FileTooLarge, InvalidInput, NotFound};
    no_directory(path)?;
    match small::read_regular(path).map(String::from_utf8) {
        Ok(Ok(text)) if is_ours(&text) => Ok(Found::Ours(text)),
        Ok(_) => Ok(Found::Theirs),
        Err(error) if error.kind() == NotFound => Ok(Found::Nothing),
        Err(error) if matches!(error.kind(), InvalidInput | FileTooLarge) => Ok(Found::Theirs),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Ok(Found::Theirs),
        Err(source) => Err(io_error("read", path)(source)),
    }
}

fn no_directory(path: &Path) -> Result<(), ToolError> {
    match path.symlink_metadata() {
        Ok(data) if data.is_dir() => Err(ToolError::Directory(path.to_owned())),
        _ => Ok(()),
    }
}

/// Whether the program in the tool's directory is a link to Bolt, wherever that lay, or a copy of
/// some version of it: every one holds the text of our marks.
fn is_our_program(path: &Path) -> bool {
    match path.symlink_metadata() {
        Ok(data) if data.is_symlink() => leads_to_bolt(path),
        Ok(data) if data.is_file() => holds_mark(path).unwrap_or(false),
        other => other.is_err(),
    }
}

/// By its name where it leads to nothing any more. One that another command has just removed stands
/// in nobody's way.
fn leads_to_bolt(link: &Path) -> bool {
    match (holds_mark(link), fs::read_link(link)) {
        (Ok(marked), _) => marked,
        (Err(_), Ok(target)) => target.ends_with("bolt"),
        (Err(_), Err(error)) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn holds_mark(path: &Path) -> io::Result<bool> {
    let mut file = small::open_regular(path)?;
    let mut piece = vec![0; 1 << 16];
    let mut held = 0;
    let mut first = true;
    loop {
        let read = io::Read::read(&mut file, &mut piece[held..])?;
        let end = held + read;
        if read == 0 || (first && !piece[..end].starts_with(b"\x7fELF")) {
            return Ok(false);
        }
        first = false;
        if contains_mark(&piece[..end]) {
            return Ok(true);
        }
        // It may lie across two pieces.
        held = end.min(MARK.len() - 1);
        piece.copy_within(end - held..end, 0);
    }
}

/// Looks at one byte in as many as the mark has: wherever it lies, it covers one of them.
fn contains_mark(piece: &[u8]) -> bool {
    let mark = MARK.as_bytes();
    let begins = |at: usize| {
        let places = mark.iter().enumerate().filter(move |(_, byte)| **byte == piece[at]);
        places.into_iter().any(|(place, _)| piece[at - place..].starts_with(mark))
    };
    (mark.len() - 1..piece.len()).step_by(mark.len()).any(begins)
}

/// Installs Bolt, which is `program`, below Steam's directory `root`. Everything is looked at before
/// anything is written.
pub fn install(root: &Path, program: &Path, force: bool) -> Result<Change, ToolError> {
    let dir = directory(root);
    let mut todo = Vec::new();
    for (name, wanted) in files() {
        let path = dir.join(name);
        match look(&path)? {
            Found::Ours(text) if text == wanted => {}
            Found::Theirs if !force => return Err(ToolError::Changed(path)),
            _ => todo.push((name, wanted)),
        }
    }
    let place = dir.join(PROGRAM);
    no_directory(&place)?;
    if !force && !is_our_program(&place) {
        return Err(ToolError::Changed(place));
    }
    fs::create_dir_all(&dir).map_err(io_error("make", &dir))?;
    for path in abandoned(&dir) {
        remove(&path)?;
    }
    let fd = open(&dir)?;
    let mut change = put_program(&fd, &place, program, is_sandboxed(root))?;
    for (name, wanted) in todo {
        atomic::write(&fd, name, wanted.as_bytes(), atomic::Sync::Durable)
            .map_err(io_error("write", &dir.join(name)))?;
        change = Change::Done;
    }
    Ok(change)
}

/// A link, which follows updates of Bolt; a copy where a link would lead out of a sandbox.
fn put_program(
    dir: &OwnedFd,
    place: &Path,
    program: &Path,
    copy: bool,
) -> Result<Change, ToolError> {
    if copy {
        let bytes = fs::read(program).map_err(io_error("read", program))?;
        if place.symlink_metadata().is_ok_and(|m| m.is_file())
            && fs::read(place).is_ok_and(|there| there == bytes)
        {
            return Ok(Change::None);
        }
        return atomic::write_mode(dir, PROGRAM, &bytes, atomic::Sync::Durable, 0o755)
            .map(|()| Change::Done)
            .map_err(io_error("write", place));
    }
    if fs::read_link(place).is_ok_and(|target| target == program) {
        return Ok(Change::None);
    }
    let temp = atomic::temp_name(PROGRAM);
    rustix::fs::symlinkat(program, dir, &temp)
        .and_then(|()| rustix::fs::renameat(dir, &temp, dir, PROGRAM))
        .and_then(|()| rustix::fs::fsync(dir))
        .map(|()| Change::Done)
        .map_err(|error| io_error("write", place)(error.into()))
}

/// Removes the tool again, and its directory when nothing else lies in it.
pub fn uninstall(root: &Path, force: bool) -> Result<Change, ToolError> {
    let dir = directory(root);
    let mut there = Vec::new();
    for (name, _) in files() {
        let path = dir.join(name);
        match look(&path)? {
            Found::Nothing => {}
            Found::Theirs if !force => return Err(ToolError::Changed(path)),
            _ => there.push(path),
        }
    }
    let program = dir.join(PROGRAM);
    no_directory(&program)?;
    if program.symlink_metadata().is_ok() {
        if !force && !is_our_program(&program) {
            return Err(ToolError::Changed(program));
        }
        there.push(program);
    }
    there.extend(abandoned(&dir));
    if there.is_empty() {
        return Ok(Change::None);
    }
    for path in there {
        remove(&path)?;
    }
    let _ = fs::remove_dir(&dir);
    Ok(Change::Done)
}

/// Files of ours that an installation left half written, because it was killed.
fn abandoned(dir: &Path) -> Vec<PathBuf> {
    let ours = files().map(|(name, _)| name).into_iter().chain([PROGRAM]);
    let begins: Vec<String> = ours.map(|name| format!(".{name}.")).collect();
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_abandoned =
        |name: &str| begins.iter().any(|begin| name.starts_with(begin)) && live::is_abandoned(name);
    let found = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_abandoned));
    found.map(|entry| entry.path()).collect()
}

/// Whoever removes it at the same moment does the same work.
fn remove(path: &Path) -> Result<(), ToolError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn open(dir: &Path) -> Result<OwnedFd, ToolError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::empty()).map_err(|e| io_error("open", dir)(e.into()))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ToolError {
    let path = path.to_owned();
    move |source| ToolError::Io { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn installed_twice_is_installed_once_and_removed_again() {
        let scratch = Scratch::new("tool");
        let root = scratch.path();
        let bolt = Path::new("/opt/bolt");
        assert_eq!(install(root, bolt, false).unwrap(), Change::Done);
        assert_eq!(install(root, bolt, false).unwrap(), Change::None);
        let dir = directory(root);
        assert_eq!(fs::read_link(dir.join(PROGRAM)).unwrap(), bolt);
        let manifest = fs::read(dir.join("toolmanifest.vdf")).unwrap();
        let manifest = Table::parse(&manifest).unwrap();
        let manifest = manifest.table("manifest").unwrap();
        assert_eq!(manifest.text("version"), Some("2"));
        assert_eq!(manifest.text("commandline"), Some("/bolt-compat steam tool %verb%"));
        let tool = Table::parse(&fs::read(dir.join("compatibilitytool.vdf")).unwrap()).unwrap();
        let tool = tool.table("compatibilitytools").unwrap().table("compat_tools").unwrap();
        assert_eq!(tool.table("bolt").unwrap().text("install_path"), Some("."));
        // Another place of the program is no person's change.
        assert_eq!(install(root, Path::new("/usr/bin/bolt"), false).unwrap(), Change::Done);
        assert_eq!(uninstall(root, false).unwrap(), Change::Done);
        assert!(!dir.exists());
        assert_eq!(uninstall(root, false).unwrap(), Change::None);
    }

    #[test]
    fn a_persons_change_stays_unless_forced() {
        let scratch = Scratch::new("tool-changed");
        let root = scratch.path();
        let bolt = Path::new("/opt/bolt");
        install(root, bolt, false).unwrap();
        let file = directory(root).join("compatibilitytool.vdf");
        let changed = fs::read_to_string(&file).unwrap().replace("\"Bolt\"", "\"Mine\"");
        fs::write(&file, &changed).unwrap();
        for result in [install(root, Path::new("/x"), false), uninstall(root, false)] {
            assert!(
                matches!(&result, Err(ToolError::Changed(path)) if *path == file),
                "{result:?}"
            );
            assert_eq!(fs::read_to_string(&file).unwrap(), changed);
            assert_eq!(fs::read_link(directory(root).join(PROGRAM)).unwrap(), bolt);
        }
        assert_eq!(install(root, bolt, true).unwrap(), Change::Done);
        assert_ne!(fs::read_to_string(&file).unwrap(), changed);
        fs::remove_file(directory(root).join(PROGRAM)).unwrap();
        fs::write(directory(root).join(PROGRAM), "#!/bin/sh\n").unwrap();
        assert!(install(root, bolt, false).is_err());
        // A program, but none of ours.
        fs::write(directory(root).join(PROGRAM), b"\x7fELF of somebody").unwrap();
        for result in [install(root, bolt, false), uninstall(root, false)] {
            assert!(matches!(result, Err(ToolError::Changed(_))), "{result:?}");
        }
        assert_eq!(uninstall(root, true).unwrap(), Change::Done);
        // A link to itself.
        fs::create_dir_all(directory(root)).unwrap();
        std::os::unix::fs::symlink(&file, &file).unwrap();
        for result in [install(root, bolt, false), uninstall(root, false)] {
            assert!(matches!(result, Err(ToolError::Changed(_))), "{result:?}");
        }
        assert_eq!(install(root, bolt, true).unwrap(), Change::Done);
        assert_eq!(uninstall(root, false).unwrap(), Change::Done);
    }

    #[test]
    fn a_persons_link_and_a_directory_stay() {
        let scratch = Scratch::new("tool-link");
        let (root, bolt) = (scratch.path(), Path::new("/opt/bolt"));
        let (mine, place) = (scratch.path().join("mine.sh"), directory(root).join(PROGRAM));
        fs::write(&mine, "#!/bin/sh\n").unwrap();
        fs::create_dir_all(directory(root)).unwrap();
        std::os::unix::fs::symlink(&mine, &place).unwrap();
        for result in [install(root, bolt, false), uninstall(root, false)] {
            assert!(matches!(&result, Err(ToolError::Changed(path)) if *path == place));
            assert_eq!(fs::read_link(&place).unwrap(), mine);
        }
        // Of an older place of Bolt's.
        fs::remove_file(&place).unwrap();
        std::os::unix::fs::symlink("/gone/bolt", &place).unwrap();
        assert_eq!(install(root, bolt, false).unwrap(), Change::Done);
        assert_eq!(uninstall(root, false).unwrap(), Change::Done);
        for name in ["toolmanifest.vdf", PROGRAM] {
            let dir = directory(root).join(name);
            fs::create_dir_all(&dir).unwrap();
            for forced in [false, true] {
                for result in [install(root, bolt, forced), uninstall(root, forced)] {
                    assert!(matches!(&result, Err(ToolError::Directory(path)) if *path == dir));
                }
            }
            assert_eq!(fs::read_dir(directory(root)).unwrap().count(), 1, "nothing half written");
            fs::remove_dir(&dir).unwrap();
        }
    }

    #[test]
    fn what_a_killed_installation_left_is_removed() {
        let scratch = Scratch::new("tool-killed");
        let (root, bolt) = (scratch.path(), Path::new("/opt/bolt"));
        let dir = directory(root);
        let own = format!(".{PROGRAM}.{}.0.tmp", std::process::id());
        let gone = format!(".{PROGRAM}.{}.0.tmp", i32::MAX);
        let leave = || {
            fs::create_dir_all(&dir).unwrap();
            for name in [&gone, ".toolmanifest.vdf.2147483647.3.tmp", ".mine.2147483647.0.tmp"] {
                fs::write(dir.join(name), "half").unwrap();
            }
        };
        let names = || {
            let mut names: Vec<_> =
                fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        leave();
        fs::write(dir.join(&own), "of a living process").unwrap();
        install(root, bolt, false).unwrap();
        let ours = [PROGRAM, "compatibilitytool.vdf", "toolmanifest.vdf"];
        assert_eq!(names(), [&[own.as_str(), ".mine.2147483647.0.tmp"][..], &ours].concat());
        leave();
        assert_eq!(uninstall(root, false).unwrap(), Change::Done);
        assert_eq!(names(), [own.as_str(), ".mine.2147483647.0.tmp"]);
        fs::remove_file(dir.join(&own)).unwrap();
        leave();
        fs::remove_file(dir.join(".mine.2147483647.0.tmp")).unwrap();
        assert_eq!(uninstall(root, false).unwrap(), Change::Done, "nothing but what was left");
        assert!(!dir.exists());
    }

    #[test]
    fn many_may_uninstall_at_once() {
        let scratch = Scratch::new("tool-at-once");
        let root = scratch.path();
        for _ in 0..50 {
            install(root, Path::new("/opt/bolt"), false).unwrap();
            std::thread::scope(|scope| {
                for each in [0; 4].map(|_| scope.spawn(|| uninstall(root, false))) {
                    each.join().unwrap().unwrap();
                }
            });
            assert!(!directory(root).exists());
        }
    }

    #[test]
    fn a_sandboxed_steam_gets_a_copy() {
        let scratch = Scratch::new("tool-flatpak");
        let root = scratch.path().join(".var/app/com.valvesoftware.Steam/data/Steam");
        let bolt = scratch.path().join("bolt");
        fs::write(&bolt, [b"\x7fELF program ".as_slice(), MARK.as_bytes()].concat()).unwrap();
        assert_eq!(install(&root, &bolt, false).unwrap(), Change::Done);
        assert_eq!(install(&root, &bolt, false).unwrap(), Change::None);
        let copy = directory(&root).join(PROGRAM);
        assert_eq!(fs::read(&copy).unwrap(), fs::read(&bolt).unwrap());
        // The mark lies across two pieces.
        let newer = [b"\x7fELF".as_slice(), &[0; (1 << 16) - 10], MARK.as_bytes(), b"newer"];
        fs::write(&bolt, newer.concat()).unwrap();
        assert_eq!(install(&root, &bolt, false).unwrap(), Change::Done);
        fs::write(&bolt, [newer.concat().as_slice(), MARK.as_bytes()].concat()).unwrap();
        assert_eq!(install(&root, &bolt, false).unwrap(), Change::Done);
        assert_eq!(uninstall(&root, false).unwrap(), Change::Done);
    }
}
