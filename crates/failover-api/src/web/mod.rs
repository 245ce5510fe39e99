//! The dashboard: pages for people, rendered here, readable without JavaScript.
//!
//! It shows what the API answers and decides nothing. A page is asked for with `GET` and changes nothing; a move or a hold is
//! asked of the API by the page's script, with the operator's token, as any other caller does it.

mod assets;
mod words;
mod diff;
mod report;
mod layout;
mod offer;
mod holds;
mod events;
mod services;
mod service;
mod plan;
mod selected;
mod many;
mod holding;
mod history;
mod health;
mod refusal;
mod routes;

pub use routes::pages;
