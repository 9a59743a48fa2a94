//! Hostile and real tars.
