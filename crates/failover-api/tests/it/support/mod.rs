//! What the tests are made of: a real Git remote, a real SSH server, the real binary.

pub(crate) mod process;
pub(crate) mod git;
pub(crate) mod sshd;
#[expect(dead_code, reason = "the tests of the server use it")]
pub(crate) mod api;
