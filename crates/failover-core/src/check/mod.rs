//! What is looked at before a move, and what was found.

mod finding;
mod found;
mod values;
mod storage;
mod files;
mod variables;
mod pods;
mod releases;
mod objects;
mod all;

pub use all::findings;
pub use finding::{Check, Finding, Verdict};
