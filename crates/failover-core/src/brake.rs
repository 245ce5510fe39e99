//! What holds a service back at this moment, although it could be moved.

use jiff::{SignedDuration, Timestamp};

use crate::change::pending;
use crate::check::{Check, Finding, Verdict};
use crate::config::{Hold, Service};
use crate::name::{Role, ServiceName};
use crate::restraint::{Failover, LastMove, Restraints};
use crate::topology::ServiceState;

/// A cooldown that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooldown<'r> {
    /// The failover that it follows.
    pub after: &'r Failover,
    /// When it is over.
    pub until: Timestamp,
}

/// A service about which an alarm is no news: it was moved after the alarm had begun, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overtaken {
    /// The service.
    pub service: ServiceName,
    /// When the alarm began.
    pub began: Timestamp,
    /// What is known of the time since then.
    pub since: Since,
}

/// What is known of the time since an alarm began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// The service was moved.
    Moved(LastMove),
    /// Only younger commits than this are read, and none of them moves the service.
    Unread(Timestamp),
}

impl Overtaken {
    /// Why the alarm moves nothing.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { service, began, since } = self;
        match since {
            Since::Moved(LastMove { commit, at }) => {
                format!("the alarm began at {began}, and {service} was moved after that, at {at} by {commit}")
            }
            Since::Unread(reach) => format!(
                "the alarm began at {began}, and commits before {reach} are not read, so that {service} may have been moved and brought back since; to move it, ask without webhook="
            ),
        }
    }
}

/// The first of `services` that was moved after an alarm that began at `began`, or may have been: the alarm is no news to
/// whoever did that.
#[must_use]
pub fn overtaken<'s>(
    mut services: impl Iterator<Item = &'s ServiceName>,
    began: Timestamp,
    restraints: &Restraints,
) -> Option<Overtaken> {
    services.find_map(|service| {
        let since = match restraints.last_moves.get(service) {
            Some(last) => (last.at > began).then(|| Since::Moved(last.clone())),
            None => restraints.failovers.reach.filter(|reach| *reach > began).map(Since::Unread),
        };
        Some(Overtaken { service: service.clone(), began, since: since? })
    })
}

/// The cooldown of `service`, if it has one that is not over.
#[must_use]
pub fn cooldown<'r>(service: &Service, restraints: &'r Restraints, now: Timestamp) -> Option<Cooldown<'r>> {
    match state_of(service, restraints, now)? {
        State::Lasts(cooldown) => Some(cooldown),
        State::Impossible(_) | State::OutOfSight(_) => None,
    }
}

/// The moment at which the holds and cooldowns of `services` are others than now, if nothing is committed before.
pub fn next_change<'s>(
    services: impl IntoIterator<Item = &'s Service>,
    restraints: &Restraints,
    now: Timestamp,
) -> Option<Timestamp> {
    let holds = restraints.holds.holds.as_ref().ok();
    let ends = holds.into_iter().flat_map(|holds| holds.iter().flat_map(|hold| [hold.until, hold.since]));
    let cooldowns = services.into_iter().filter_map(|service| {
        let cooldown = SignedDuration::try_from(service.cooldown?).ok()?;
        let from = match restraints.failovers.newest.get(&service.name) {
            Some(failover) => failover.at,
            None => restraints.failovers.reach?,
        };
        // At the first moment a time in the future becomes possible, at the second the cooldown is over.
        Some([from.checked_sub(cooldown).ok(), from.checked_add(cooldown).ok()])
    });
    ends.flatten().chain(cooldowns.flatten().flatten()).filter(|time| *time > now).min()
}

/// Everything that holds the service back from moving to `to`. One that is there already is not moved.
///
/// A holds file that cannot be read is not among it: nothing at all is planned then.
#[must_use]
pub fn findings(state: &ServiceState<'_>, to: Role, restraints: &Restraints, now: Timestamp) -> Vec<Finding> {
    if pending(state, to).next().is_none() {
        return Vec::new();
    }
    let finding = |check: Check, verdict: Verdict, detail: String| Finding {
        check,
        verdict,
        service: state.name().clone(),
        detail,
    };
    let holds = restraints.holds.holds.as_ref().ok();
    let holds = holds.into_iter().flat_map(|holds| holds.of(state.name()));
    let in_force: Vec<&Hold> = holds.filter(|hold| !hold.is_expired(now)).collect();
    let mut found: Vec<Finding> =
        in_force.iter().map(|hold| finding(Check::Held, Verdict::Block, hold.sentence(now))).collect();
    match state_of(state.service, restraints, now) {
        Some(State::Lasts(Cooldown { after, until })) => {
            let detail = format!(
                "{} was moved to backup at {} (commit {}), and its cooldown lasts until {until}",
                state.name(),
                after.at,
                after.commit
            );
            found.push(finding(Check::Cooldown, Verdict::Block, detail));
        }
        Some(State::Impossible(after)) => {
            let detail = format!(
                "commit {} says that it moved {} to backup at {}, which is in the future, so its cooldown cannot be reckoned; a clock is wrong",
                after.commit,
                state.name(),
                after.at
            );
            found.push(finding(Check::Cooldown, Verdict::Warn, detail));
        }
        Some(State::OutOfSight(reach)) => {
            let detail = format!(
                "the commits that are read reach back to {reach}, which is less than the cooldown of {}: whether it was moved to backup before that is not known",
                state.name()
            );
            found.push(finding(Check::Cooldown, Verdict::Warn, detail));
        }
        None => {}
    }
    found
}

enum State<'r> {
    Lasts(Cooldown<'r>),
    /// The failover is further in the future than the cooldown is long. Counting from it could block for ever.
    Impossible(&'r Failover),
    /// The newest commits do not reach back as far as the cooldown.
    OutOfSight(Timestamp),
}

fn state_of<'r>(service: &Service, restraints: &'r Restraints, now: Timestamp) -> Option<State<'r>> {
    let cooldown = service.cooldown?;
    let failovers = &restraints.failovers;
    let cooldown = SignedDuration::try_from(cooldown).unwrap_or(SignedDuration::MAX);
    let later = |time: Timestamp| time.checked_add(cooldown).unwrap_or(Timestamp::MAX);
    match failovers.newest.get(&service.name) {
        // A clock that is a little ahead must not let two failovers follow each other at once.
        Some(after) if after.at > later(now) => Some(State::Impossible(after)),
        Some(after) if later(after.at) > now => {
            Some(State::Lasts(Cooldown { after, until: later(after.at) }))
        }
        Some(_) => None,
        None => failovers.reach.filter(|reach| later(*reach) > now).map(State::OutOfSight),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::restraint::Failovers;

    #[test]
    fn an_alarm_from_before_what_is_read_is_no_reason_to_move() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let service = ServiceName::new("sonarr").unwrap();
        let of = |reach: Option<&str>| {
            let failovers = Failovers { reach: reach.map(time), ..Failovers::default() };
            let restraints = Restraints { failovers: Arc::new(failovers), ..Restraints::default() };
            overtaken([&service].into_iter(), time("2026-01-15T14:30:00Z"), &restraints)
        };
        assert_eq!(of(None), None);
        assert_eq!(of(Some("2026-01-15T14:00:00Z")), None);
        let unread = of(Some("2026-01-16T00:00:00Z")).unwrap();
        assert_eq!(unread.since, Since::Unread(time("2026-01-16T00:00:00Z")));
    }
}
