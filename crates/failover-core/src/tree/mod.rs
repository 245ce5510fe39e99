//! The repository's manifests at one commit, and how one is found by what it is.

mod kustomize;
mod replication;
mod facts;
mod builds;
mod index;
mod listing;
mod find;
mod covering;
mod patched;
mod sets;
mod alteration;

pub(crate) use alteration::{Alteration, alterations};
pub(crate) use covering::variable;
pub use facts::{DocumentFacts, FileFacts, is_kustomization};
pub(crate) use find::{BuiltObject, unreadable};
pub use find::{Found, Unbuilt};
pub use listing::{ListedFile, Listing, Source, Tree};
pub use replication::Replication;
