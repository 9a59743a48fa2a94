//! The file of one bench: what was measured where, and each ratio against its limit.

use super::host;
use super::meter::Case;
use std::fmt::Write as _;
use std::path::Path;

/// Text that grows while the bench runs; printed as well.
pub(crate) struct Report {
    name: &'static str,
    text: String,
    over: usize,
}

impl Report {
    /// Starts with the machine.
    pub(crate) fn new(name: &'static str, bolt: &Path) -> Self {
        let mut report = Report { name, text: String::new(), over: 0 };
        report.line(&format!("bench {name}"));
        report.line(&host::facts(bolt));
        report
    }

    /// A line of text.
    pub(crate) fn line(&mut self, text: &str) {
        println!("{text}");
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Medians of an interleaved comparison.
    pub(crate) fn table(&mut self, title: &str, cases: &[Case]) {
        let rounds = cases.first().map_or(0, |c| c.costs.len());
        let mut text = format!("\n{title} ({rounds} interleaved rounds)\n");
        let _ = writeln!(text, "  {:<44} {:>9} {:>9} {:>9}", "", "median ms", "min ms", "cpu ms");
        for c in cases {
            let _ = writeln!(
                text,
                "  {:<44} {:>9.2} {:>9.2} {:>9.2}",
                c.name,
                c.wall(),
                c.least(),
                c.cpu()
            );
        }
        self.line(text.trim_end());
    }

    /// A value without a limit.
    pub(crate) fn note(&mut self, what: &str, value: f64) {
        self.line(&format!("  {what:<62} {value:>9.3}"));
    }

    /// A value that must not be above `limit`.
    pub(crate) fn limit(&mut self, what: &str, value: f64, limit: f64) {
        let verdict = if value <= limit { "PASS" } else { "over" };
        self.over += usize::from(value > limit || value.is_nan());
        self.line(&format!("  {what:<62} {value:>9.3}  limit {limit:<8.3} {verdict}"));
    }

    /// Writes `benches/results/NAME.txt`.
    pub(crate) fn write(mut self) {
        let over = self.over;
        self.line(&format!("\nover: {over}; load at the end: {}", host::load()));
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        let path = dir.join(format!("{}.txt", self.name));
        if let Err(e) =
            std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, &self.text))
        {
            super::fail(format_args!("write {}: {e}", path.display()));
        }
    }
}
