//! What of the machine each of the layers that are unpacked at once may use.

use crate::image::unpack::Limits;
use crate::sys::rlimit;

/// Most layers unpacked at once. Each has up to four threads and some megabytes.
const MOST_WORKERS: usize = 8;
/// Descriptors of the whole pull: the store, connections, the standard streams.
const COMMON: usize = 96;
/// Descriptors of a layer beside its small files: the tree under way, its record, a lock, a
/// parent, a large file.
const OF_A_WORKER: usize = 8;
/// Descriptors of a download, which is open from the beginning until its layer is done.
const OF_A_JOB: usize = 2;

/// One layer's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Layers unpacked at once, at least one.
    pub(super) workers: usize,
    /// Descriptors that the small files of one layer may hold at once.
    descriptors: usize,
}

impl Share {
    /// For so many jobs, on this machine.
    pub(super) fn of(jobs: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Share::new(cores, rlimit::get(libc::RLIMIT_NOFILE as u32).0, jobs)
    }

    /// `files` is the soft limit of descriptors.
    fn new(cores: usize, files: u64, jobs: usize) -> Self {
        let workers = cores.min(MOST_WORKERS).min(jobs).max(1);
        let others = COMMON + OF_A_WORKER * workers + OF_A_JOB * jobs;
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        Share { workers, descriptors: files.saturating_sub(others) / workers }
    }

    /// What a layer may ask for, whose blob has so many bytes if it is known.
    pub(super) fn limits(&self, compressed: Option<u64>) -> Limits {
        Limits { compressed, descriptors: self.descriptors, ..Limits::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_together_stay_below_the_limit_of_descriptors() {
        for (cores, files, jobs, workers, descriptors) in [
            (1, 1024, 0, 1, 920),
            (2, 1024, 2, 2, 454),
            (16, 1024, 12, 8, 105),
            (16, 1024, 127, 8, 76),
            (16, 256, 127, 8, 0),
            (4, 1024, 1, 1, 918),
        ] {
            let share = Share::new(cores, files, jobs);
            assert_eq!(share, Share { workers, descriptors }, "{cores} {files} {jobs}");
        }
        assert!(Share::new(2, u64::MAX, 2).descriptors > 1 << 30);
        assert_eq!(Share::new(2, 1024, 2).limits(Some(7)).compressed, Some(7));
    }
}
