//! A line between a client and a server: a TCP proxy that takes its time, or breaks at a chosen byte.
//!
//! It moves bytes and knows no protocol, so SSH and HTTPS go through it alike.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::process::PATIENCE;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What happens to a byte, and to those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Both sides are closed, and the byte never arrives.
    Cut,
    /// Of the bytes that came together with it the first half arrives; then as [`Fault::Cut`].
    Halve,
    /// It waits this long, with all that come after it in its direction.
    Stall(Duration),
    /// From here on every byte of the direction takes this much longer.
    Delay(Duration),
}

/// A fault and the byte that meets it: the first one after `after` others in its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Armed {
    pub(crate) direction: Direction,
    pub(crate) after: u64,
    pub(crate) fault: Fault,
}

/// A line to one server. Closed with all its connections when dropped; no thread of it is left then.
pub(crate) struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    acceptor: Option<JoinHandle<()>>,
}

struct Line {
    server: SocketAddr,
    round_trip: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    interrupted: bool,
    next: Vec<Armed>,
    connections: Vec<Arc<Connection>>,
    met: Vec<Fault>,
}

#[derive(Default)]
struct Connection {
    state: Mutex<ConnectionState>,
    closed: Condvar,
}

#[derive(Default)]
struct ConnectionState {
    closed: bool,
    sockets: Vec<TcpStream>,
    ways: [Way; 2],
}

#[derive(Default)]
struct Way {
    gone: u64,
    faults: Vec<(u64, Fault)>,
}

/// When bytes were read, and those that were read together; none of them is the end.
type Chunk = (Instant, Vec<u8>);

impl Proxy {
    /// A line that takes no time of its own.
    pub(crate) fn start(server: SocketAddr) -> Self {
        Self::with_round_trip(server, Duration::ZERO)
    }

    /// Bytes arrive half a round trip after they were sent, whatever else is on its way. For the handshake of TCP, what
    /// a client sends before it has heard anything is held one round trip more.
    pub(crate) fn with_round_trip(server: SocketAddr, round_trip: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Line { server, round_trip, state: Mutex::default(), changed: Condvar::new() });
        let acceptor = thread::spawn({
            let line = Arc::clone(&line);
            move || line.accept(&listener)
        });
        Self { address, line, acceptor: Some(acceptor) }
    }

    /// Where clients connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection will meet these, counted from its first byte. They add to those that wait already.
    pub(crate) fn arm_next(&self, faults: &[Armed]) {
        self.line.state.lock().unwrap().next.extend(faults);
    }

    /// Every connection of now will meet these, counted from the bytes that have gone; says how many there are.
    pub(crate) fn arm_current(&self, faults: &[Armed]) -> usize {
        self.each(|connection| connection.arm(faults))
    }

    /// Cuts every connection of now, whether or not bytes move; says how many there were.
    pub(crate) fn cut(&self) -> usize {
        self.each(Connection::close)
    }

    /// Cuts every connection, and lets none begin until [`Self::restore`].
    pub(crate) fn interrupt(&self) {
        self.line.state.lock().unwrap().interrupted = true;
        self.cut();
    }

    /// Ends [`Self::interrupt`].
    pub(crate) fn restore(&self) {
        self.line.state.lock().unwrap().interrupted = false;
    }

    fn each(&self, act: impl Fn(&Connection)) -> usize {
        let state = self.line.state.lock().unwrap();
        state.connections.iter().for_each(|connection| act(connection));
        state.connections.len()
    }

    /// The faults that bytes have met, in order.
    pub(crate) fn met(&self) -> Vec<Fault> {
        self.line.state.lock().unwrap().met.clone()
    }

    /// Waits until bytes have met that many faults.
    pub(crate) fn wait_met(&self, count: usize) {
        let state = self.line.state.lock().unwrap();
        let waited = self.line.changed.wait_timeout_while(state, PATIENCE, |state| state.met.len() < count);
        assert!(!waited.unwrap().1.timed_out(), "{count} faults");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.state.lock().unwrap().over = true;
        self.cut();
        // Accepting ends with the connection that finds that it is over.
        let _ = TcpStream::connect(self.address);
        self.acceptor.take().map(JoinHandle::join);
    }
}

