//! The command line.

mod output;
mod stop;
mod serve;
mod demo;
mod token;
mod documents;
mod run;

pub use output::fail;
pub use run::run;
