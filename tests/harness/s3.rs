//! A real S3 server on a free loopback port: s3s-fs, which checks signatures. Buckets are
//! directories of its data, objects are files.

use super::Scratch;
use super::registry::free_port;
use base64::Engine;
use bolt::image::config::auth::{Credentials, Secret};
use bolt::image::config::drift::CredentialSource;
use bolt::image::config::drift::KeyTemplate;
use bolt::image::s3::credentials::{AwsPlaces, Caller};
use bolt::image::s3::place::Place;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The access key that it takes.
pub(crate) const KEY: &str = "boltkey";
/// The secret that belongs to it.
pub(crate) const SECRET: &str = "canary-s3cret";
/// The bucket that it has.
pub(crate) const BUCKET: &str = "games";

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct S3 {
    child: Child,
    dir: Scratch,
    address: SocketAddr,
}

/// Where s3s-fs is, or why there is none.
pub(crate) fn program() -> Result<PathBuf, String> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([home.join(".cargo/bin")]);
    let found = places.map(|dir| dir.join("s3s-fs")).find(|file| file.is_file());
    found.ok_or_else(|| "no s3s-fs; contrib/test installs it".to_owned())
}

impl S3 {
    /// A server with one empty bucket, or why there can be none.
    pub(crate) fn start() -> Result<S3, String> {
        S3::with(&[])
    }

    /// One whose buckets are hosts below `domain`.
    pub(crate) fn below(domain: &str) -> Result<S3, String> {
        S3::with(&["--domain", domain])
    }

    fn with(more: &[&str]) -> Result<S3, String> {
        let program = program()?;
        let dir = Scratch::new();
        std::fs::create_dir_all(dir.join("data").join(BUCKET)).unwrap();
        let port = free_port();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--access-key", KEY, "--secret-key", SECRET])
            .args(more)
            .arg(dir.join("data"))
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let s3 = S3 { child, dir, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(s3.address).is_err() {
            let log = || std::fs::read_to_string(s3.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "s3s-fs does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(s3)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where an object lies on the disk.
    pub(crate) fn file(&self, key: &str) -> PathBuf {
        self.dir.join("data").join(BUCKET).join(key)
    }

    /// Makes the files of `from` objects below `prefix`.
    pub(crate) fn copy(&self, from: &Path, prefix: &str) {
        let to = self.file(prefix);
        std::fs::create_dir_all(&to).unwrap();
        super::run("cp", &["-r", &format!("{}/.", from.display()), to.to_str().unwrap()]);
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        for entry in std::fs::read_dir(from.join("blobs/sha256")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let key = format!("{prefix}/blobs/sha256/{name}");
            // Else it would hash the whole object before it sends a range of it.
            let info = format!(".bucket-{}.object-{}.internal.json", encode(BUCKET), encode(&key));
            std::fs::write(self.dir.join("data").join(info), r#"{"e_tag":"x"}"#).unwrap();
        }
    }

    /// The bucket with the right keys, reached at `endpoint`.
    pub(crate) fn place(endpoint: &str, prefix: &str) -> Place {
        Place {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(endpoint.to_owned()),
            region: None,
            virtual_host: false,
            presigned: false,
            template: KeyTemplate::oci(),
            caller: caller(KEY, SECRET),
            insecure: false,
            certs: Default::default(),
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody with these keys.
pub(crate) fn caller(key: &str, secret: &str) -> Caller {
    let login = Credentials::Password { username: key.to_owned(), password: Secret::new(secret) };
    AwsPlaces::default().caller("127.0.0.1", &CredentialSource::Aws, Some(&login)).unwrap()
}

/// A server, or the end of the test that calls it.
#[macro_export]
macro_rules! s3 {
    () => {
        match $crate::harness::s3::S3::start() {
            Ok(s3) => s3,
            Err(reason) => $crate::skip!(reason),
        }
    };
}
