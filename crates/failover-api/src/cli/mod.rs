//! The command line.

mod demo;
mod output;
mod run;
mod serve;

pub use output::fail;
pub use run::run;
