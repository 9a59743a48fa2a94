//! Frames measured on this machine: read from MangoHud's log, kept by variant and GPU.

use super::file::{self, FileError};
use crate::facts::HostFacts;
use crate::image::types::Digest;
use crate::sys::small;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Version of the format.
const VERSION: u32 = 1;
/// Fewest frames that say something.
const MIN_FRAMES: usize = 100;
/// Largest log that is read, in bytes: hours of frames.
const MAX_LOG: u64 = 512 << 20;
/// Results that are kept for one variant on one GPU; the oldest go.
const KEPT: usize = 9;

/// Why no result could be taken.
#[derive(Debug, thiserror::Error)]
pub enum MeasuredError {
    /// The file of results.
    #[error(transparent)]
    File(#[from] FileError),
    /// The log cannot be read.
    #[error("read {}", log.display())]
    Read {
        /// The log.
        log: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// The log is none.
    #[error("{}: {reason}", log.display())]
    Log {
        /// The log.
        log: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// Frames in a second of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    /// How many frames were measured.
    pub frames: usize,
    /// On the average.
    pub fps_avg: f64,
    /// In the slowest hundredth.
    pub fps_low1: f64,
    /// In the slowest thousandth.
    pub fps_low01: f64,
}

/// One run of one variant on one GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The variant's manifest.
    pub manifest: Digest,
    /// PCI vendor and device of the machine's first GPU; empty without one.
    pub gpu: String,
    /// Its driver at that time.
    #[serde(default)]
    pub driver: Option<String>,
    /// What was measured.
    pub result: Frames,
}

/// All results of this user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    version: u32,
    runs: Vec<Run>,
}

impl Default for Results {
    fn default() -> Self {
        Results { version: VERSION, runs: Vec::new() }
    }
}

impl Results {
    /// Reads the file of results; none where there is no file.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let found: Self = file::read(path)?.unwrap_or_default();
        if found.version != VERSION {
            let reason = format!("version {} is not known, only {VERSION}", found.version);
            return Err(FileError::Shape { path: path.to_owned(), reason });
        }
        Ok(found)
    }

    /// The slowest hundredth of a variant on this machine: the median of its runs.
    pub fn of(&self, manifest: &Digest, facts: &HostFacts) -> Option<f64> {
        let gpu = gpu(facts);
        let fitting = self.runs.iter().filter(|run| run.manifest == *manifest && run.gpu == gpu);
        let mut lows: Vec<f64> = fitting.map(|run| run.result.fps_low1).collect();
        lows.sort_by(f64::total_cmp);
        lows.get(lows.len() / 2).copied()
    }
}

/// Adds a run of a variant on this machine to the file of results.
pub fn record(
    path: &Path,
    manifest: &Digest,
    facts: &HostFacts,
    result: Frames,
) -> Result<(), MeasuredError> {
    file::update::<Results, MeasuredError>(path, |results| {
        let run = Run {
            manifest: manifest.clone(),
            gpu: gpu(facts).to_owned(),
            driver: facts.gpus.first().and_then(|gpu| gpu.driver.clone()),
            result,
        };
        let same = |other: &Run| other.manifest == run.manifest && other.gpu == run.gpu;
        while results.runs.iter().filter(|other| same(other)).count() >= KEPT {
            let oldest = results.runs.iter().position(same).unwrap_or_default();
            results.runs.remove(oldest);
        }
        results.runs.push(run);
        Ok(())
    })
}

fn gpu(facts: &HostFacts) -> &str {
    facts.gpus.first().map_or("", |gpu| gpu.pci.as_str())
}

/// Reads MangoHud's log of frames.
pub fn read_log(log: &Path) -> Result<Frames, MeasuredError> {
    let fault = |source| MeasuredError::Read { log: log.to_owned(), source };
    let file = small::open_regular(log).map_err(fault)?;
    if file.metadata().map_err(fault)?.len() > MAX_LOG {
        let reason = format!("it is larger than {} MiB", MAX_LOG >> 20);
        return Err(MeasuredError::Log { log: log.to_owned(), reason });
    }
    frames(BufReader::new(file.take(MAX_LOG)))
        .map_err(fault)?
        .map_err(|reason| MeasuredError::Log { log: log.to_owned(), reason })
}

