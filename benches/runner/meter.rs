//! Measured commands: `measure.c` runs them, this asks it.

use super::people::Person;
use super::{fail, median};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// What one command cost.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Exit code; 128+n for a signal.
    pub(crate) status: i32,
    /// Spawn to end of the command itself, milliseconds.
    pub(crate) wall: f64,
    /// CPU of it and of all its descendants, milliseconds.
    pub(crate) cpu: f64,
    /// Largest resident set of the command itself, KiB.
    pub(crate) peak: u64,
}

/// One small process of a person's that runs commands for us.
pub(crate) struct Meter {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    out: PathBuf,
    errors: PathBuf,
}

impl Meter {
    /// `dir` gets what the commands print.
    pub(crate) fn start(person: &Person, program: &Path, dir: &Path) -> Self {
        let mut command = person.command(program);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| fail(format_args!("{}: {e}", program.display())));
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            fail("no pipes to measure")
        };
        let place = dir.join(format!("out-{}", child.id()));
        person.own_dir(&place);
        let answers = BufReader::new(answers);
        Meter { child, requests, answers, out: place.join("out"), errors: place.join("errors") }
    }

    /// Runs to the end; what stays behind (containers, cleaners) is waited for as well, two
    /// seconds at most.
    pub(crate) fn run<S: AsRef<str>>(&mut self, words: &[S]) -> Cost {
        self.ask("w", words)
    }

    /// Runs to the end of the command itself, which may leave containers behind.
    pub(crate) fn leave<S: AsRef<str>>(&mut self, words: &[S]) -> Cost {
        self.ask("d", words)
    }

    /// [`Meter::run`] of a command that must succeed.
    pub(crate) fn must<S: AsRef<str>>(&mut self, words: &[S]) -> Cost {
        let cost = self.run(words);
        self.check(words, cost)
    }

    /// [`Meter::leave`] of a command that must succeed.
    pub(crate) fn must_leave<S: AsRef<str>>(&mut self, words: &[S]) -> Cost {
        let cost = self.leave(words);
        self.check(words, cost)
    }

    /// Standard output of the last command.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap_or_default().trim_end().to_owned()
    }

    fn check<S: AsRef<str>>(&self, words: &[S], cost: Cost) -> Cost {
        if cost.status != 0 {
            let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
            let errors = std::fs::read_to_string(&self.errors).unwrap_or_default();
            let tail: Vec<&str> = errors.lines().rev().take(5).collect();
            fail(format_args!("{} gave {}: {tail:?}", words.join(" "), cost.status));
        }
        cost
    }

    fn ask<S: AsRef<str>>(&mut self, mode: &str, words: &[S]) -> Cost {
        let (out, errors) = (self.out.display().to_string(), self.errors.display().to_string());
        let mut fields = vec![mode, &out, &errors];
        fields.extend(words.iter().map(AsRef::as_ref));
        let request = format!("{}\n", fields.join("\x1f"));
        let mut answer = String::new();
        if let Err(e) = self
            .requests
            .write_all(request.as_bytes())
            .and_then(|()| self.answers.read_line(&mut answer))
        {
            fail(format_args!("measure: {e}"));
        }
        let numbers: Vec<f64> = answer.split(' ').filter_map(|w| w.trim().parse().ok()).collect();
        let [status, wall, cpu, peak] = numbers[..] else { fail("measure ended") };
        Cost { status: status as i32, wall: wall / 1e6, cpu: cpu / 1e3, peak: peak as u64 }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One program of a comparison.
pub(crate) struct Case {
    /// What the table calls it.
    pub(crate) name: String,
    /// Which meter runs it.
    pub(crate) meter: usize,
    /// argv.
    pub(crate) words: Vec<String>,
    /// All measured rounds.
    pub(crate) costs: Vec<Cost>,
}

impl Case {
    pub(crate) fn new(name: &str, meter: usize, words: &[&str]) -> Self {
        let words = words.iter().map(|w| (*w).to_owned()).collect();
        Case { name: name.to_owned(), meter, words, costs: Vec::new() }
    }

    /// Median wall time, milliseconds.
    pub(crate) fn wall(&self) -> f64 {
        median(&self.costs.iter().map(|c| c.wall).collect::<Vec<_>>())
    }

    /// Median CPU time, milliseconds.
    pub(crate) fn cpu(&self) -> f64 {
        median(&self.costs.iter().map(|c| c.cpu).collect::<Vec<_>>())
    }

    /// Smallest wall time, milliseconds.
    pub(crate) fn least(&self) -> f64 {
        self.costs.iter().map(|c| c.wall).fold(f64::INFINITY, f64::min)
    }
}

/// Runs all cases in turn, `rounds` times, after two rounds that do not count.
pub(crate) fn interleave(meters: &mut [Meter], cases: &mut [Case], rounds: usize) {
    for round in 0..rounds + 2 {
        for case in cases.iter_mut() {
            let cost = meters[case.meter].must(&case.words);
            if round >= 2 {
                case.costs.push(cost);
            }
        }
    }
}