impl Line {
    fn accept(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            for client in listener.incoming().flatten() {
                let mut state = self.state.lock().unwrap();
                if state.over {
                    return;
                }
                if state.interrupted {
                    continue;
                }
                let connection = Arc::new(Connection::default());
                connection.add(&client);
                connection.arm(&std::mem::take(&mut state.next));
                state.connections.push(Arc::clone(&connection));
                scope.spawn(move || {
                    self.serve(&connection, &client);
                    connection.close();
                    let mut state = self.state.lock().unwrap();
                    state.connections.retain(|other| !Arc::ptr_eq(other, &connection));
                });
            }
        });
    }

    fn serve(&self, connection: &Connection, client: &TcpStream) {
        // A server takes a connection when the third packet of the handshake has come.
        if !connection.wait_until(Instant::now() + self.round_trip * 3 / 2) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let _ = client.set_nodelay(true).and(server.set_nodelay(true));
        if !connection.add(&server) {
            return;
        }
        thread::scope(|scope| {
            let ways = [(client, &server, Direction::ToServer), (&server, client, Direction::ToClient)];
            for (from, to, direction) in ways {
                let (sender, receiver) = channel();
                scope.spawn(move || read_all(from, &sender));
                scope.spawn(move || {
                    // What one side has closed is closed for the other one; the other direction may go on.
                    match self.deliver(connection, direction, to, &receiver) {
                        Some(()) => drop(to.shutdown(Shutdown::Write)),
                        None => connection.close(),
                    }
                });
            }
        });
    }

    /// Delivers what comes, until its end; `None` if the connection must be closed.
    fn deliver(
        &self,
        connection: &Connection,
        direction: Direction,
        mut to: &TcpStream,
        chunks: &Receiver<Chunk>,
    ) -> Option<()> {
        let mut delay = Duration::ZERO;
        for (read, bytes) in chunks {
            let mut due = read + self.round_trip / 2;
            if direction == Direction::ToServer && connection.heard_nothing() {
                due += self.round_trip;
            }
            connection.wait_until(due + delay).then_some(())?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (before, fault) = connection.advance(direction, rest.len());
                to.write_all(&rest[..before]).ok()?;
                rest = &rest[before..];
                let Some(fault) = fault else { continue };
                self.state.lock().unwrap().met.push(fault);
                self.changed.notify_all();
                match fault {
                    Fault::Cut => return None,
                    Fault::Halve => {
                        let _ = to.write_all(&rest[..rest.len() / 2]);
                        return None;
                    }
                    Fault::Stall(time) => connection.wait_until(Instant::now() + time).then_some(())?,
                    Fault::Delay(time) => {
                        delay = time;
                        connection.wait_until(due + delay).then_some(())?;
                    }
                }
            }
        }
        Some(())
    }
}

fn read_all(mut from: &TcpStream, chunks: &Sender<Chunk>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // An error ends the direction as an end does: the other side of it is told by closing.
        let length = from.read(&mut buffer).unwrap_or(0);
        if chunks.send((Instant::now(), buffer[..length].to_vec())).is_err() || length == 0 {
            return;
        }
    }
}

impl Connection {
    /// One more side of it; `false` when it is closed already.
    fn add(&self, side: &TcpStream) -> bool {
        let mut state = self.state.lock().unwrap();
        state.sockets.push(side.try_clone().unwrap());
        !state.closed
    }

    fn arm(&self, faults: &[Armed]) {
        let mut state = self.state.lock().unwrap();
        for Armed { direction, after, fault } in faults {
            let way = &mut state.ways[*direction as usize];
            way.faults.push((way.gone + after, *fault));
            way.faults.sort_by_key(|(at, _)| *at);
        }
    }

    fn heard_nothing(&self) -> bool {
        self.state.lock().unwrap().ways[Direction::ToClient as usize].gone == 0
    }

    /// How many of the next `length` bytes go before one meets a fault, and which.
    fn advance(&self, direction: Direction, length: usize) -> (usize, Option<Fault>) {
        let way = &mut self.state.lock().unwrap().ways[direction as usize];
        let next = way.faults.first().filter(|(at, _)| *at < way.gone + length as u64).copied();
        let before = next.map_or(length, |(at, _)| usize::try_from(at - way.gone).unwrap());
        way.gone += before as u64;
        (before, next.map(|_| way.faults.remove(0).1))
    }

    /// `false` when the connection was closed before that.
    fn wait_until(&self, due: Instant) -> bool {
        let state = self.state.lock().unwrap();
        let time = due.saturating_duration_since(Instant::now());
        !self.closed.wait_timeout_while(state, time, |state| !state.closed).unwrap().0.closed
    }

    fn close(&self) {
        let mut state = self.state.lock().unwrap();
        state.closed = true;
        self.closed.notify_all();
        state.sockets.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
    }
}
