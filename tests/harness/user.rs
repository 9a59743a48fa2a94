//! The real `bolt`, run by an ordinary user with a home of its own. What a session leaves behind
//! when it ends fails its test.

use super::image::TestImage;
use super::process::{Out, belonging_to, finish};
use super::{Scratch, run};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// The image of every session, pulled already: busybox with its applets in `/bin`.
pub(crate) const IMAGE: &str = "v1";
/// How long one command may take; more is a hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who runs `bolt`: the caller, or, when root tests, `$BOLT_USER` that contrib/test makes.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// As `uid` of the process that tests: only then ids have to be changed.
    by_root: bool,
}

impl User {
    /// Or why there is none.
    pub(crate) fn find() -> Result<User, String> {
        let own = std::fs::metadata("/proc/self").map_err(|e| format!("/proc/self: {e}"))?;
        if own.uid() != 0 {
            return Ok(User { uid: own.uid(), gid: own.gid(), by_root: false });
        }
        let name = std::env::var("BOLT_USER").unwrap_or_else(|_| "bolt-test".to_owned());
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(|e| e.to_string())?;
        let fields = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>());
        let entry = fields.into_iter().find(|f| f.len() > 3 && f[0] == name);
        let entry = entry.ok_or_else(|| format!("no user {name}; contrib/test makes one"))?;
        let number = |n: usize| entry[n].parse().map_err(|e| format!("{name}: {e}"));
        Ok(User { uid: number(2)?, gid: number(3)?, by_root: true })
    }

    fn own(&self, path: &Path) {
        if self.by_root {
            chown(path, Some(self.uid), Some(self.gid)).unwrap();
        }
    }

    /// The same command, run by this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.by_root {
            command.uid(self.uid).gid(self.gid);
        }
    }
}

/// What all sessions share: both programs where everybody may read them, and the image.
#[derive(Debug)]
struct Shared {
    bin: Scratch,
    image: TestImage,
}

impl Shared {
    /// Made by the first session, gone with the last.
    fn get() -> Arc<Shared> {
        static CURRENT: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = current.upgrade() {
            return shared;
        }
        let bin = Scratch::new();
        // The lab has them where its user may read them.
        let given = std::env::var_os("BOLT").map(PathBuf::from);
        let bolt = given.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_bolt")));
        let shim = bolt.with_file_name("bolt-shim");
        assert!(shim.exists(), "{} is missing: cargo test --workspace", shim.display());
        for program in [&bolt, &shim] {
            let to = bin.join(program.file_name().unwrap().to_str().unwrap());
            super::process::write_program(&to, std::fs::read(program).unwrap());
        }
        let shared = Arc::new(Shared { bin, image: TestImage::busybox() });
        *current = Arc::downgrade(&shared);
        shared
    }
}

/// A home, a data directory and a runtime directory of an ordinary user.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) user: User,
    shared: Arc<Shared>,
    dir: Scratch,
}

impl Session {
    /// A session with the busybox image in its store, or why there can be none.
    pub(crate) fn new() -> Result<Session, String> {
        let session = Session::empty()?;
        session.ok(&["pull", "-q", &session.shared.image.source()]);
        Ok(session)
    }

    /// A session without any image.
    pub(crate) fn empty() -> Result<Session, String> {
        let user = User::find()?;
        let dir = Scratch::new();
        for name in ["home", "data", "run"] {
            std::fs::create_dir(dir.join(name)).unwrap();
            user.own(&dir.join(name));
        }
        std::fs::set_permissions(dir.join("run"), PermissionsExt::from_mode(0o700)).unwrap();
        Ok(Session { user, shared: Shared::get(), dir })
    }

    /// Where the busybox image lies: `oci:DIR:v1`.
    pub(crate) fn image_source(&self) -> String {
        self.shared.image.source()
    }

