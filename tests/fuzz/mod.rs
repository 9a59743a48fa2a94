//! The fuzz targets, fed with their seeds.

mod replay;
