//! Tests of the whole road.
