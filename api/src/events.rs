//! What happens, as a stream: lines of `bolt events --format json`, read by a thread of its own.

use crate::error::{BoltError, Result, RuntimeError};
use crate::program::{Program, reason};
use serde::Deserialize;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Events that wait for the caller; with more the program waits too, and loses nothing.
const WAITING: usize = 256;

/// Which events are wanted. Of one list any will do, but of labels all must hold; an empty list
/// asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Names or ids of containers.
    pub containers: Vec<String>,
    /// Names or ids of images.
    pub images: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// `container`, `image`, `volume`, `secret` or `system`.
    pub kinds: Vec<String>,
    /// `create`, `start`, `died`, `pull`, …
    pub statuses: Vec<String>,
    /// `KEY` or `KEY=VALUE`.
    pub labels: Vec<String>,
    /// Events from then on; `None`: from the call on.
    pub since: Option<SystemTime>,
    /// The stream ends then; `None`: it does not end by itself.
    pub until: Option<SystemTime>,
}

/// One event, as podman-events(1) has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct Event {
    /// `container`, `image`, `volume`, `secret` or `system`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened: `create`, `init`, `start`, `died`, `remove`, `pull`, …
    pub status: String,
    /// Of the container or image; else empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the object.
    pub name: String,
    /// Image of a container; else empty.
    pub image: String,
    /// RFC 3339 with nanoseconds, in UTC.
    pub time: String,
    /// Exit code, of `died` and `exec_died`.
    #[serde(rename = "ContainerExitCode")]
    pub exit_code: Option<i32>,
    /// Whether the out-of-memory killer was there, of `died`.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: Option<bool>,
    /// What a check led to, of `health_status`: `healthy`, `unhealthy`, `starting`.
    #[serde(rename = "health_status")]
    pub health: Option<String>,
    /// Labels of a container.
    pub attributes: Option<BTreeMap<String, String>>,
}

/// Events as they happen, of [`BoltRuntime::events`](crate::BoltRuntime::events).
///
/// It belongs to no executor: `while let Some(event) = events.next().await`. Where a `Stream` is
/// wanted, `futures::stream::poll_fn(move |context| events.poll_next(context))` is one. What it
/// needs of the system ends with it.
#[derive(Debug)]
pub struct Events(Arc<Line>);

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    /// There is room again, or nobody wants more.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Result<Event>>,
    over: bool,
    waker: Option<Waker>,
    /// Until its end was seen.
    child: Option<Child>,
}

impl Events {
    /// Starts `bolt events`.
    pub(crate) fn start(program: &Program, filter: &EventFilter, now: SystemTime) -> Result<Self> {
        let mut child = program.start(&words(filter, now))?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let state = State { child: Some(child), ..State::default() };
        let line = Arc::new(Line { state: Mutex::new(state), room: Condvar::new() });
        let events = Events(Arc::clone(&line));
        let reader = move || {
            let end = output.map_or(Ok(()), |output| read(&line, output));
            if end.is_err() {
                // It would go on, though nobody understands it.
                line.kill();
            }
            let mut said = String::new();
            if let Some(mut errors) = errors {
                let _ = errors.read_to_string(&mut said);
            }
            line.close(end, &said);
        };
        let named = std::thread::Builder::new().name("bolt-events".into());
        named.spawn(reader).map_err(|error| BoltError::Io {
            action: "start a thread that reads events".to_owned(),
            error,
        })?;
        Ok(events)
    }

