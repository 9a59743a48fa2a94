//! `bolt login`: check a name and password at a registry, then keep them.

use crate::image::config::auth::{AuthFiles, Credentials, Secret};
use crate::image::reference::{DOCKER_HUB, Reference, is_registry};
use crate::sys::secret;
use crate::ui::redact;
use anyhow::{Context, bail, ensure};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;

/// Passwords on stdin are no longer than this.
const STDIN_MAX: u64 = 1 << 20;

/// Log in to a registry
///
/// The credentials are tried at the registry first; only when it takes them are they written to
/// the credential file ($XDG_RUNTIME_DIR/containers/auth.json, which podman, buildah and skopeo
/// read too).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// HOST or HOST:PORT, or a path below it to keep credentials for that path alone
    pub registry: String,
    /// User name; asked for at a terminal when it is missing
    #[arg(short, long, value_name = "NAME")]
    pub username: Option<String>,
    /// Password or access token. Other users can see it in the list of processes: prefer
    /// --password-stdin or the prompt
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    pub password: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Credential file to use instead [env: REGISTRY_AUTH_FILE]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// Print the user name that is logged in, and do nothing else
    #[arg(long, conflicts_with_all = ["username", "password", "password_stdin"])]
    pub get_login: bool,
    /// Demand HTTPS with a valid certificate (registries.conf decides when it is not given)
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub tls_verify: Option<bool>,
}

/// Runs `bolt login`.
///
/// `verify` asks the registry (`host[:port]`) whether it takes the credentials. It is called with
/// the kept credentials first, when the user gave none.
pub fn run(
    args: &Args,
    files: &AuthFiles,
    verify: impl Fn(&str, &Credentials) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    login(args, files, &mut Terminal, &mut io::stdout(), &verify)
}

/// What a login needs of the user.
trait User {
    /// Whether somebody is there to be asked.
    fn present(&self) -> bool;
    /// One line, shown while it is typed; `Err` at the end of input.
    fn ask(&mut self, prompt: &str) -> io::Result<String>;
    /// One line, not shown.
    fn ask_secret(&mut self, prompt: &str) -> io::Result<String>;
    /// All of stdin.
    fn piped(&mut self) -> io::Result<Vec<u8>>;
}

type Verify<'a> = &'a dyn Fn(&str, &Credentials) -> anyhow::Result<()>;

fn login(
    args: &Args,
    files: &AuthFiles,
    user: &mut dyn User,
    out: &mut dyn Write,
    verify: Verify<'_>,
) -> anyhow::Result<()> {
    let key = registry_key(&args.registry)?;
    let (host, path) = key.split_once('/').unwrap_or((&key, ""));
    if args.get_login {
        return match kept(files, host, path)? {
            None => bail!("not logged in to {key}"),
            Some(who) => Ok(writeln!(out, "{}", who.username().unwrap_or("<token>"))?),
        };
    }
    let given = args.username.is_some() || args.password.is_some();
    let kept = if given { None } else { kept(files, host, path)? };
    if let Some(kept) = &kept {
        match verify(host, kept) {
            Ok(()) => {
                writeln!(out, "Existing credentials are valid. Already logged in to {key}")?;
                return Ok(());
            }
            Err(error) if !user.present() => {
                return Err(error.context(format!("the credentials kept for {key} are not valid")));
            }
            Err(_) => writeln!(out, "The credentials kept for {key} are no longer valid.")?,
        }
    }
    let credentials = collect(args, &key, kept.as_ref().and_then(Credentials::username), user)?;
    verify(host, &credentials).with_context(|| format!("log in to {key}"))?;
    files.store(&key, &credentials)?;
    writeln!(out, "Login Succeeded!")?;
    Ok(())
}

/// Credentials of earlier logins. A credential file that is still to be made has none.
fn kept(files: &AuthFiles, host: &str, path: &str) -> anyhow::Result<Option<Credentials>> {
    if !files.write_file().exists() && files.is_explicit() {
        return Ok(None);
    }
    Ok(files.lookup(host, path)?)
}

/// Name and password from the arguments, stdin, or the person at the terminal.
fn collect(
    args: &Args,
    key: &str,
    known: Option<&str>,
    user: &mut dyn User,
) -> anyhow::Result<Credentials> {
    let username = match &args.username {
        Some(name) => name.clone(),
        None => ask_name(key, known, user)?,
    };
    ensure!(!username.is_empty(), "the user name is empty");
    ensure!(!username.contains(':'), "{username:?}: a user name holds no colon");
    let password = if let Some(password) = &args.password {
        password.clone()
    } else if args.password_stdin {
        let text = String::from_utf8(user.piped().context("read the password from stdin")?);
        let text = text.ok().context("the password on stdin is not UTF-8 text")?;
        text.trim_end_matches(['\n', '\r']).to_owned()
    } else {
        ensure!(
            user.present(),
            "no terminal to ask for the password of {username} at {key}; use --password-stdin"
        );
        user.ask_secret("Password: ").context("read the password")?
    };
    ensure!(!password.is_empty(), "the password is empty");
    ensure!(!password.contains('\0'), "the password holds a NUL");
    Ok(Credentials::Password { username, password: Secret::new(password) })
}

