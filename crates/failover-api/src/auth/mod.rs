//! Who calls, and what they may do. It knows tokens and addresses, never HTTP.

mod access;
mod bearer;
mod tokens;
mod authenticator;
mod token_file;
mod limit;
mod admission;

pub use access::{Access, Verdict};
pub use admission::{Admission, Admitted, Authentication, Reads, Refusal, Standing, network};
pub use authenticator::{Authenticator, Unavailable, Verifying};
pub use bearer::BearerToken;
pub use limit::Limit;
pub use token_file::TokenFile;
pub use tokens::{TokenError, TokenName, line};
