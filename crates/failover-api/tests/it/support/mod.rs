//! What the tests are made of: a real Git remote, a real SSH server, the real binary.

pub(crate) mod process;
pub(crate) mod git;
pub(crate) mod proxy;
pub(crate) mod sshd;
pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod scene;
