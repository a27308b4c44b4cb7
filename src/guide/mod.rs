//! Pages for those who come from somewhere: what to put where, and why.

#[doc = include_str!("pools.md")]
pub mod pools {}

#[doc = include_str!("reqwest.md")]
pub mod reqwest {}