fn ask_name(key: &str, known: Option<&str>, user: &mut dyn User) -> anyhow::Result<String> {
    ensure!(
        user.present(),
        "no terminal to ask for the user name at {key}; use --username and --password-stdin"
    );
    let prompt = match known {
        Some(name) => format!("Username ({name}): "),
        None => "Username: ".to_owned(),
    };
    let name = user.ask(&prompt).context("read the user name")?;
    let name = name.trim();
    Ok(if name.is_empty() { known.unwrap_or_default() } else { name }.to_owned())
}

/// The key of a registry argument in a credential file: `host[:port]`, or with a path below it.
/// A scheme is dropped, as other tools do; then what follows the host is no repository.
pub(super) fn registry_key(text: &str) -> anyhow::Result<String> {
    let shown = || text.chars().take(100).collect::<String>();
    if let Some(text) = redact::userinfo(text) {
        bail!(
            "{text:?} holds credentials: write HOST or HOST:PORT alone, and give the password by \
             --password-stdin or at the prompt"
        );
    }
    let url = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let name = match url {
        Some(url) => url.split_once('/').map_or(url, |(host, _)| host),
        None => text.strip_suffix('/').unwrap_or(text),
    };
    let (host, path) = match name.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (name, None),
    };
    ensure!(is_registry(host), "{:?} is not a registry; write HOST or HOST:PORT", shown());
    let mut key = match host.to_ascii_lowercase() {
        host if host == "index.docker.io" || host == "registry-1.docker.io" => DOCKER_HUB.into(),
        host => host,
    };
    if let Some(path) = path {
        let below = Reference::parse(&format!("localhost/{path}"))
            .with_context(|| format!("{:?} is not a registry or a path below one", shown()))?;
        ensure!(
            below.tag().is_none() && below.digest().is_none(),
            "{:?} names an image; credentials are kept for a registry or a repository",
            shown()
        );
        key.push('/');
        key.push_str(path);
    }
    Ok(key)
}

/// The person, or the pipe, at stdin. Prompts go to stderr: stdout is for results.
struct Terminal;

