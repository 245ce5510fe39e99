//! What the tests are made of: a real Git remote, a real SSH server, the real binary.

pub(crate) mod process;
pub(crate) mod git;
pub(crate) mod proxy;
pub(crate) mod cli;
pub(crate) mod secret;
pub(crate) mod daemon;
pub(crate) mod sshd;
pub(crate) mod certificates;
pub(crate) mod https;
pub(crate) mod dulwich;
pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod scene;
pub(crate) mod volume;
pub(crate) mod tokens;
pub(crate) mod watched;
pub(crate) mod hook;
pub(crate) mod openmetrics;
pub(crate) mod events;
pub(crate) mod hosts;
pub(crate) mod browser;
pub(crate) mod inspect;
pub(crate) mod deployment;
