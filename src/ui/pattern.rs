//! Regular expressions as they are typed into filters.

use regex_automata::nfa::thompson::pikevm::PikeVM;
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::syntax;

/// Bytes that a compiled expression may take: a filter is not a way to fill the memory.
const LARGEST: usize = 1 << 20;

/// A regular expression of Go's and Rust's common language; letters and digits are ASCII's, as
/// in Go.
#[derive(Debug, Clone)]
pub struct Pattern(PikeVM);

impl Pattern {
    /// Reads an expression. Errors: what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = syntax::Config::new().unicode(false).utf8(false);
        let limits = thompson::Config::new()
            .utf8(false)
            .nfa_size_limit(Some(LARGEST))
            .which_captures(WhichCaptures::None);
        let built = PikeVM::builder().syntax(bytes).thompson(limits).build(text);
        built.map(Pattern).map_err(|e| {
            let reason =
                std::error::Error::source(&e).map_or_else(|| e.to_string(), |e| e.to_string());
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("it is not a regular expression: {reason}")
        })
    }

    /// Whether some part of the text matches.
    pub fn is_in(&self, text: &str) -> bool {
        self.0.is_match(&mut self.0.create_cache(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood_or_refused_with_a_reason() {
        for (pattern, text, matches) in [
            ("^f[12]$", "f2", true),
            ("^f[12]$", "f23", false),
            ("f.*2", "xf-2-", true),
            ("f1|f2", "f3", false),
            ("\\d{3}", "a123", true),
            ("(?i)AB", "cab", true),
            ("^.$", "\u{e4}", false),
            ("", "any", true),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().is_in(text), matches, "{pattern} {text}");
        }
        for bad in ["f[", "(", "*", "a{100000}{100000}"] {
            let why = Pattern::parse(bad).unwrap_err();
            let reason = why.strip_prefix("it is not a regular expression: ").unwrap();
            assert!(reason.len() > 5 && !why.contains('\n'), "{bad}: {why}");
        }
    }
}
