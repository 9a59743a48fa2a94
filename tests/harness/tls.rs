//! TLS in front of a plain server: Python's own, with a certificate of a made-up authority.

use super::Scratch;
use super::registry::{free_port, make_certificates};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Certificate, key, port, and the port behind it.
const PROGRAM: &str = r"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = socket.create_server(('127.0.0.1', int(sys.argv[3])))
def pour(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(raw):
    try:
        client = context.wrap_socket(raw, server_side=True)
        behind = socket.create_connection(('127.0.0.1', int(sys.argv[4])))
    except OSError:
        raw.close()
        return
    threading.Thread(target=pour, args=(client, behind), daemon=True).start()
    pour(behind, client)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
";

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Tls {
    child: Child,
    dir: Scratch,
    address: SocketAddr,
}

impl Tls {
    /// Before `upstream`, or why it cannot be.
    pub(crate) fn before(upstream: SocketAddr) -> Result<Tls, String> {
        let dir = Scratch::new();
        make_certificates(&dir);
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let child = Command::new("python3")
            .args(["-c", PROGRAM])
            .args([dir.join("server.crt"), dir.join("server.key")])
            .args([address.port().to_string(), upstream.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("python3: {e}"))?;
        let tls = Tls { child, dir, address };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "the TLS proxy does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(tls)
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
