//! The option that removes what is meant for one connection, hop by hop: `Connection` and what it names.
//!
//! * [`rules`]: what is taken off a head and what stays, field by field;
//! * [`any_head`]: what holds for any head;
//! * [`proxy`]: messages that pass through a proxy, with the option and without.

mod any_head;
mod proxy;
mod rules;
