//! The Kubernetes API, of which one thing is asked: the Secret with the credentials for Git.

mod error;
mod name;
mod identity;
mod files;
mod client;
mod follow;

pub use error::SecretError;
pub use files::SecretCopy;
pub use follow::{Follower, follow, may_be_outdated};
pub use name::{SecretName, SecretNameError};
