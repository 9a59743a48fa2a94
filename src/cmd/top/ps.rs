//! What top has no column for is asked of ps(1) in the container, as podman 4.3.1 does it.
//!
//! Later ones run the host's ps with the container's pids where they can: a program of the host's
//! among processes of strangers, which needs a /proc of its own. Here nothing of the host enters.

use crate::cmd::ending;
use crate::container::dir::ContainerDir;
use crate::container::state::Status;
use crate::launch;
use crate::settings::Settings;
use crate::shim::attach::End;
use crate::shim::client::ClientError;
use crate::shim::detach::DetachKeys;
use crate::shim::exec::{Options, exec};
use anyhow::{Context, bail};
use bolt_shim::report::{Failure, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use std::io::{self, PipeReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Most that is kept of what it says: it is the container's program.
const MOST: usize = 4 << 20;
/// How long a reader waits for more before it looks whether the program has ended.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What `ps WORDS` prints in the container, without the line of that ps itself where it shows
/// command lines.
///
/// Errors: there is no ps, it does not take the words, or nothing can be started in there.
pub(super) fn ps(
    settings: &Settings,
    dir: &ContainerDir,
    words: &[String],
    columns: &str,
) -> anyhow::Result<String> {
    let asked = words.join(" ");
    let unknown = || format!("{asked:?} are not columns of top, which are {columns}");
    let status = dir.status()?;
    if status != Status::Running {
        bail!(
            "{}; and ps(1) can only be asked in running containers: container {} is {}",
            unknown(),
            dir.id(),
            status.word()
        );
    }
    let mut process = launch::payload(settings, &dir.read_config()?)?;
    process.args = [vec!["ps".to_owned()], words.to_vec()].concat();
    process.stdin = false;
    process.tty = None;
    let conn =
        ending::connect(dir)?.with_context(|| format!("container {} has just ended", dir.id()))?;
    let ended = Arc::new(AtomicBool::new(false));
    let ((out, stdout), (err, stderr)) = (captured(&ended)?, captured(&ended)?);
    let options = Options {
        stdin: false,
        detach: false,
        detach_keys: DetachKeys::parse("")?,
        passed: Vec::new(),
        output: Some([stdout.into(), stderr.into()]),
    };
    let end = exec(&conn, process, options);
    ended.store(true, Ordering::Release);
    let read = |reader: JoinHandle<Vec<u8>>| {
        let bytes = reader.join().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (out, err) = (read(out), read(err));
    match end {
        Ok(End::Exited { code: 0, .. }) => {
            let own = format!("ps {asked}");
            let others = out.lines().filter(|line| !line.contains(&own));
            Ok(others.map(|line| format!("{line}\n")).collect())
        }
        Ok(_) => {
            let why = err.lines().map(str::trim).find(|line| !line.is_empty());
            let why = why.unwrap_or("it says no more");
            bail!("{}; and ps(1) in container {} fails: {why}", unknown(), dir.id())
        }
        Err(ClientError::Refused { failure, .. }) if is_absent(&failure) => bail!(
            "{}; and container {} has no ps(1) to ask: install it there (procps, busybox)",
            unknown(),
            dir.id()
        ),
        Err(e) => Err(e.into()),
    }
}

/// The program was looked for, and is not there.
fn is_absent(failure: &Failure) -> bool {
    failure.step == Step::Exec && failure.errno == libc::ENOENT
}

/// The near end of a pipe, read until its program has `ended`, and the far one. What a program
/// leaves behind may hold that for ever.
fn captured(ended: &Arc<AtomicBool>) -> anyhow::Result<(JoinHandle<Vec<u8>>, io::PipeWriter)> {
    let (reader, writer) = io::pipe().context("make a pipe")?;
    fcntl_setfl(&reader, OFlags::NONBLOCK).context("make a pipe")?;
    let ended = Arc::clone(ended);
    let thread = std::thread::Builder::new().name("ps".to_owned());
    let handle = thread.spawn(move || drain(reader, &ended)).context("start a thread")?;
    Ok((handle, writer))
}

fn drain(mut reader: PipeReader, ended: &AtomicBool) -> Vec<u8> {
    let mut text = Vec::new();
    let mut part = [0; 16 << 10];
    loop {
        // Looked at before the read: what was written until then is seen.
        let over = ended.load(Ordering::Acquire);
        match reader.read(&mut part) {
            Ok(0) => return text,
            Ok(n) => text.extend_from_slice(&part[..n.min(MOST.saturating_sub(text.len()))]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !over => {
                let _ = poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&TICK));
            }
            Err(_) => return text,
        }
    }
}
