//! A real docker-registry on a free loopback port.

use super::image::TestImage;
use super::token::Tokens;
use super::{Scratch, run};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The user of a registry that asks for one.
pub(crate) const USER: &str = "player";
/// The user's password.
pub(crate) const PASSWORD: &str = "s3cret&more";

/// How a registry is set up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// https with a certificate of a made-up authority.
    pub(crate) tls: bool,
    /// That certificate is its own authority.
    pub(crate) own_authority: bool,
    /// htpasswd with [`USER`] and [`PASSWORD`].
    pub(crate) password: bool,
    /// https that wants a certificate of the same authority from clients.
    pub(crate) client_certificate: bool,
}

/// A running registry; killed when dropped.
#[derive(Debug)]
pub(crate) struct Registry {
    child: Child,
    dir: Scratch,
    address: SocketAddr,
    options: Options,
    /// Only who logs in may push.
    credentials: bool,
}

/// A loopback port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Registry {
    pub(crate) fn start(options: Options) -> Self {
        Self::on_disk(options, None)
    }

    /// One that lets in who has a token of that service.
    pub(crate) fn trusting(tokens: &Tokens) -> Self {
        Self::on_disk(Options::default(), Some(tokens))
    }

    fn on_disk(options: Options, tokens: Option<&Tokens>) -> Self {
        let dir = Scratch::new();
        let storage = format!("filesystem: {{rootdirectory: {}}}", dir.join("data").display());
        Self::over(&storage, dir, options, tokens)
    }

    /// One that keeps its blobs in a bucket, and sends those who ask for them there.
    pub(crate) fn in_bucket(endpoint: &str, bucket: &str, key: &str, secret: &str) -> Self {
        let storage = format!(
            "s3: {{accesskey: {key}, secretkey: {secret}, region: us-east-1, \
             regionendpoint: \"{endpoint}\", bucket: {bucket}, secure: false, v4auth: true, \
             rootdirectory: /registry}}"
        );
        Self::over(&storage, Scratch::new(), Options::default(), None)
    }

    fn over(storage: &str, dir: Scratch, options: Options, tokens: Option<&Tokens>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{{storage}}}\nhttp:\n  addr: {address}\n"
        );
        if options.tls {
            match options.own_authority {
                false => make_certificates(&dir),
                true => make_own_authority(&dir),
            }
            let (cert, key) = (dir.join("server.crt"), dir.join("server.key"));
            let clients = match options.client_certificate {
                true => format!(", clientcas: [{}]", dir.join("ca.crt").display()),
                false => String::new(),
            };
            config.push_str(&format!(
                "  tls: {{certificate: {}, key: {}{clients}}}\n",
                cert.display(),
                key.display()
            ));
        }
        if options.password {
            let file = dir.join("htpasswd");
            std::fs::write(&file, run("htpasswd", &["-nbB", USER, PASSWORD])).unwrap();
            config.push_str(&format!(
                "auth: {{htpasswd: {{realm: test, path: {}}}}}\n",
                file.display()
            ));
        }
        if let Some(tokens) = tokens {
            config.push_str(&tokens.config());
        }
        let path = dir.join("config.yml");
        std::fs::write(&path, config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            // Its S3 driver panics at it.
            .env_remove("AWS_CA_BUNDLE")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let credentials = options.password || tokens.is_some();
        let registry = Registry { child, dir, address, options, credentials };
        registry.await_port();
        registry
    }

    fn await_port(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > end {
                let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
                panic!("docker-registry does not listen: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority's certificate, when the registry has TLS.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// A certificate and key of the registry's authority, for clients.
    pub(crate) fn client_pair(&self) -> (PathBuf, PathBuf) {
        (self.dir.join("server.crt"), self.dir.join("server.key"))
    }

    /// Puts an image there by skopeo and returns its full name.
    pub(crate) fn push(&self, image: &TestImage, name: &str) -> String {
        let full = format!("{}/{name}", self.host());
        let target = format!("docker://{full}");
        let credentials = format!("{USER}:{PASSWORD}");
        let source = image.source();
        let mut args = vec!["copy", "--quiet", "--dest-tls-verify=false"];
        let certs = self.dir.join("skopeo");
        if self.options.client_certificate {
            std::fs::create_dir_all(&certs).unwrap();
            let (cert, key) = self.client_pair();
            std::fs::copy(cert, certs.join("client.cert")).unwrap();
            std::fs::copy(key, certs.join("client.key")).unwrap();
            args.extend(["--dest-cert-dir", certs.to_str().unwrap()]);
        }
        if self.credentials {
            args.extend(["--dest-creds", &credentials]);
        }
        args.extend([source.as_str(), target.as_str()]);
        run("skopeo", &args);
        full
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An authority, and a certificate of it for 127.0.0.1.
pub(crate) fn make_certificates(dir: &Scratch) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let (ca_key, ca, server_key) = (path("ca.key"), path("ca.crt"), path("server.key"));
    let (request, server, extensions) = (path("server.csr"), path("server.crt"), path("ext"));
    std::fs::write(&extensions, "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    let mut args = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Bolt test authority"];
    args.extend(key);
    args.extend(["-keyout", &ca_key, "-out", &ca]);
    run("openssl", &args);
    let mut args = vec!["req", "-subj", "/CN=127.0.0.1"];
    args.extend(key);
    args.extend(["-keyout", &server_key, "-out", &request]);
    run("openssl", &args);
    let mut args = vec!["x509", "-req", "-days", "2", "-in", &request, "-CA", &ca];
    args.extend(["-CAkey", &ca_key, "-CAcreateserial", "-extfile", &extensions, "-out", &server]);
    run("openssl", &args);
}

/// A certificate for 127.0.0.1 that is its own authority, as people make it for a registry at home.
fn make_own_authority(dir: &Scratch) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let (key, cert) = (path("server.key"), path("server.crt"));
    let mut args = vec!["req", "-x509", "-days", "2", "-subj", "/CN=127.0.0.1", "-nodes"];
    args.extend(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    args.extend(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", &key, "-out", &cert]);
    run("openssl", &args);
    std::fs::copy(cert, dir.join("ca.crt")).unwrap();
}
