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

/// Tells everybody that it is over.
#[derive(Default)]
pub(crate) struct Over {
    over: Mutex<bool>,
    changed: Condvar,
}

/// Says so when it is dropped, also by a panic.
pub(crate) struct End<'a>(pub(crate) &'a Over);

pub(crate) struct Replica {
    pub(crate) proxy: Proxy,
    arguments: Vec<OsString>,
    cache: TempDir,
    client: Mutex<Option<Client>>,
    kept: Mutex<Kept>,
}

/// What is left of the servers that ran here.
#[derive(Default, Clone)]
pub(crate) struct Kept {
    pub(crate) kills: usize,
    pub(crate) log: Vec<String>,
}

impl Over {
    /// Waits this long; says whether it is over.
    pub(crate) fn after(&self, time: Duration) -> bool {
        let over = self.over.lock().unwrap();
        *self.changed.wait_timeout_while(over, time, |over| !*over).unwrap().0
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        *self.0.over.lock().unwrap() = true;
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
        Self { proxy, arguments, cache, client: Mutex::default(), kept: Mutex::default() }
    }

    /// To ask the server with, when there is one.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client.lock().unwrap().clone()
    }

    pub(crate) fn kept(&self) -> Kept {
        self.kept.lock().unwrap().clone()
    }

    /// Runs servers, one after the other, and kills each; the last one is asked to end.
    pub(crate) fn run(&self, over: &Over, mut random: Rng) {
        while !over.after(Duration::from_millis(random.u64(0..300))) {
            let mut server = Server::start(&self.arguments);
            *self.client.lock().unwrap() = Some(server.client());
            let is_over = over.after(Duration::from_millis(random.u64(2000..16000)));
            if is_over {
                assert!(server.terminate().success());
            } else {
                wait_for_a_push(&server, &mut random);
                server.kill();
            }
            *self.client.lock().unwrap() = None;
            let mut kept = self.kept.lock().unwrap();
            kept.kills += usize::from(!is_over);
            kept.log.extend(server.log());
        }
        assert!(self.cache.path().is_dir());
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
