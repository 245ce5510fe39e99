//! A web server on loopback that takes note of what it is told, and answers as a test wants it to.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::process::PATIENCE;

/// What somebody told it.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// `POST /path?query`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// As it was sent.
    pub(crate) body: Vec<u8>,
}

/// A receiver. Its threads end with the tests.
pub(crate) struct Hook {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    told: Vec<Told>,
    /// The answers to come; 200 when there is none left.
    answers: VecDeque<Answer>,
    /// Whether answers wait.
    held: bool,
}

/// What a request is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// This status, and an echo of the request.
    Status(u16),
    /// This status, these header lines and this body.
    Full(u16, String, String),
    /// A body without end, as far as it is read.
    Endless,
    /// The head of an answer, and then nothing more.
    Cut,
    /// Nothing at all.
    Closed,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Hook {
    /// Listens on a free port.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let hook = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&hook.shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.answer(stream));
            }
        });
        hook
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests are answered with these statuses, all later ones with 200.
    pub(crate) fn answer_with(&self, statuses: impl IntoIterator<Item = u16>) {
        self.answer_as(statuses.into_iter().map(Answer::Status));
    }

    /// The next requests are answered like this, all later ones with 200.
    pub(crate) fn answer_as(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().unwrap().answers = answers.into_iter().collect();
    }

    /// Nobody gets an answer before [`Self::release`].
    pub(crate) fn hold(&self) {
        self.shared.state.lock().unwrap().held = true;
    }

    /// Ends [`Self::hold`].
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap().held = false;
        self.shared.changed.notify_all();
    }

    /// Waits until it was told so often, and gives all that it was told.
    pub(crate) fn wait(&self, count: usize) -> Vec<Told> {
        let state = self.shared.state.lock().unwrap();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, |state| state.told.len() < count)
            .unwrap();
        assert!(state.told.len() >= count, "told {} times: {:?}", state.told.len(), state.told);
        state.told.clone()
    }

    /// What it was told so far.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.shared.state.lock().unwrap().told.clone()
    }
}

impl Shared {
    /// One request on a connection. The answer repeats it, as an unfriendly server would.
    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_err() || line.is_empty() {
                return;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let headers: Vec<_> = lines[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let line = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
        let told = Told { line, headers, body };
        let mut state = self.state.lock().unwrap();
        let answer = state.answers.pop_front().unwrap_or(Answer::Status(200));
        state.told.push(told.clone());
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.held).unwrap());
        let echo = format!("{}\n{}\n{}", lines.join("\n"), String::from_utf8_lossy(&told.body), told.line);
        let whole = |status: u16, headers: &str, body: &str| {
            format!(
                "HTTP/1.1 {status} {}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
                told.line,
                body.len()
            )
        };
        let stream = reader.get_mut();
        let _ = match answer {
            Answer::Status(status) => {
                stream.write_all(whole(status, &format!("location: {}\r\n", told.line), &echo).as_bytes())
            }
            Answer::Full(status, headers, body) => {
                stream.write_all(whole(status, &headers, &body).as_bytes())
            }
            Answer::Cut => stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le"),
            Answer::Closed => Ok(()),
            Answer::Endless => {
                let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while sent.is_ok() {
                    sent = stream.write_all(&[b'x'; 4096]);
                }
                sent
            }
        };
    }
}
