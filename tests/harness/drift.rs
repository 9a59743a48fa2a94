//! A Drift server that was never released: it answers the bytes that are written down of Drift's
//! API and of what Bolt's first client expected of it, with all their quirks.

use super::image::TestImage;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Which of the two descriptions the server follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// What Drift's own routes send.
    Drift,
    /// What Bolt's first client was written for.
    Bolt,
}

/// How the server is set up.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) dialect: Dialect,
    /// `user:password` that is wanted, asked for by a 401 that says no more.
    pub(crate) password: Option<String>,
    /// Whether the login of `/v1/auth` is mounted, which checks the same password.
    pub(crate) login: bool,
    /// Something to send for every `/v1` and search request instead.
    pub(crate) instead: Option<String>,
}

impl Options {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Options { dialect, password: None, login: false, instead: None }
    }
}

/// A running server; ended when dropped.
pub(crate) struct Drift {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Server {
    options: Options,
    /// The image that `demo:v1` is.
    layout: Option<PathBuf>,
    asked: Arc<Mutex<Vec<String>>>,
}

struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
}

fn answer(status: &'static str, content_type: &'static str, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, content_type, body: body.into() }
}

fn json(body: &str) -> Answer {
    answer("200 OK", "application/json", body)
}

fn missing() -> Answer {
    answer("404 Not Found", "text/plain; charset=utf-8", "Not Found")
}

const PROFILE: &str = r#"{"name":"steam-optimized","description":"Steam on everything","version":"1.0.0","author":"drift-team","tags":["steam","proton"],"compatible_games":["Counter-Strike 2"],"downloads":1250,"rating":4.8,"system_requirements":{"min_cpu_cores":4,"min_memory_gb":8,"required_gpu_vendor":"nvidia","min_gpu_memory_gb":4,"supported_os":["linux"]}}"#;
const SECOND: &str = r#"{"name":"esports-pro","description":"Latency first","version":"2.1.0","author":"drift-team","tags":["fps"],"compatible_games":["Valorant"],"downloads":7,"rating":4.0,"system_requirements":{"min_cpu_cores":null,"min_memory_gb":null,"required_gpu_vendor":null,"min_gpu_memory_gb":null,"supported_os":[]}}"#;
const SUMMARY: &str = r#"{"name":"steam-optimized","version":"1.0.0","author":"drift-team","description":"Steam on everything","downloads":1250,"rating":4.8,"created_at":"2025-01-01T00:00:00Z","updated_at":"2025-02-01T00:00:00Z","tags":["steam","proton"],"compatible_games":["Counter-Strike 2"]}"#;
const TOML: &str = "[profile]\nname = \"steam-optimized\"\nversion = \"1.0.0\"\ndescription = \"Steam on everything\"\nauthor = \"drift-team\"\n\n[metadata]\ndownloads = 1250\nrating = 4.8\n\n[requirements]\nmin_cpu_cores = 4\nrequired_gpu_vendor = \"nvidia\"\n\n[tags]\nlist = [\"steam\", \"proton\"]\n\n[games]\ncompatible = [\"Counter-Strike 2\"]\n";
const PACKAGES: &str = r#"[{"name":"celeste","version":"1.4","description":"A game","registry":"drift","manifest_digest":"sha256:00","size_bytes":1200000000,"created_at":"x","updated_at":"x","gaming":{"is_game":true,"proton_compatible":true,"proton_versions":["GE-Proton9-20"],"gpu_requirements":{"nvidia":{"min_vram_mb":2048,"features":[]},"amd":null,"intel":null,"vulkan_required":true},"steam_app_id":504230,"performance_tier":"Quality","anti_cheat":{"battleye":false,"eac":false,"vac":false,"denuvo":false,"notes":[]}},"security":{"signed":false},"optimization":{},"ecosystem":{}}]"#;

