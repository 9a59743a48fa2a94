//! What is generated from the command line definition.

mod generated;
