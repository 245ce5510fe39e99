//! The newest moves, and who wants to hear of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use failover_core::name::OperationId;
use tokio::sync::broadcast;

use super::model::{Operation, State};

/// How many moves are remembered.
pub const CAPACITY: usize = 200;
/// How many changes a slow listener may be behind before it has missed some.
const BACKLOG: usize = 256;

/// See the module. Empty after a start.
#[derive(Debug)]
pub struct Journal {
    /// Oldest first.
    operations: Mutex<VecDeque<Arc<Operation>>>,
    changes: broadcast::Sender<Arc<Operation>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { operations: Mutex::default(), changes: broadcast::Sender::new(BACKLOG) }
    }
}

impl Journal {
    /// The moves that are remembered, newest first.
    #[must_use]
    pub fn newest(&self) -> Vec<Arc<Operation>> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.iter().rev().cloned().collect()
    }

    /// One move, if it is remembered.
    #[must_use]
    pub fn get(&self, id: &OperationId) -> Option<Arc<Operation>> {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        operations.iter().rfind(|operation| operation.operation_id == *id).cloned()
    }

    /// Every change from now on, each as the whole move.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Arc<Operation>> {
        self.changes.subscribe()
    }

    /// Changes a move, or `first`, if it is not remembered.
    pub(super) fn change(&self, first: &Operation, change: impl FnOnce(&mut Operation)) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let known = operations.iter().rposition(|known| known.operation_id == first.operation_id);
        let mut operation = match known {
            Some(at) => operations[at].as_ref().clone(),
            None => first.clone(),
        };
        change(&mut operation);
        let operation = Arc::new(operation);
        match known {
            Some(at) => operations[at] = Arc::clone(&operation),
            None => {
                if operations.len() >= CAPACITY {
                    forget_one(&mut operations);
                }
                operations.push_back(Arc::clone(&operation));
            }
        }
        // Told under the lock, so that changes are heard in their order. Nobody need listen.
        let _ = self.changes.send(operation);
    }
}

/// What failed is forgotten first, since nothing came of it; what is not over yet, last.
fn forget_one(operations: &mut VecDeque<Arc<Operation>>) {
    let is_dull =
        |operation: &Arc<Operation>| operation.state.is_final() && operation.state != State::Committed;
    let at = operations
        .iter()
        .position(is_dull)
        .or_else(|| operations.iter().position(|operation| operation.state.is_final()))
        .unwrap_or(0);
    operations.remove(at);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use failover_core::intent::Intent;
    use failover_core::name::{Role, ServiceName};

    use super::*;
    use crate::clock;

    fn operation(number: usize) -> Operation {
        let intent = Intent {
            services: ServiceName::new("sonarr").unwrap().into(),
            to: Role::Backup,
            partial: false,
            reason: None,
            requested_by: None,
            expect: None,
            alarm_began: None,
            force: BTreeSet::new(),
            operation: OperationId::new(format!("op-{number}")).unwrap(),
            idempotency_key: None,
        };
        Operation::new(&intent, None, clock::exact_now())
    }

    #[test]
    fn what_failed_is_forgotten_first_and_what_is_not_over_last() {
        let journal = Journal::default();
        for number in 0..CAPACITY {
            journal.change(&operation(number), |operation| {
                operation.state = match number {
                    0 => State::InDoubt,
                    5 => State::Failed,
                    _ => State::Committed,
                };
            });
        }
        let knows = |number| journal.get(&operation(number).operation_id).is_some();
        journal.change(&operation(1000), |_| {});
        assert!(knows(0) && knows(1) && !knows(5) && knows(1000));
        journal.change(&operation(1001), |_| {});
        assert!(knows(0) && !knows(1) && knows(2) && knows(1001));
        assert_eq!(journal.newest().len(), CAPACITY);
        assert_eq!(journal.newest()[0].operation_id.as_str(), "op-1001");
    }

    #[test]
    fn listeners_hear_each_change_in_order_as_the_whole_move() {
        let journal = Journal::default();
        let mut changes = journal.changes();
        journal.change(&operation(1), |_| {});
        journal.change(&operation(1), |operation| operation.state = State::Committed);
        assert_eq!(changes.try_recv().unwrap().state, State::UnderWay);
        assert_eq!(changes.try_recv().unwrap().state, State::Committed);
        assert_eq!(journal.newest().len(), 1);
    }
}
