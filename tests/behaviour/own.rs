//! This crate's own client: what it does that hyper-util's does not, or does otherwise. HTTP/2 is among the features.

mod limits;
mod waiting;