    /// The session's own directory, everything lies below it.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.dir.join("home")
    }

    /// Where containers and images lie.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data/bolt")
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// A file in the home, belonging to the user.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.home().join(name);
        std::fs::write(&path, content).unwrap();
        self.user.own(&path);
        path.to_str().unwrap().to_owned()
    }

    /// A program in the home, belonging to the user.
    pub(crate) fn program_file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.home().join(name);
        super::process::write_program(&path, content);
        self.user.own(&path);
        path.to_str().unwrap().to_owned()
    }

    /// A directory in the home, belonging to the user.
    pub(crate) fn make_dir(&self, name: &str) -> String {
        let path = self.home().join(name);
        std::fs::create_dir(&path).unwrap();
        self.user.own(&path);
        path.to_str().unwrap().to_owned()
    }

    /// Any program as the user, in the session's environment, from its home.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.command_of_the_tester(program);
        self.user.apply(&mut command);
        command
    }

    /// The same by whoever runs the tests, root perhaps.
    pub(crate) fn command_of_the_tester(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.dir.join("data"))
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("TERM", "xterm")
            .current_dir(self.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.shared.bin.join("bolt")
    }

    /// `bolt ARGS`, not yet started.
    pub(crate) fn bolt(&self, args: &[&str]) -> Command {
        let mut command = self.command(self.program());
        command.args(args);
        command
    }

    /// `bolt ARGS` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Out {
        finish(self.bolt(args).spawn().unwrap(), PATIENCE, &format!("{args:?}"))
    }

    /// `bolt ARGS`, which must succeed; its standard output without the last newline.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let out = self.run(args);
        assert!(out.code == 0, "bolt {args:?}: {out:?}");
        out.out.trim_end_matches('\n').to_owned()
    }

    /// `bolt run --rm --network none FLAGS v1 COMMAND`.
    pub(crate) fn once(&self, flags: &[&str], command: &[&str]) -> Out {
        let mut args = vec!["run", "--rm", "--network", "none"];
        args.extend(flags);
        args.push(IMAGE);
        args.extend(command);
        self.run(&args)
    }

    /// The same with a shell script, which must succeed; its standard output.
    pub(crate) fn script(&self, flags: &[&str], script: &str) -> String {
        let out = self.once(flags, &["sh", "-c", script]);
        assert!(out.code == 0, "{flags:?} {script:?}: {out:?}");
        out.out.trim_end_matches('\n').to_owned()
    }

    /// `bolt run -d --network none --name NAME FLAGS v1 sh -c SCRIPT`; the container's id.
    pub(crate) fn detached(&self, name: &str, flags: &[&str], script: &str) -> String {
        let mut args = vec!["run", "-d", "--network", "none", "--name", name];
        args.extend(flags);
        args.extend([IMAGE, "sh", "-c", script]);
        self.ok(&args)
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.bolt(args).spawn().unwrap()
    }

    /// One field of `bolt inspect`.
    pub(crate) fn inspect(&self, name: &str, field: &str) -> String {
        self.ok(&["inspect", "--format", &format!("{{{{{field}}}}}"), name])
    }

    /// The supervisor's and the payload's pid, from state.json.
    pub(crate) fn pids(&self, id: &str) -> (i32, i32) {
        let path = self.data().join("containers").join(id).join("state.json");
        let state: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let number = |key: &str| state[key].as_i64().unwrap() as i32;
        (number("monitor"), number("pid"))
    }

    /// Pulls another image; its id.
    pub(crate) fn pull(&self, image: &TestImage) -> String {
        image.open_to_all();
        self.ok(&["pull", "-q", &image.source()])
    }

    /// Nothing may be left of the session but files. Waits a while for what is ending.
    pub(crate) fn assert_quiet(&self) {
        let text = self.dir.path().to_str().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let left = belonging_to(text);
            let sockets = sockets(self.dir.path());
            if left.is_empty() && sockets.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "left behind: {left:#?} {sockets:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Sockets below a directory.
pub(crate) fn sockets(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        // Layers and uppers are big and hold what payloads made.
        if dir.ends_with("store") || dir.ends_with("upper") {
            continue;
        }
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => todo.push(entry.path()),
                Ok(kind) if kind.is_socket() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

impl Drop for Session {
    fn drop(&mut self) {
        let out = self.run(&["rm", "--force", "--all", "--time", "0"]);
        if !std::thread::panicking() {
            assert_eq!(out.code, 0, "rm -fa: {out:?}");
            self.assert_quiet();
        }
        let data = self.dir.join("data");
        let removed = self.run(&["unshare", "rm", "-rf", data.join("bolt").to_str().unwrap()]);
        if !std::thread::panicking() {
            assert!(removed.code == 0 && !data.join("bolt").exists(), "unshare rm: {removed:?}");
        }
    }
}

/// Waits until `condition` holds; names it when it never does.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(15);
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a program can be found in PATH.
pub(crate) fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(program).is_file())
}

impl TestImage {
    /// busybox with all its applets, users, a directory for `/tmp` and something to copy up.
    pub(crate) fn busybox() -> TestImage {
        let image = TestImage::new(&[]);
        let applets = run("/bin/busybox", &["--list"]);
        image.add(|root| {
            let bin = root.join("bin");
            std::fs::create_dir(&bin).unwrap();
            for applet in applets.lines().filter(|a| *a != "busybox") {
                std::os::unix::fs::symlink("busybox", bin.join(applet)).unwrap();
            }
            std::fs::create_dir(root.join("etc")).unwrap();
            std::fs::write(
                root.join("etc/passwd"),
                "root:x:0:0:root:/root:/bin/sh\nplayer:x:1000:1000::/home/player:/bin/sh\n",
            )
            .unwrap();
            std::fs::write(
                root.join("etc/group"),
                "root:x:0:\nplayer:x:1000:\nvideo:x:44:player\n",
            )
            .unwrap();
            std::fs::create_dir_all(root.join("srv/data")).unwrap();
            std::fs::write(root.join("srv/data/file"), "from the image\n").unwrap();
            for (dir, mode) in [("tmp", 0o1777), ("root", 0o700)] {
                std::fs::create_dir(root.join(dir)).unwrap();
                std::fs::set_permissions(root.join(dir), PermissionsExt::from_mode(mode)).unwrap();
            }
        });
        let layout = image.source();
        let name = layout.trim_start_matches("oci:");
        run("umoci", &["config", "--image", name, "--config.env", "PATH=/bin"]);
        image.open_to_all();
        image
    }

    /// umoci keeps the index to its user.
    pub(crate) fn open_to_all(&self) {
        run("chmod", &["-R", "a+rX", self.layout().to_str().unwrap()]);
    }
}
