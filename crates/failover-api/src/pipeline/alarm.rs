//! What people are told of the server itself: that its config became bad or good, and that it cannot read the repository.

use std::sync::Arc;
use std::time::Duration;

use failover_core::code::Code;
use failover_core::name::{ObjectName, ServiceName};
use failover_core::notice::Event;
use tokio::time::{Instant, MissedTickBehavior};

use super::writer::Pipeline;
use crate::source::ConfigState;

/// How often the view's age is looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// What was told last; everything is well in the beginning.
#[derive(Debug, Default)]
struct Alarms {
    config_is_bad: bool,
    view_is_old: bool,
    /// Services that notifications name and the config does not have.
    strangers: Vec<(ObjectName, ServiceName)>,
}

impl Alarms {
    /// Whether it is news that the config is bad, or that it is not.
    fn config(&mut self, is_bad: bool) -> Option<Event> {
        let was_bad = std::mem::replace(&mut self.config_is_bad, is_bad);
        (was_bad != is_bad).then_some(if is_bad { Event::ConfigInvalid } else { Event::ConfigValid })
    }

    /// Whether it is news that the view is old, or that it is not.
    fn view(&mut self, is_old: bool) -> Option<Event> {
        let was_old = std::mem::replace(&mut self.view_is_old, is_old);
        (was_old != is_old).then_some(if is_old { Event::ViewStale } else { Event::ViewFresh })
    }
}

impl Pipeline {
    /// Tells people when the config or the view becomes bad or good, until the server stops.
    pub(super) async fn sound_alarms(self: Arc<Self>) {
        let (mut alarms, started) = (Alarms::default(), Instant::now());
        let mut config = self.config.clone();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_followed = true;
        while !self.stop.is_cancelled() {
            let state = config.borrow_and_update().clone();
            if let Some(event) = alarms.config(state.problem.is_some()) {
                self.observers.notifier.server(event, problem(&state));
            }
            let strangers = state
                .config
                .as_ref()
                .map(|config| self.observers.notifier.strangers(config))
                .unwrap_or_default();
            for (notification, service) in strangers.iter().filter(|one| !alarms.strangers.contains(one)) {
                tracing::warn!(%notification, %service, "a notification names a service that is not configured");
            }
            alarms.strangers = strangers;
            let seen = self.view.borrow().as_ref().map_or(started, |view| view.seen);
            let age = seen.elapsed().as_secs();
            if let Some(event) = alarms.view(age > self.stale_seconds()) {
                let hint = "see GET /api/health, and the server's log";
                let why = (event == Event::ViewStale).then(|| (Code::ViewStale, self.not_read(age), hint));
                self.observers.notifier.server(event, why);
            }
            tokio::select! {
                _ = ticks.tick() => {}
                changed = config.changed(), if is_followed => is_followed = changed.is_ok(),
                () = self.stop.cancelled() => {}
            }
        }
    }

    fn not_read(&self, age: u64) -> String {
        let why = self.failure().map(|error| format!(": {error}")).unwrap_or_default();
        if self.view.borrow().is_some() {
            format!("the repository was last read {age} seconds ago{why}")
        } else {
            format!("the repository was never read since the start {age} seconds ago{why}")
        }
    }
}

fn problem(state: &ConfigState) -> Option<(Code, String, &'static str)> {
    let problem = state.problem.as_ref()?;
    let hint = "repair the config file; it is read again by itself";
    Some((Code::ConfigInvalid, problem.to_string().replace('\n', "; "), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_is_news() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.config(false), None);
        assert_eq!(alarms.config(true), Some(Event::ConfigInvalid));
        assert_eq!(alarms.config(true), None);
        assert_eq!(alarms.view(false), None);
        assert_eq!(alarms.view(true), Some(Event::ViewStale));
        assert_eq!(alarms.config(false), Some(Event::ConfigValid));
        assert_eq!((alarms.view(true), alarms.config(false)), (None, None));
        assert_eq!(alarms.view(false), Some(Event::ViewFresh));
    }
}
