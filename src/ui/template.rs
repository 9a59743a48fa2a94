//! Templates for `--format`: the part of Go's text/template that container tools' users rely on.
//!
//! Text outside of `{{ }}` is copied (with `\n` and `\t` as the characters they stand for);
//! actions read a [`serde_json::Value`]. `lex` makes tokens, `parse` a tree, `eval` text;
//! `functions` is the list of what can be called. Differences from Go, on purpose: a field is
//! also found when only its case differs (`.ID` and `Id`), and a missing one is an error that
//! lists those that exist. A method that takes one word (`.Label "k"`) is a map from words to
//! answers. Times and nils, which JSON does not tell from text and null, are marked in the data
//! (`typed`).

mod eval;
mod functions;
mod lex;
mod parse;
mod typed;

use parse::Node;
use serde_json::Value;
pub use typed::{Nil, nil, time};

/// Why a template cannot be read, or not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {line}:{column}: {reason}")]
pub struct TemplateError {
    /// Line in the template, from 1.
    pub line: usize,
    /// Character within the line, from 1.
    pub column: usize,
    /// What is wrong there, and where useful what would be right.
    pub reason: String,
}

impl TemplateError {
    fn at(source: &str, offset: usize, reason: impl Into<String>) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        TemplateError { line, column, reason: reason.into() }
    }
}

/// What went wrong at a byte of the source; [`TemplateError`] once the source is at hand.
#[derive(Debug)]
struct Fault {
    offset: usize,
    reason: String,
}

fn fault<T>(offset: usize, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { offset, reason: reason.into() })
}

/// A template that was read without error.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    nodes: Vec<Node>,
}

/// What happens to control characters in the values put into the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// Copied as they are.
    Raw,
    /// Escaped, so that a value cannot end its cell or row of a table.
    Cells,
}

impl Template {
    /// Reads `source`.
    ///
    /// Errors: unclosed actions and blocks, unknown functions, bad literals; each with its place.
    pub fn parse(source: &str) -> Result<Template, TemplateError> {
        let nodes = lex::segments(source)
            .and_then(parse::nodes)
            .map_err(|fault| TemplateError::at(source, fault.offset, fault.reason))?;
        Ok(Template { source: source.to_owned(), nodes })
    }

    /// The template filled in with `data`.
    ///
    /// Errors: a field that does not exist, a function given what it cannot take.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        self.render_values(data, Values::Raw)
    }

    pub(super) fn render_values(
        &self,
        data: &Value,
        values: Values,
    ) -> Result<String, TemplateError> {
        eval::render(&self.nodes, data, values)
            .map_err(|fault| TemplateError::at(&self.source, fault.offset, fault.reason))
    }

    /// Whether it begins by going over everything at once: `{{range .}}`. It is then filled in
    /// once, with the whole list.
    pub(super) fn takes_the_list(&self) -> bool {
        self.nodes.first().is_some_and(Node::ranges_over_dot)
    }

    /// The heading line: text as it is, each action replaced by `heading` of its first field.
    pub(super) fn headings(&self, heading: impl Fn(&str) -> String) -> String {
        let cell = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            other => other.first_field().map(|field| heading(&field)).unwrap_or_default(),
        };
        self.nodes.iter().map(cell).collect()
    }
}

#[cfg(test)]
mod tests;
