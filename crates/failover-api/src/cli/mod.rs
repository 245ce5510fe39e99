//! The command line.

mod output;
mod stop;
mod serve;
mod demo;
mod clone;
mod check;
mod scan;
mod run;

pub use output::fail;
pub use run::run;
