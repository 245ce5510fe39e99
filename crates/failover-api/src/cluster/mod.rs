//! The Kubernetes API, of which two things are asked: the Secret with the credentials for Git, and who callers are.

mod name;
mod error;
mod identity;
mod files;
mod answer;
mod client;
mod follow;
mod reviewer;

pub use error::SecretError;
pub use files::SecretCopy;
pub use follow::{Follower, follow, may_be_outdated};
pub use name::{SecretName, SecretNameError};
pub use reviewer::Reviewer;
