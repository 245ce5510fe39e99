//! The repository's manifests at one commit, and how one is found by what it is.

mod variables;
mod kustomize;
mod replication;
mod facts;
mod builds;
mod index;
mod listing;
mod find;
mod covering;
mod mounted;
mod filling;
mod patched;
mod sets;
mod alteration;

pub(crate) use alteration::{Alteration, alterations};
pub use facts::{DocumentFacts, Documents, FileFacts, is_kustomization};
pub(crate) use filling::{Filled, Filling, places};
pub(crate) use find::{BuiltObject, unreadable};
pub use find::{Found, Unbuilt};
pub use listing::{ListedFile, Listing, Source, Tree};
pub use replication::Replication;
pub(crate) use variables::variable;
