//! Reading and editing one field of a manifest, to the byte.

mod change;
mod error;
mod scalar;
mod locate;
mod splice;
mod verify;
mod edit;

pub use change::Change;
pub use edit::{Edited, Field, edit, read};
pub use error::EditError;
pub use splice::{Splice, SpliceKind};