impl User for Terminal {
    fn present(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn ask(&mut self, prompt: &str) -> io::Result<String> {
        eprint!("{prompt}");
        let mut line = String::new();
        // A terminal hands out one line a read, so nothing of the password is buffered here.
        if io::stdin().lock().take(4096).read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    fn ask_secret(&mut self, prompt: &str) -> io::Result<String> {
        eprint!("{prompt}");
        let line = secret::read_line(io::stdin());
        eprintln!();
        line
    }

    fn piped(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::stdin().lock().take(STDIN_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > STDIN_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::cell::RefCell;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Cli::parse_from([&["login"], words].concat()).args
    }

    /// A person who types these lines, or a pipe with these bytes.
    #[derive(Default)]
    struct Typed {
        lines: Vec<&'static str>,
        piped: &'static [u8],
        prompts: Vec<String>,
    }

    impl User for Typed {
        fn present(&self) -> bool {
            !self.lines.is_empty()
        }
        fn ask(&mut self, prompt: &str) -> io::Result<String> {
            self.prompts.push(prompt.to_owned());
            Ok(self.lines.remove(0).to_owned())
        }
        fn ask_secret(&mut self, prompt: &str) -> io::Result<String> {
            self.ask(prompt)
        }
        fn piped(&mut self) -> io::Result<Vec<u8>> {
            Ok(self.piped.to_vec())
        }
    }

    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("bolt-login-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            Self(dir)
        }
        fn auth(&self) -> AuthFiles {
            AuthFiles::only(&self.0.join("auth.json"))
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn only_good(_: &str, who: &Credentials) -> anyhow::Result<()> {
        match who {
            Credentials::Password { password, .. } if password.expose() == "good" => Ok(()),
            _ => bail!("401 Unauthorized"),
        }
    }

    #[test]
    fn the_command_line_as_podman_takes_it() {
        let a = args(&["-u", "me", "--password-stdin", "--tls-verify=false", "r.io"]);
        assert_eq!(
            (a.tls_verify, a.registry.as_str(), a.password_stdin),
            (Some(false), "r.io", true)
        );
        assert_eq!(args(&["--tls-verify", "r.io"]).tls_verify, Some(true));
        assert_eq!(args(&["r.io"]).tls_verify, None);
        for bad in [
            &["login"][..],
            &["login", "--password-stdin", "r.io"],
            &["login", "-u", "a", "-p", "b", "--password-stdin", "r.io"],
            &["login", "--get-login", "-u", "a", "r.io"],
        ] {
            assert!(Cli::try_parse_from(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_login_is_kept_only_when_the_registry_takes_it() {
        let files = Files::new("kept");
        let auth = files.auth();
        let mut out = Vec::new();
        let mut pipe = Typed { piped: b"bad\n", ..Typed::default() };
        let a = args(&["-u", "me", "--password-stdin", "r.io"]);
        let error = login(&a, &auth, &mut pipe, &mut out, &only_good).unwrap_err();
        assert_eq!(format!("{error:#}"), "log in to r.io: 401 Unauthorized");
        assert!(!files.0.exists(), "a refused login leaves nothing behind");

        pipe.piped = b"good\r\n";
        login(&a, &auth, &mut pipe, &mut out, &only_good).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "Login Succeeded!\n");
        let mut out = Vec::new();
        login(&args(&["--get-login", "r.io"]), &auth, &mut pipe, &mut out, &only_good).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "me\n");
        let mut out = Vec::new();
        login(&args(&["r.io"]), &auth, &mut pipe, &mut out, &only_good).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "Existing credentials are valid. Already logged in to r.io\n");
    }

    #[test]
    fn a_person_is_asked_and_a_script_is_told() {
        let files = Files::new("asked");
        let auth = files.auth();
        let mut out = Vec::new();
        let mut nobody = Typed::default();
        for words in [&["r.io"][..], &["-u", "me", "r.io"], &["-p", "good", "r.io"]] {
            let error = login(&args(words), &auth, &mut nobody, &mut out, &only_good).unwrap_err();
            assert!(error.to_string().contains("--password-stdin"), "{error}");
        }
        let mut person = Typed { lines: vec![" me \n", "good"], ..Typed::default() };
        login(&args(&["r.io/ns"]), &auth, &mut person, &mut out, &only_good).unwrap();
        assert_eq!(person.prompts, ["Username: ", "Password: "]);

        // The registry no longer takes the kept password: the name is offered again.
        let mut person = Typed { lines: vec!["\n", "good"], ..Typed::default() };
        let stale = RefCell::new(true);
        let once_stale = |host: &str, who: &Credentials| -> anyhow::Result<()> {
            assert_eq!(host, "r.io", "a path is checked at its registry");
            ensure!(!stale.replace(false), "401");
            only_good(host, who)
        };
        login(&args(&["r.io/ns"]), &auth, &mut person, &mut out, &once_stale).unwrap();
        assert_eq!(person.prompts[0], "Username (me): ");
        let never = |_: &str, _: &Credentials| -> anyhow::Result<()> { bail!("401") };
        let error = login(&args(&["r.io/ns"]), &auth, &mut nobody, &mut out, &never).unwrap_err();
        assert_eq!(format!("{error:#}"), "the credentials kept for r.io/ns are not valid: 401");
    }

    #[test]
    fn bad_names_and_passwords_are_refused_before_anything_is_sent() {
        let auth = Files::new("bad").auth();
        let never = |_: &str, _: &Credentials| -> anyhow::Result<()> { panic!("sent") };
        let mut out = Vec::new();
        for (words, piped) in [
            (&["-u", "a:b", "-p", "x", "r.io"][..], &b""[..]),
            (&["-u", "", "-p", "x", "r.io"], b""),
            (&["-u", "a", "-p", "", "r.io"], b""),
            (&["-u", "a", "--password-stdin", "r.io"], b"\n"),
            (&["-u", "a", "--password-stdin", "r.io"], b"\xff"),
            (&["-u", "a", "--password-stdin", "r.io"], b"a\0b"),
            (&["-u", "a", "-p", "x", "r io"], b""),
        ] {
            let mut pipe = Typed { piped, ..Typed::default() };
            assert!(login(&args(words), &auth, &mut pipe, &mut out, &never).is_err(), "{words:?}");
        }
    }

    #[test]
    fn registry_arguments_become_keys() {
        for (text, key) in [
            ("quay.io", "quay.io"),
            ("Quay.io/", "quay.io"),
            ("localhost:5000", "localhost:5000"),
            ("[::1]:5000", "[::1]:5000"),
            ("registry", "registry"),
            ("quay.io/ns/repo", "quay.io/ns/repo"),
            ("https://quay.io/v2/", "quay.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
        ] {
            assert_eq!(registry_key(text).unwrap(), key, "{text}");
        }
        let long = "a".repeat(10 << 20);
        for bad in
            ["", "/", "a b", "quay.io/Ns", "quay.io/ns:tag", "quay.io//x", "r.io:0", "a\0", &long]
        {
            let error = format!("{:#}", registry_key(bad).unwrap_err());
            assert!(error.len() < 1000, "{bad:.20}");
        }
        for typed in ["https://u:CANARYtyped@h", "u:CANARYtyped@h", "u:CANARYtyped@h/ns"] {
            let error = format!("{:#}", registry_key(typed).unwrap_err());
            assert!(error.contains("***@h") && error.contains("--password-stdin"), "{error}");
            assert!(!error.contains("CANARY"), "{error}");
        }
    }
}