    /// The next event; `None`: there are no more. A future that is dropped loses none.
    ///
    /// Errors: `CommandFailed` (a filter that `bolt` does not understand, a log that cannot be
    /// read), `Json`; then the stream is over.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next event, or that the context is woken when there is one.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        let mut state = self.0.lock();
        if let Some(event) = state.waiting.pop_front() {
            self.0.room.notify_one();
            return Poll::Ready(Some(event));
        }
        if state.over {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Ends the program.
impl Drop for Events {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.kill();
        self.0.room.notify_one();
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        if let Some(child) = &mut self.lock().child {
            let _ = child.kill();
        }
    }

    /// Passes an event on; false: nobody wants it.
    fn push(&self, event: Result<Event>) -> bool {
        let mut state = self.lock();
        while state.waiting.len() >= WAITING && !state.over {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.over {
            return false;
        }
        state.waiting.push_back(event);
        wake(state);
        true
    }

    /// The program has nothing more to say.
    fn close(&self, end: Result<()>, said: &str) {
        let child = self.lock().child.take();
        let status = child.map(|mut child| child.wait());
        let mut state = self.lock();
        if state.over {
            return;
        }
        let failed = match (end, status) {
            (Err(error), _) => Some(error),
            (Ok(()), Some(Ok(status))) if !status.success() => {
                let reason = reason(said, status.code().unwrap_or(255));
                let command = "bolt events".to_owned();
                Some(RuntimeError::CommandFailed { command, reason }.into())
            }
            _ => None,
        };
        state.waiting.extend(failed.map(Err));
        state.over = true;
        wake(state);
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Reads lines until the end, or until nobody wants more.
fn read(line: &Line, output: ChildStdout) -> Result<()> {
    for text in BufReader::new(output).lines() {
        let text = text.map_err(|error| BoltError::Io { action: "read events".into(), error })?;
        let event = serde_json::from_str(&text).map_err(|error| BoltError::Json {
            command: "bolt events --format json".into(),
            error,
        })?;
        if !line.push(Ok(event)) {
            break;
        }
    }
    Ok(())
}

fn words(filter: &EventFilter, now: SystemTime) -> Vec<String> {
    let mut words = vec!["events".to_owned(), "--format=json".to_owned()];
    // The program reads seconds as a floating number, which is less exact than the clock.
    let begin = filter.since.unwrap_or(now) - Duration::from_micros(1);
    words.push(format!("--since={}", seconds(begin)));
    words.extend(filter.until.map(|until| format!("--until={}", seconds(until))));
    let lists = [
        ("container", &filter.containers),
        ("image", &filter.images),
        ("volume", &filter.volumes),
        ("type", &filter.kinds),
        ("event", &filter.statuses),
        ("label", &filter.labels),
    ];
    for (key, values) in lists {
        words.extend(values.iter().map(|value| format!("--filter={key}={value}")));
    }
    words
}

fn seconds(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::off_thread::tests::block_on;
    use crate::program::tests::Dir;

    fn events(dir: &Dir, script: &str) -> Events {
        let text = format!("#!/bin/sh\n[ $1 = --version ] && exec echo bolt 99.0.0\n{script}\n");
        let program = crate::BoltConfig {
            program: Some(dir.program("bolt", &text)),
            ..crate::BoltConfig::default()
        };
        let program = Program::find(&program).unwrap();
        Events::start(&program, &EventFilter::default(), UNIX_EPOCH + Duration::from_secs(5))
            .unwrap()
    }

    #[test]
    fn the_filter_becomes_flags() {
        let filter = EventFilter {
            containers: vec!["a".into(), "b".into()],
            labels: vec!["k=v w".into()],
            until: Some(UNIX_EPOCH + Duration::from_millis(7500)),
            ..EventFilter::default()
        };
        let line = words(&filter, UNIX_EPOCH + Duration::from_secs(5)).join("|");
        let want = "events|--format=json|--since=4.999999000|--until=7.500000000|\
            --filter=container=a|--filter=container=b|--filter=label=k=v w";
        assert_eq!(line, want);
    }

    #[test]
    fn events_come_in_order_and_end() {
        let dir = Dir::new("events-order");
        let script = "i=0; while [ $i -lt 1000 ]; do \
            echo '{\"Type\":\"container\",\"Status\":\"died\",\"Name\":\"'$i'\",\"ContainerExitCode\":3}'; \
            i=$((i+1)); done";
        let mut events = events(&dir, script);
        for n in 0..1000 {
            let event = block_on(events.next()).unwrap().unwrap();
            assert_eq!((event.name, event.exit_code), (n.to_string(), Some(3)));
        }
        assert!(block_on(events.next()).is_none());
        assert!(block_on(events.next()).is_none());
    }

    #[test]
    fn failures_are_told_once() {
        let dir = Dir::new("events-failures");
        let told = |script: &str| {
            let mut events = events(&dir, script);
            let error = block_on(events.next()).unwrap().unwrap_err().to_string();
            assert!(block_on(events.next()).is_none());
            error
        };
        let failed = told("echo 'bolt: no such filter' >&2; exit 125");
        assert_eq!(failed, "bolt events: no such filter");
        let odd = told("echo nonsense; exec sleep 1000");
        assert!(odd.starts_with("bolt events --format json answered with something else"), "{odd}");
    }

    #[test]
    fn a_stream_that_is_dropped_ends_its_program() {
        let dir = Dir::new("events-drop");
        for script in ["echo $$ >pid; exec sleep 1000", "echo $$ >pid; exec yes '{\"Name\":\"x\"}'"]
        {
            let at = dir.path().join("pid");
            let script = script.replace(">pid", &format!(">{}", at.display()));
            let dropped = events(&dir, &script);
            let pid = loop {
                let text = std::fs::read_to_string(&at).unwrap_or_default();
                if text.ends_with('\n') {
                    break text.trim().to_owned();
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            drop(dropped);
            let end = std::time::Instant::now() + Duration::from_secs(10);
            while std::path::Path::new("/proc").join(&pid).exists() {
                assert!(std::time::Instant::now() < end, "{script}");
                std::thread::sleep(Duration::from_millis(2));
            }
            std::fs::remove_file(at).unwrap();
        }
    }
}
