//! create_args
