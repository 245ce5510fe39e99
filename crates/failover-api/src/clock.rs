//! The one place that reads the wall clock, and the ids made from it.

use failover_core::name::OperationId;
use jiff::Timestamp;
use uuid::Uuid;

/// Now, to the second: what a commit can hold.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Now, to the millisecond: for what is watched while it happens.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn exact_now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A new id; later ones sort after earlier ones.
#[must_use]
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}

/// A new operation's id; `None` cannot happen, since a UUID is a valid one.
#[must_use]
pub fn new_operation() -> Option<OperationId> {
    OperationId::new(new_id()).ok()
}
