//! `failover-api token`: a new token, and its line for the file of `--token-file`.

use clap::Args;

use super::output::say;
use crate::auth::{self, Access, BearerToken, TokenName};

#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Who gets the token; stands in commits as Requested-By.
    #[arg(value_parser = parse_name)]
    name: TokenName,
    /// What its bearer may do.
    #[arg(long, value_enum)]
    role: Access,
}

fn parse_name(text: &str) -> Result<TokenName, String> {
    TokenName::new(text).map_err(|error| error.to_string())
}

/// Prints the token on the first line and the line for the file on the second. The token is kept nowhere.
pub(super) fn token(flags: &Flags) -> Result<(), String> {
    let token = BearerToken::generate().ok_or("the operating system has no random numbers")?;
    say(token.secret());
    say(auth::line(&flags.name, flags.role, &token));
    Ok(())
}
