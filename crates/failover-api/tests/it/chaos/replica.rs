//! A server that is killed and started again, behind a line that breaks.

use std::ffi::OsString;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;

use super::host::Host;
use crate::support::api::{Client, Server};
use crate::support::proxy::{Armed, Direction, Fault, Proxy};
use crate::support::scene::Scene;

/// Keeps everybody in step with the moves, so that a slow machine has no more trouble for each of them than a fast one.
#[derive(Default)]
pub(crate) struct Pace {
    state: Mutex<Passed>,
    changed: Condvar,
}

#[derive(Default)]
struct Passed {
    moves: usize,
    over: bool,
}

/// Says that it is over when it is dropped, also by a panic.
pub(crate) struct End<'a>(pub(crate) &'a Pace);

pub(crate) struct Replica {
    pub(crate) proxy: Proxy,
    arguments: Vec<OsString>,
    /// Only there to be removed.
    _cache: TempDir,
    client: Mutex<Option<Client>>,
    kept: Mutex<Kept>,
}

/// What is left of the servers that ran here.
#[derive(Default, Clone)]
pub(crate) struct Kept {
    pub(crate) kills: usize,
    pub(crate) log: Vec<String>,
}

impl Pace {
    /// One more move is answered.
    pub(crate) fn moved(&self) {
        self.state.lock().unwrap().moves += 1;
        self.changed.notify_all();
    }

    /// Waits for about so many moves, at most a second for each; says whether it is over.
    pub(crate) fn after_moves(&self, moves: u64, random: &mut Rng) -> bool {
        let state = self.state.lock().unwrap();
        let enough = state.moves + random.usize(0..=2 * usize::try_from(moves).unwrap());
        let waiting = |passed: &mut Passed| !passed.over && passed.moves < enough;
        drop(self.changed.wait_timeout_while(state, Duration::from_secs(moves), waiting).unwrap());
        self.after(Duration::from_millis(random.u64(20..200)))
    }

    /// Waits this long; says whether it is over.
    pub(crate) fn after(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap();
        self.changed.wait_timeout_while(state, time, |passed| !passed.over).unwrap().0.over
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().over = true;
        self.0.changed.notify_all();
    }
}

impl Replica {
    pub(crate) fn new(host: &dyn Host, scene: &Scene) -> Self {
        let (proxy, cache) = (Proxy::start(host.address()), TempDir::new().unwrap());
        let mut arguments = host.arguments(scene, &proxy);
        arguments.extend(["--cache-dir".into(), cache.path().into()]);
        // It looks at the remote by itself too, now and then.
        arguments.iter_mut().filter(|argument| *argument == "1h").for_each(|poll| *poll = "2s".into());
        Self { proxy, arguments, _cache: cache, client: Mutex::default(), kept: Mutex::default() }
    }

    /// To ask the server with, when there is one.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client.lock().unwrap().clone()
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept.lock().unwrap().clone()
    }

    /// Runs servers, one after the other, and kills each; the last one is asked to end.
    pub(crate) fn run(&self, host: &dyn Host, pace: &Pace, mut random: Rng) {
        while !pace.after(Duration::from_millis(random.u64(0..300))) {
            let mut server = Server::start(&self.arguments);
            *self.client.lock().unwrap() = Some(server.client());
            let is_over = pace.after_moves(20, &mut random);
            if is_over {
                assert!(server.terminate().success());
            } else {
                wait_for_a_push(&server, &mut random);
                host.kill(&mut server);
            }
            *self.client.lock().unwrap() = None;
            let mut kept = self.kept.lock().unwrap();
            kept.kills += usize::from(!is_over);
            kept.log.extend(server.log());
        }
    }

    /// Something happens to the line.
    pub(crate) fn spoil(&self, random: &mut Rng) {
        let direction = if random.bool() { Direction::ToServer } else { Direction::ToClient };
        let fault = match random.u8(0..10) {
            0..3 => Fault::Cut,
            3..5 => Fault::Halve,
            5..8 => Fault::Stall(Duration::from_millis(random.u64(50..1200))),
            _ => Fault::Delay(Duration::from_millis(random.u64(1..25))),
        };
        // About what a connection takes to be made, or a move on one that is there.
        let armed = Armed { direction, after: random.u64(0..6000), fault };
        if random.u8(0..4) == 0 {
            self.proxy.arm_next(&[armed]);
        } else {
            self.proxy.arm_current(&[armed]);
        }
    }
}

/// Often the worst moment: when a push is under way, or has just ended and nobody was told yet.
fn wait_for_a_push(server: &Server, random: &mut Rng) {
    let Some(message) = [None, Some("push begins"), Some("push ended")][random.usize(0..3)] else { return };
    let pushes = |event: &serde_json::Value| event["message"] == message;
    server.next_log(server.log().len(), Duration::from_secs(2), pushes);
    std::thread::sleep(Duration::from_millis(random.u64(0..50) * u64::from(message == "push begins")));
}
