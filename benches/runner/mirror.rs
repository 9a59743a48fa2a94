//! Servers of limited speed: a bucket of blobs that may lie, and a way to a registry.

use super::fail;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What one server may send, all connections together.
#[derive(Clone)]
struct Pace {
    next: Arc<Mutex<Instant>>,
    /// Bytes a second; 0 is no limit.
    rate: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Pace { next: Arc::new(Mutex::new(Instant::now())), rate }
    }

    /// Waits until `bytes` more may go.
    fn wait(&self, bytes: usize) {
        if self.rate == 0 {
            return;
        }
        let until = {
            let mut next = self.next.lock().unwrap_or_else(|e| e.into_inner());
            let length = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
            // What a sleep was too long is made up for, else one connection would be slower
            // than several.
            let now = Instant::now();
            let earliest = now.checked_sub(Duration::from_millis(50)).unwrap_or(now);
            *next = (*next).max(earliest) + length;
            *next
        };
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

/// Which answers have a wrong byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// None.
    Never,
    /// Those about blobs of a megabyte and more.
    Layers,
    /// Of these, those of more than 64 KiB: not what sources are compared by.
    LongAnswers,
}

/// The blobs of an image layout as a public bucket named `games`: GET and Range, nothing else.
pub(crate) struct Mirror {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    sent: Arc<AtomicU64>,
}

impl Mirror {
    /// `rate` is in bytes a second, 0 without a limit.
    pub(crate) fn start(layout: &Path, rate: u64, lie: Lie) -> Self {
        let (listener, host) = listen();
        let sent = Arc::new(AtomicU64::new(0));
        let (blobs, pace, count) = (layout.join("blobs/sha256"), Pace::new(rate), sent.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (blobs, pace, count) = (blobs.clone(), pace.clone(), count.clone());
                std::thread::spawn(move || serve(&client, &blobs, &pace, lie, &count));
            }
        });
        Mirror { host, sent }
    }

    /// Bytes of bodies since the last call.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.swap(0, Ordering::Relaxed)
    }
}

fn serve(client: &TcpStream, blobs: &Path, pace: &Pace, lie: Lie, sent: &AtomicU64) -> Option<()> {
    let _ = client.set_nodelay(true);
    let mut reader = BufReader::new(client);
    loop {
        let (mut line, mut range) = (String::new(), None);
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let lower = line.trim_end().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(value) = lower.strip_prefix("range: bytes=") {
                let (from, to) = value.split_once('-')?;
                range = Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()));
            }
        }
        let hex = path.rsplit('/').next().unwrap_or_default();
        answer(client, &blobs.join(hex), range, pace, lie, sent)?;
    }
}

fn answer(
    mut client: &TcpStream,
    blob: &PathBuf,
    range: Option<(u64, Option<u64>)>,
    pace: &Pace,
    lie: Lie,
    sent: &AtomicU64,
) -> Option<()> {
    let Ok(file) = File::open(blob) else {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
    };
    let size = file.metadata().ok()?.len();
    let (from, to) = range.map_or((0, size - 1), |(from, to)| (from, to.unwrap_or(size - 1)));
    let (length, to) = (to.min(size - 1) + 1 - from, to.min(size - 1));
    let status = match range {
        Some(_) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{to}/{size}"),
        None => "200 OK".to_owned(),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
    client.write_all(head.as_bytes()).ok()?;
    let mut buffer = vec![0; 32 << 10];
    let mut at = 0;
    while at < length {
        let n = (length - at).min(buffer.len() as u64) as usize;
        file.read_exact_at(&mut buffer[..n], from + at).ok()?;
        let lies = match lie {
            Lie::Never => false,
            Lie::Layers => size >= 1_000_000,
            Lie::LongAnswers => size >= 1_000_000 && length > 64 << 10,
        };
        if lies && at == 0 {
            buffer[n / 2] ^= 1;
        }
        pace.wait(n);
        client.write_all(&buffer[..n]).ok()?;
        sent.fetch_add(n as u64, Ordering::Relaxed);
        at += n as u64;
    }
    Some(())
}

/// A way to `target` on which answers come at `rate` bytes a second; its `host:port`.
pub(crate) fn slow_way(target: &str, rate: u64) -> String {
    let (listener, host) = listen();
    let (target, pace) = (target.to_owned(), Pace::new(rate));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(&target) else { continue };
            let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { continue };
            let pace = pace.clone();
            std::thread::spawn(move || pass(from, to, None));
            std::thread::spawn(move || pass(server, client, Some(&pace)));
        }
    });
    host
}

fn pass(mut from: TcpStream, mut to: TcpStream, pace: Option<&Pace>) {
    let mut buffer = vec![0; 32 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if let Some(pace) = pace {
            pace.wait(n);
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0");
    let listener = listener.unwrap_or_else(|e| fail(format_args!("no port: {e}")));
    let host = listener.local_addr().map(|a| a.to_string());
    let host = host.unwrap_or_else(|e| fail(format_args!("no port: {e}")));
    (listener, host)
}
