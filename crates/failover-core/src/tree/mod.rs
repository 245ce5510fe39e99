//! The repository's manifests at one commit, and how one is found by what it is.

mod kustomize;
mod replication;
mod facts;
mod index;
mod listing;
mod find;

pub use facts::{DocumentFacts, FileFacts, is_kustomization};
pub use find::Found;
pub(crate) use find::{BuiltObject, unreadable, variable};
pub use listing::{ListedFile, Listing, Source, Tree};
pub use replication::Replication;
