//! What is sent again, how often the server sees it, and what is left alone.

mod blind;
mod body;
mod clients;
mod construction;
mod rules;
mod world;
