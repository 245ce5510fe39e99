//! The Git engine: a warm local mirror, and the one remote branch that is the product's database and lock.

mod url;
mod error;
mod github_app;
mod secret;
mod service;
mod ssh;
mod process;
mod session;
mod http_client;
mod progress;
mod https;
mod outcome;
mod objects;
mod commit;
mod signing;
mod tree_edit;
mod manifests;
pub mod files;
mod cache;
mod mirror;
mod fetch;
mod remote;
mod repository;

pub use commit::NewCommit;
pub use error::RemoteError;
pub use mirror::{Author, CommitError, Mirror};
pub use objects::MirrorError;
pub use outcome::PushOutcome;
pub use remote::FETCH_LIMIT;
pub use repository::{Found, Repository, Settings};
pub use secret::SecretFolder;
pub use signing::{Signer, SigningError};
pub use ssh::{SshSettings, run_as_ssh_if_asked};
pub use url::{RemoteUrl, UrlError};
