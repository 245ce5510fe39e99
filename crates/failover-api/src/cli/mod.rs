//! The command line.

mod program;
mod output;
mod ending;
mod interrupt;
mod progress;
mod stop;
mod repository;
mod serve;
mod demo;
mod token;
mod documents;
mod answers;
mod asked;
mod hold_asked;
mod client;
mod person;
mod direct;
mod form;
mod table;
mod batch;
mod target;
mod watch;
mod reads;
mod prompt;
mod moves;
mod holds;
mod stages;
mod doctor;
mod clone;
mod check;
mod scan;
mod notify;
mod run;

pub use output::fail;
pub use run::run;