/// Columns go by their names, since versions of MangoHud order them differently and put other
/// lines in front; so does the unit of `frametime`, which is told by `fps` beside it.
fn frames(reader: impl BufRead) -> io::Result<Result<Frames, String>> {
    let mut columns: Option<(usize, usize)> = None;
    let mut rows: Vec<(f64, f64)> = Vec::new();
    for (n, line) in reader.lines().enumerate() {
        let line = line?;
        let cells: Vec<&str> = line.trim().split(',').map(str::trim).collect();
        let Some((fps, time)) = columns else {
            let place = |name: &str| cells.iter().position(|cell| *cell == name);
            columns = place("fps").zip(place("frametime"));
            continue;
        };
        let number = |at: usize| cells.get(at).and_then(|cell| cell.parse::<f64>().ok());
        match (number(fps), number(time)) {
            (Some(fps), Some(time)) if fps > 0.0 && time > 0.0 => rows.push((fps, time)),
            (Some(_), Some(_)) => {}
            _ if line.trim().is_empty() => {}
            _ => return Ok(Err(format!("line {}: fps and frametime are no numbers", n + 1))),
        }
    }
    if columns.is_none() {
        let reason = "no line names the columns fps and frametime: is it a log of MangoHud, and \
                      not its summary?";
        return Ok(Err(reason.to_owned()));
    }
    // The first frame includes what was loaded before it.
    let rows = rows.get(1..).unwrap_or_default();
    if rows.len() < MIN_FRAMES {
        let reason = format!(
            "it has {} frames; at least {MIN_FRAMES} are needed (log for some seconds)",
            rows.len()
        );
        return Ok(Err(reason));
    }
    Ok(Ok(summary(rows)))
}

fn summary(rows: &[(f64, f64)]) -> Frames {
    let mut products: Vec<f64> = rows.iter().map(|(fps, time)| fps * time).collect();
    products.sort_by(f64::total_cmp);
    // Frames in a second times the time of a frame is a second, in the unit of the log.
    let exponent = (products[products.len() / 2].log10() / 3.0).round();
    let second = 1000_f64.powf(exponent.max(0.0));
    let mut times: Vec<f64> = rows.iter().map(|(_, time)| time / second).collect();
    times.sort_by(|a, b| b.total_cmp(a));
    let rate = |times: &[f64]| {
        let fps = times.len() as f64 / times.iter().sum::<f64>();
        (fps * 10.0).round() / 10.0
    };
    let slowest = |share: usize| rate(&times[..times.len().div_ceil(share)]);
    Frames {
        frames: times.len(),
        fps_avg: rate(&times),
        fps_low1: slowest(100),
        fps_low01: slowest(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    fn log(header: &str, columns: &str, row: impl Fn(usize) -> String) -> String {
        let rows: Vec<String> = (0..1001).map(row).collect();
        format!("{header}{columns}\n{}\n", rows.join("\n"))
    }

    fn read(text: &str) -> Result<Frames, String> {
        frames(text.as_bytes()).unwrap()
    }

    #[test]
    fn logs_of_old_and_new_versions_say_the_same() {
        // 990 frames of 10 ms and 10 of 20 ms, behind a first one of 240 ms.
        let time = |n: usize| match n {
            0 => 240.0,
            n if n % 100 == 0 => 20.0,
            _ => 10.0,
        };
        let old = log("", "fps,frametime,cpu_load,elapsed", |n| {
            format!("{},{},5,{n}", 1000.0 / time(n), time(n) * 1000.0)
        });
        let new = log(
            "v1\n0.8.1\n---\nos,cpu,gpu,ram,kernel,driver,cpuscheduler\nArch,x,y,1,6,z,s\n",
            "fps,frametime,cpu_load,cpu_power,gpu_load",
            |n| format!("{},{},5,0,90", 1000.0 / time(n), time(n)),
        );
        let expected = Frames { frames: 1000, fps_avg: 99.0, fps_low1: 50.0, fps_low01: 50.0 };
        assert_eq!(read(&old), Ok(expected));
        assert_eq!(read(&new), Ok(expected));
    }

    #[test]
    fn what_is_no_log_is_told() {
        for (text, word) in [
            ("".to_owned(), "no line names"),
            ("0.1% Min FPS,Average FPS\n1,2\n".to_owned(), "no line names"),
            ("fps,frametime\n60,16\n".to_owned(), "it has 0 frames"),
            ("fps,frametime\n60,16\nx,y\n".to_owned(), "line 3"),
        ] {
            assert!(read(&text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn results_count_for_their_variant_and_gpu() {
        let tree = Tree::new("measured");
        let path = tree.0.join("measured.json");
        let text = r#"{"version":1,"platform":"linux/amd64","kernel":{"release":"6.1"},"memory_mb":1,
            "gpus":[{"vendor":"amd","pci":"1002:744c"}]}"#;
        let facts = HostFacts::parse(Path::new("f"), text.as_bytes()).unwrap();
        let (a, b) = (Digest::sha256_of(b"a"), Digest::sha256_of(b"b"));
        for low in [50.0, 70.0, 60.0] {
            let result = Frames { frames: 1000, fps_avg: 90.0, fps_low1: low, fps_low01: 1.0 };
            record(&path, &a, &facts, result).unwrap();
        }
        let results = Results::load(&path).unwrap();
        assert_eq!(results.of(&a, &facts), Some(60.0));
        assert_eq!(results.of(&b, &facts), None);
        let other = HostFacts { gpus: Vec::new(), ..facts };
        assert_eq!(results.of(&a, &other), None);
    }
}
