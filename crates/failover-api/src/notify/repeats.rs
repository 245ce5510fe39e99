//! What was told already: a monitor that asks again and again for a move that is refused makes one message.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::Role;
use tokio::time::Instant;

/// After this long the same refusal is news again.
const SAME: Duration = Duration::from_secs(60 * 60);
/// More refusals than this are not remembered: the oldest is forgotten.
const MOST: usize = 1000;

/// What was told of moves that did not happen.
#[derive(Debug, Default)]
pub(super) struct Repeats(Mutex<Told>);

/// What was to move and where to; why it did not, and when.
type Told = BTreeMap<(String, Role), (Code, Instant)>;

impl Repeats {
    /// Whether this refusal is news.
    pub(super) fn is_new(&self, what: String, to: Role, code: Code, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, (_, at)| now.duration_since(*at) < SAME);
        let key = (what, to);
        if told.get(&key).is_some_and(|(known, _)| *known == code) {
            return false;
        }
        if told.len() >= MOST
            && let Some(oldest) = told.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| key.clone())
        {
            told.remove(&oldest);
        }
        told.insert(key, (code, now));
        true
    }

    /// It moved; the next refusal is news.
    pub(super) fn forget(&self, what: String, to: Role) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(what, to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_until_it_changes_or_is_old() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let is_new = |what: &str, to, code, after| {
            repeats.is_new(what.to_owned(), to, code, now + Duration::from_secs(after))
        };
        assert!(is_new("sonarr", Role::Backup, Code::CheckBlocked, 0));
        assert!(!is_new("sonarr", Role::Backup, Code::CheckBlocked, 10));
        assert!(is_new("sonarr", Role::Primary, Code::CheckBlocked, 10));
        assert!(is_new("radarr", Role::Backup, Code::CheckBlocked, 10));
        assert!(is_new("sonarr", Role::Backup, Code::RemoteRefused, 20));
        assert!(!is_new("sonarr", Role::Backup, Code::RemoteRefused, 3000));
        assert!(is_new("sonarr", Role::Backup, Code::RemoteRefused, 3620));
        repeats.forget("sonarr".to_owned(), Role::Backup);
        assert!(is_new("sonarr", Role::Backup, Code::RemoteRefused, 3621));
        for number in 0..2 * MOST {
            is_new(&number.to_string(), Role::Backup, Code::RemoteRefused, 3622);
        }
        assert_eq!(repeats.0.lock().unwrap().len(), MOST);
    }
}
