//! Games of Drift registries: names, variants, explanation, lock file.

mod choice;
mod names;
mod whole;
