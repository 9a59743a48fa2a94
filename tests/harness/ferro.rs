//! A registry that lists referrers: `ferro-oci-server` of the crate registry, on a free port.

use super::Scratch;
use super::registry::free_port;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Ferro {
    child: Child,
    address: SocketAddr,
    _dir: Scratch,
}

/// In PATH, or where cargo installs programs.
fn program() -> Option<PathBuf> {
    let cargo = std::env::home_dir().map(|home| home.join(".cargo/bin"));
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(cargo)
        .map(|dir| dir.join("ferro-oci-server"))
        .find(|path| path.is_file())
}

impl Ferro {
    /// Or why there can be none.
    pub(crate) fn start() -> Result<Ferro, String> {
        let program = program().ok_or("no ferro-oci-server; contrib/test installs it")?;
        let dir = Scratch::new();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new(program)
            .env("FERRO_OCI_LISTEN", address.to_string())
            .env("FERRO_OCI_STORAGE_DIR", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let ferro = Ferro { child, address, _dir: dir };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "ferro-oci-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(ferro)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Ferro {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
