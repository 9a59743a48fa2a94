//! L1: what the user sees: tables, templates, progress, human forms of numbers, errors.

pub mod filter;
pub mod format;
pub mod human;
pub mod json_fault;
pub mod pattern;
pub mod print;
pub mod progress;
pub mod redact;
pub mod template;
