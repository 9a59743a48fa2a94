//! What the benches share: ordinary users, measured commands, parts to measure, reports.
//!
//! Everything is measured in interleaved rounds, so that a busy moment of the machine falls on
//! all programs alike; what counts are ratios of medians within one table.

// Each bench is a program of its own and uses a part of this.
#![allow(dead_code)]

pub(crate) mod host;
pub(crate) mod images;
pub(crate) mod living;
pub(crate) mod meter;
pub(crate) mod mirror;
pub(crate) mod parts;
pub(crate) mod peers;
pub(crate) mod people;
pub(crate) mod report;

use std::process::Command;

/// Ends the bench with a reason; a number that was not measured is not reported.
pub(crate) fn fail(reason: impl std::fmt::Display) -> ! {
    // Unwinds, so that containers, registries and directories of the bench go.
    panic!("{reason}")
}

/// What a command prints, without the newline at its end; a failure ends the bench.
pub(crate) fn output(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let result = command.output().unwrap_or_else(|e| fail(format_args!("{shown}: {e}")));
    let text = String::from_utf8_lossy(&result.stdout).trim_end().to_owned();
    if !result.status.success() {
        let errors = String::from_utf8_lossy(&result.stderr);
        fail(format_args!("{shown}: {}: {text}{errors}", result.status));
    }
    text
}

/// [`output`] of a program with words.
pub(crate) fn run(program: &str, words: &[&str]) -> String {
    output(Command::new(program).args(words))
}

/// The middle of the values: of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// The value below which a part `q` of all lies.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => sorted[((n - 1) as f64 * q).round() as usize],
    }
}

/// Rounds of a bench: `BOLT_BENCH_ROUNDS`, else `usual`.
pub(crate) fn rounds(usual: usize) -> usize {
    std::env::var("BOLT_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}