impl Server {
    fn serve(&self, client: TcpStream) {
        let mut reader = BufReader::new(&client);
        let mut head = String::new();
        let mut headers = BTreeMap::new();
        if reader.read_line(&mut head).is_err() || head.is_empty() {
            return;
        }
        loop {
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |l| l.parse::<usize>().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let words: Vec<&str> = head.split_ascii_whitespace().collect();
        self.asked.lock().unwrap().push(format!("{} {}", words[0], words[1]));
        let who = headers.get("authorization").map(String::as_str);
        let answer = self.answer(words[0], words[1], who, &String::from_utf8_lossy(&body));
        let Answer { status, content_type, body } = answer;
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut client = &client;
        let _ = client.write_all(head.as_bytes());
        if words[0] != "HEAD" {
            let _ = client.write_all(&body);
        }
    }

    fn answer(&self, method: &str, target: &str, who: Option<&str>, body: &str) -> Answer {
        let path = target.split('?').next().unwrap();
        if path == "/v1/auth/login" && self.options.login {
            let password = self.options.password.as_deref().unwrap_or("a:b");
            let (user, word) = password.split_once(':').unwrap();
            return match body.contains(&format!("{word:?}")) && body.contains(&format!("{user:?}"))
            {
                true => json(
                    r#"{"token":"ey.x.y","user":{"username":"x","roles":[]},"expires_in":86400}"#,
                ),
                false => answer("401 Unauthorized", "text/plain", "Unauthorized"),
            };
        }
        if let (Some(wanted), false) = (&self.options.password, self.options.login) {
            // No WWW-Authenticate: nobody is told how to come in.
            if who != Some(&format!("Basic {}", base64(wanted.as_bytes()))) {
                return answer("401 Unauthorized", "text/plain", "Unauthorized");
            }
        }
        match path {
            "/v2" => json(
                r#"{"name":"drift","version":"0.1.0","description":"registry","api_version":"v2"}"#,
            ),
            "/v2/" => missing(),
            _ if path.starts_with("/v1/") || path == "/v2/search" => match &self.options.instead {
                Some(text) => json(text),
                None => self.api(method, path, body),
            },
            "/v2/_catalog" => json(r#"{"repositories":["demo"]}"#),
            _ => self.registry(path).unwrap_or_else(missing),
        }
    }

    fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let drift = self.options.dialect == Dialect::Drift;
        match (method, path) {
            // The page asked for is echoed, not applied; the totals are constants.
            ("GET", "/v1/profiles") if drift => json(&format!(
                r#"{{"results":[{PROFILE},{SECOND}],"total":2,"page":1,"per_page":20,"pages":9}}"#
            )),
            ("POST", "/v1/profiles/search") if drift => {
                let fits = [PROFILE, SECOND].into_iter().filter(|p| {
                    let query = body.split("\"query\":\"").nth(1).and_then(|q| q.split('"').next());
                    query.is_none_or(|q| p.to_lowercase().contains(&q.to_lowercase()))
                });
                let list: Vec<&str> = fits.collect();
                json(&format!(
                    r#"{{"results":[{}],"total":2,"page":1,"per_page":20,"pages":1}}"#,
                    list.join(",")
                ))
            }
            ("GET", "/v1/profiles") => json(&format!(
                r#"{{"profiles":[{SUMMARY}],"total":1,"page":1,"per_page":20,"total_pages":1}}"#
            )),
            ("GET", "/v1/profiles/steam-optimized/download") => {
                answer("200 OK", "application/vnd.bolt.profile.v1+toml", TOML)
            }
            ("GET", "/v2/search") if !drift => json(PACKAGES),
            _ => missing(),
        }
    }

    /// One image, `demo:v1`: no manifest by its digest, all manifests as docker's, no ranges.
    fn registry(&self, path: &str) -> Option<Answer> {
        let layout = self.layout.as_ref()?;
        let blob =
            |digest: &str| std::fs::read(layout.join("blobs").join(digest.replace(':', "/")));
        if path == "/v2/demo/manifests/v1" {
            let index: serde_json::Value =
                serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
            let digest = index["manifests"][0]["digest"].as_str().unwrap();
            let docker = "application/vnd.docker.distribution.manifest.v2+json";
            return Some(answer("200 OK", docker, blob(digest).unwrap()));
        }
        if path == "/v2/demo/tags/list" {
            return Some(json(r#"{"name":"demo","tags":["v1"]}"#));
        }
        let digest = path.strip_prefix("/v2/demo/blobs/")?;
        Some(answer("200 OK", "application/octet-stream", blob(digest).ok()?))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let word =
            part.iter().fold(0_u32, |word, b| word << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for n in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * n) & 63) as usize] as char;
            text.push(if n <= part.len() { digit } else { '=' });
        }
    }
    text
}

impl Drift {
    pub(crate) fn start(options: Options, image: Option<&TestImage>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let layout = image.map(TestImage::layout);
        let server = Arc::new(Server { options, layout, asked: Arc::clone(&asked) });
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let server = Arc::clone(&server);
                std::thread::spawn(move || server.serve(client));
            }
        });
        Drift { address, asked, stop, thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `METHOD TARGET` of every request so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Drift {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
