//! Reading and editing one field of a manifest, to the byte.

mod error;
mod scalar;
mod locate;
mod splice;
mod verify;
mod edit;

pub use edit::{Change, Edited, Field, edit, read};
pub use error::EditError;
pub use splice::{Splice, SpliceKind};
