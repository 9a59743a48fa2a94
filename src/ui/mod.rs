//! L1: what the user sees: tables, templates, progress, human forms of numbers, errors.

pub mod filter;
pub mod format;
pub mod human;
pub mod pattern;
pub mod print;
pub mod progress;
pub mod template;
