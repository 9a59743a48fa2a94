//! A reverse proxy that does wrong what it is told to do wrong (plain HTTP/1.1, one request a
//! connection), and writes down what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// By lower-case name.
    pub(crate) headers: BTreeMap<String, String>,
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing wrong.
    Pass,
    /// The connection is cut after so many bytes of the body.
    Cut(usize),
    /// The Range header does not reach the registry.
    IgnoreRange,
    /// No byte of the body comes after so many, the connection stays.
    Stall(usize),
    /// One byte of the body is another.
    Corrupt,
    /// The connection is cut after so many bytes of the request's body; with 0 nothing of the
    /// request reaches the registry.
    CutRequest(usize),
    /// The registry gets the request, and nobody its answer.
    LoseAnswer,
    /// One byte of the body, counted from its beginning, is another, where the body is so long.
    CorruptAt(usize),
    /// So many bytes a second, of all that this proxy sends together.
    Slow(u64),
    /// A header of the answer has another value.
    Header(&'static str, String),
    /// An answer without asking the registry: status line, headers, body.
    Answer(String, Vec<(String, String)>, String),
    /// These bytes for an answer, and then the others again and again with a pause between, until
    /// nobody listens.
    Endless(String, Vec<u8>, Duration),
}

type Rule = dyn Fn(&Request, usize) -> Fault + Send + Sync;

/// When the next byte may be sent, so that all connections together keep a rate.
type Pace = Mutex<Instant>;

/// A running proxy; ended when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy before `upstream`. `rule` is given each request and how many came before.
    pub(crate) fn start(
        upstream: SocketAddr,
        rule: impl Fn(&Request, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, ended, rule) = (requests.clone(), stop.clone(), Arc::new(rule) as Arc<Rule>);
        let pace = Arc::new(Pace::new(Instant::now()));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (log, rule, ended) = (log.clone(), rule.clone(), ended.clone());
                let pace = pace.clone();
                std::thread::spawn(move || {
                    serve(client, upstream, &log, rule.as_ref(), &ended, &pace)
                });
            }
        });
        Proxy { address, requests, stop, thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    mut client: TcpStream,
    upstream: SocketAddr,
    log: &Mutex<Vec<Request>>,
    rule: &Rule,
    stop: &AtomicBool,
    pace: &Pace,
) {
    let mut body = BufReader::new(client.try_clone().unwrap());
    let Some(request) = read_request(&mut body) else { return };
    let fault = {
        let mut log = log.lock().unwrap();
        let fault = rule(&request, log.len());
        log.push(request.clone());
        fault
    };
    if let Fault::Answer(status, headers, text) = fault {
        let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n{text}", text.len()));
        let _ = client.write_all(head.as_bytes());
        // A client that still sends would find its connection reset instead of the answer.
        let _ = client.shutdown(Shutdown::Write);
        let _ = std::io::copy(&mut body.take(64 << 20), &mut std::io::sink());
        return;
    }
    if let Fault::Endless(begin, again, pause) = &fault {
        let mut sent = client.write_all(begin.as_bytes());
        while sent.is_ok() && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(*pause);
            sent = client.write_all(again);
        }
        return;
    }
    let _ = forward(client, body, upstream, &request, &fault, stop, pace);
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Some(Request { method, path, headers })
}

/// Sends the body of a request on; `false` when it was cut.
fn forward_body(
    body: impl Read,
    request: &Request,
    fault: &Fault,
    server: &mut TcpStream,
) -> std::io::Result<bool> {
    let whole: u64 = request.headers.get("content-length").map_or(0, |len| len.parse().unwrap());
    let part = match fault {
        Fault::CutRequest(limit) => (*limit as u64).min(whole),
        _ => whole,
    };
    std::io::copy(&mut body.take(part), server)?;
    Ok(!matches!(fault, Fault::CutRequest(_)))
}

fn forward(
    mut client: TcpStream,
    body: impl Read,
    upstream: SocketAddr,
    request: &Request,
    fault: &Fault,
    stop: &AtomicBool,
    pace: &Pace,
) -> std::io::Result<()> {
    if matches!(fault, Fault::CutRequest(0)) {
        return client.shutdown(Shutdown::Both);
    }
    let mut server = TcpStream::connect(upstream)?;
    let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        let dropped =
            name == "connection" || (name == "range" && matches!(fault, Fault::IgnoreRange));
        if !dropped {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    server.write_all(format!("{head}\r\n").as_bytes())?;
    if !forward_body(body, request, fault, &mut server)? {
        let _ = server.shutdown(Shutdown::Both);
        return client.shutdown(Shutdown::Both);
    }
    let mut reader = BufReader::new(server);
    if matches!(fault, Fault::LoseAnswer) {
        std::io::copy(&mut reader, &mut std::io::sink())?;
        return client.shutdown(Shutdown::Both);
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Fault::Header(name, value) = fault
            && line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name))
        {
            line = format!("{name}: {value}\r\n");
        }
        client.write_all(line.as_bytes())?;
        if line.trim_end().is_empty() {
            break;
        }
    }
    let mut sent = 0;
    let mut buffer = vec![0; 16 << 10];
    // So that a slow one trickles instead of pausing between big pieces.
    if let Fault::Slow(rate) = fault {
        buffer.truncate((*rate as usize / 20).max(1));
    }
    loop {
        let mut n = reader.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        if matches!(fault, Fault::Corrupt) && sent == 0 {
            buffer[n / 2] ^= 0x55;
        }
        if let Fault::CorruptAt(at) = fault
            && (sent..sent + n).contains(at)
        {
            buffer[at - sent] ^= 0x55;
        }
        if let Fault::Slow(rate) = fault {
            wait_for(pace, n, *rate);
        }
        if let Fault::Cut(limit) | Fault::Stall(limit) = fault {
            n = n.min(limit - sent);
        }
        client.write_all(&buffer[..n])?;
        sent += n;
        match fault {
            Fault::Cut(limit) if sent == *limit => return client.shutdown(Shutdown::Both),
            Fault::Stall(limit) if sent == *limit => {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            _ => {}
        }
    }
}

/// Waits until `bytes` more may be sent at `rate` a second.
fn wait_for(pace: &Pace, bytes: usize, rate: u64) {
    let until = {
        let mut next = pace.lock().unwrap();
        let now = Instant::now();
        *next = (*next).max(now) + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *next
    };
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
}
