//! A caller who does not rest before they know what became of their move.

use std::time::{Duration, Instant};

use fastrand::Rng;

use super::SERVICES;
use super::replica::{Pace, Replica};
use crate::support::api::{Client, Reply};
use crate::support::audit::{Answer, Call};
use crate::support::scene::manifest_path;

/// How often a move is asked for at most, before it is left for quieter times.
const TRIES: usize = 40;

/// A key is this and the number of the move.
const KEY: &str = "chaos-";

pub(crate) struct Caller<'a> {
    pub(crate) replicas: &'a [Replica],
    pub(crate) pace: &'a Pace,
    pub(crate) random: Rng,
}

impl Caller<'_> {
    /// Asks one replica or another until there is an answer to rely on.
    pub(crate) fn carry_out(&mut self, number: usize) -> Call {
        let mut call = new_call(number);
        let mut tries = 0;
        while !call.is_settled() && tries < TRIES {
            tries += 1;
            self.try_once(&mut call);
            // Some ask once more although they know: another replica, perhaps, has to say the same.
            let once_more = number.is_multiple_of(8) && call.answers.len() == 1;
            if once_more && matches!(call.answers[..], [Answer::Changed { .. }]) {
                self.try_once(&mut call);
            }
        }
        call
    }

    fn try_once(&mut self, call: &mut Call) {
        let replica = &self.replicas[self.random.usize(..self.replicas.len())];
        let answer = replica.client().and_then(|client| ask(&client, call));
        let useful = matches!(answer, Some(Answer::Changed { .. } | Answer::Unchanged));
        if let Some(answer) = answer {
            call.answers.push(answer);
            call.span.1 = Instant::now();
        }
        if !useful {
            self.pace.after(Duration::from_millis(self.random.u64(20..200)));
        }
    }
}

fn new_call(number: usize) -> Call {
    let service = SERVICES[number % SERVICES.len()];
    let mut edits = [
        ("{role: primary}".to_owned(), "{role: backup}".to_owned()),
        (format!("'pvc-{service}'"), format!("'pvc-{service}-backup'")),
    ];
    if is_way_back(number) {
        edits.iter_mut().for_each(|(old, new)| std::mem::swap(old, new));
    }
    Call {
        key: format!("{KEY}{number}"),
        path: manifest_path(service),
        edits: edits.into(),
        answers: Vec::new(),
        span: (Instant::now(), Instant::now()),
    }
}

fn is_way_back(number: usize) -> bool {
    number / SERVICES.len() % 2 == 1
}

/// What the server says; `None` when there is none to ask.
pub(crate) fn ask(client: &Client, call: &Call) -> Option<Answer> {
    let number: usize = call.key.strip_prefix(KEY).unwrap().parse().unwrap();
    let verb = if is_way_back(number) { "demote" } else { "promote" };
    let path = format!("/api/failover/{}/{verb}", SERVICES[number % SERVICES.len()]);
    match client.try_request("POST", &path, "", &[("idempotency-key", &call.key)]) {
        Ok(reply) => Some(understand(&reply)),
        Err(ureq::Error::Io(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => None,
        Err(ureq::Error::ConnectionFailed) => None,
        Err(_) => Some(Answer::Nothing),
    }
}

fn understand(reply: &Reply) -> Answer {
    let text = |field: &str| reply.json[field].as_str().unwrap_or_default().to_owned();
    match (reply.status, reply.json["changed"].as_bool(), &text("code")[..]) {
        (200, Some(true), _) => Answer::Changed { commit: text("commit"), operation: text("operation_id") },
        (200, Some(false), _) => Answer::Unchanged,
        (504, None, "outcome-unknown") => Answer::Unknown,
        // Whatever goes wrong here is no fault of the caller.
        (502..=504, None, code) if !code.is_empty() => Answer::Failed(code.to_owned()),
        _ => panic!("{} {}", reply.status, reply.text),
    }
}
