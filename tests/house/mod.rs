//! The shape of the source.

mod layers;
