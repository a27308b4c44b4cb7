//! A process that is stopped, and the network between it and its server.

pub mod child;
pub mod process;
pub mod relay;
pub mod trial;
