//! A gate in front of a registry: of the answers it holds, the bodies stop after so many bytes until
//! it is opened. Who asks is not told, and may ask for others meanwhile.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// A running gate; opened and ended when dropped.
pub(super) struct Gate {
    address: SocketAddr,
    inside: Arc<Inside>,
    thread: Option<JoinHandle<()>>,
}

struct Inside {
    registry: SocketAddr,
    /// Bytes of a body that pass.
    passing: u64,
    /// Digests whose answers are held.
    held: Vec<String>,
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Default)]
struct State {
    open: bool,
    end: bool,
    waiting: BTreeSet<String>,
    answers: Vec<(String, u16)>,
}

impl Gate {
    /// Holds answers about these digests after `passing` bytes of their bodies.
    pub(super) fn hold(registry: SocketAddr, passing: u64, held: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (state, opened) = (Mutex::default(), Condvar::new());
        let inside = Arc::new(Inside { registry, passing, held, state, opened });
        let serving = inside.clone();
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.state.lock().unwrap().end {
                    return;
                }
                let inside = serving.clone();
                // What a client that goes away makes of it is not looked at.
                std::thread::spawn(move || inside.serve(client));
            }
        });
        Gate { address, inside, thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Lets everything pass from now on.
    pub(super) fn open(&self) {
        self.inside.state.lock().unwrap().open = true;
        self.inside.opened.notify_all();
    }

    /// The digests whose bodies are on their way and stand still.
    pub(super) fn waiting(&self) -> BTreeSet<String> {
        self.inside.state.lock().unwrap().waiting.clone()
    }

    /// Path and status of everything answered so far.
    pub(super) fn answers(&self) -> Vec<(String, u16)> {
        self.inside.state.lock().unwrap().answers.clone()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.inside.state.lock().unwrap().end = true;
        self.open();
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inside {
    /// One request without a body, and its answer.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let asked = head(&mut BufReader::new(client.try_clone()?))?;
        let path = asked[0].split(' ').nth(1).unwrap_or_default().to_owned();
        let mut server = TcpStream::connect(self.registry)?;
        let stays = |line: &&String| !line.to_ascii_lowercase().starts_with("connection:");
        let sent: String = asked.iter().filter(stays).map(String::as_str).collect();
        server.write_all(format!("{sent}Connection: close\r\n\r\n").as_bytes())?;
        let mut body = BufReader::new(server);
        let told = head(&mut body)?;
        let status = told[0].split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        self.state.lock().unwrap().answers.push((path.clone(), status));
        client.write_all(format!("{}\r\n", told.concat()).as_bytes())?;
        let blob = self.held.iter().find(|digest| path.ends_with(*digest));
        if let Some(blob) = blob.filter(|_| matches!(status, 200 | 206)) {
            std::io::copy(&mut body.by_ref().take(self.passing), &mut client)?;
            let mut state = self.state.lock().unwrap();
            state.waiting.insert(blob.clone());
            state = self.opened.wait_while(state, |state| !state.open).unwrap();
            state.waiting.remove(blob);
        }
        std::io::copy(&mut body, &mut client).map(drop)
    }
}

/// The lines of a head with their ends, without the empty one.
fn head(reader: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim_end().is_empty() {
            return Ok(lines);
        }
        lines.push(line);
    }
}
