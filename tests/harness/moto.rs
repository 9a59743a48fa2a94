//! A complete S3 server that checks no signatures: moto of Python's registry. Debian's
//! docker-registry needs what smaller ones lack (the list of unfinished uploads).

use super::Scratch;
use super::registry::free_port;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Moto {
    child: Child,
    address: SocketAddr,
    _dir: Scratch,
}

impl Moto {
    /// The program `bin/moto_server` below `peers`.
    pub(crate) fn start(peers: &Path) -> Moto {
        let dir = Scratch::new();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let child = Command::new(peers.join("bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("moto_server: {e}; sh contrib/peers installs it"));
        let moto = Moto { child, address, _dir: dir };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "moto_server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
