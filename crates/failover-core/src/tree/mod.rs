//! The repository's manifests at one commit, and how one is found by what it is.

mod variables;
mod kustomize;
mod replication;
mod facts;
mod index;
mod listing;
mod find;
mod mounted;
mod reach;

pub use facts::{DocumentFacts, Documents, FileFacts, is_kustomization};
pub use find::Found;
pub(crate) use find::{BuiltObject, unreadable};
pub use listing::{ListedFile, Listing, Source, Tree};
pub(crate) use reach::{Filling, Reach, places};
pub use replication::Replication;
pub(crate) use variables::variable;
