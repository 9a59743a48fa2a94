//! Games of Drift registries: names, variants, explanation, lock file.

mod choice;
mod locked;
mod names;
mod whole;
