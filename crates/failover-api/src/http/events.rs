//! Changes as they happen, as server-sent events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Extension, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use failover_core::code::Code;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::hold_answer;
use super::problem::Answer;
use super::services::Parameters;
use super::state::{AppState, MAX_SUBSCRIBERS, MAX_SUBSCRIBERS_OF_ONE};
use crate::auth::{Standing, network};
use crate::clock;
use crate::operations::Operation;
use crate::view::View;

/// A comment this often shows both ends that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends by itself before its connection does for its age; see the server.
const MAX_AGE: Duration = Duration::from_secs(160);
/// How long a client waits before it connects again, in milliseconds.
const RETRY: u32 = 1000;
/// Events that wait for a client to read them, besides those of the journal.
const BUFFER: usize = 8;

/// `GET /api/events`
pub(super) async fn events(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(standing): Extension<Standing>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let address = network(peer.ip());
    let place = state.subscriptions.take(address).ok_or_else(|| {
        too_many(format!("{MAX_SUBSCRIBERS_OF_ONE} connections of {address} follow the events already"))
    })?;
    let slot: OwnedSemaphorePermit = Arc::clone(&state.subscribers)
        .try_acquire_owned()
        .map_err(|_| too_many(format!("{MAX_SUBSCRIBERS} connections follow the events already")))?;
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(async move {
        let _held = (slot, place);
        let (journal, stop) = (state.pipeline.journal(), state.pipeline.stop());
        let end = Instant::now() + MAX_AGE;
        let stream = Stream { sender, stop, standing, end };
        // It ends when there is nobody to tell any more, which is no error.
        let _ = stream.run(journal.changes(), state.pipeline.view()).await;
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would keep events back until it has a few kilobytes of them.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::new(Events(receiver))).into_response())
}

fn too_many(detail: String) -> Answer {
    Answer::problem(Code::TooManyStreams, detail, "close some, or ask GET /api/operations now and then")
}

struct Stream {
    sender: mpsc::Sender<Bytes>,
    stop: CancellationToken,
    standing: Standing,
    end: Instant,
}

/// The client is gone or may not see this any more, the server stops, or the stream is old enough.
struct Over;

impl Stream {
    async fn run(
        &self,
        mut changes: broadcast::Receiver<Arc<Operation>>,
        mut views: watch::Receiver<Option<Arc<View>>>,
    ) -> Result<(), Over> {
        let mut ticks = tokio::time::interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.send(format!("retry: {RETRY}\n\n")).await?;
        let mut shown = views.borrow_and_update().clone();
        if let Some(view) = &shown {
            self.send(event("view", &described(view))).await?;
        }
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(operation) => self.send(event("operation", &json!(*operation))).await?,
                    Err(RecvError::Lagged(missed)) => {
                        let why = json!({ "missed": missed });
                        self.send(event("resync", &why)).await?;
                        return Ok(());
                    }
                    Err(RecvError::Closed) => return Ok(()),
                },
                changed = views.changed() => {
                    changed.map_err(|_| Over)?;
                    let view = views.borrow_and_update().clone();
                    if let Some(new) = &view && shown.as_ref().is_none_or(|old| differ(old, new)) {
                        self.send(event("view", &described(new))).await?;
                        let before = shown.as_ref().map(|old| &old.tree.restraints.holds);
                        if before.is_some_and(|before| *before != new.tree.restraints.holds) {
                            self.send(event("holds", &holds(new))).await?;
                        }
                    }
                    shown = view;
                }
                _ = ticks.tick() => self.send(": still here\n\n".to_owned()).await?,
                over = self.over() => return Err(over),
            }
        }
    }

    async fn send(&self, text: String) -> Result<(), Over> {
        tokio::select! {
            sent = self.sender.send(text.into()) => sent.map_err(|_| Over),
            over = self.over() => Err(over),
        }
    }

    async fn over(&self) -> Over {
        tokio::select! {
            () = self.sender.closed() => Over,
            () = self.stop.cancelled() => Over,
            () = self.standing.lost() => Over,
            () = tokio::time::sleep_until(self.end) => Over,
        }
    }
}

/// What is held now, or why nobody knows.
fn holds(view: &View) -> Value {
    match view.tree.restraints.holds.known() {
        Ok(holds) => json!({ "holds": hold_answer::holds(holds, &view.config, clock::now()) }),
        Err(problems) => json!({ "problems": problems }),
    }
}

/// Whether an answer could be another; a view that is only younger gives the same ones.
fn differ(old: &View, new: &View) -> bool {
    old.tree.revision != new.tree.revision || !Arc::ptr_eq(&old.config, &new.config)
}

fn described(view: &View) -> Value {
    json!({ "revision": view.tree.revision, "services": view.config.services().len() })
}

/// JSON has no line breaks of its own, so one data line is enough.
fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

/// The body: whatever is sent until the sender is gone.
#[derive(Debug)]
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.get_mut().0.poll_recv(context).map(|bytes| Some(Ok(Frame::data(bytes?))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use failover_core::intent::Intent;
    use failover_core::name::{Role, ServiceName};

    use super::*;
    use crate::clock;
    use crate::operations::{Journal, Tracked};

    /// A move of which there is something to tell.
    fn tracked(journal: &Arc<Journal>) -> Tracked {
        let intent = Intent {
            services: ServiceName::new("sonarr").unwrap().into(),
            partial: false,
            to: Role::Backup,
            reason: None,
            requested_by: None,
            expect: None,
            alarm_began: None,
            force: BTreeSet::new(),
            operation: clock::new_operation().unwrap(),
            idempotency_key: None,
        };
        Tracked::new(Arc::clone(journal), Operation::new(&intent, None, clock::exact_now()))
    }

    impl Stream {
        /// A stream that anybody may follow.
        fn of(sender: mpsc::Sender<Bytes>, stop: CancellationToken) -> Self {
            Self { sender, stop, standing: Standing::Lasting, end: Instant::now() + MAX_AGE }
        }
    }

    async fn read_all(mut receiver: mpsc::Receiver<Bytes>) -> String {
        let mut text = Vec::new();
        while let Some(bytes) = receiver.recv().await {
            text.extend_from_slice(&bytes);
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn who_falls_behind_is_told_so_and_let_go() {
        let journal = Arc::new(Journal::default());
        let (sender, receiver) = mpsc::channel(BUFFER);
        let stream = Stream::of(sender, CancellationToken::new());
        let (_views, view) = watch::channel(None);
        let changes = journal.changes();
        let tracked = tracked(&journal);
        // More than the journal keeps for anybody.
        (0..1000).for_each(|number| tracked.failed(None, &number.to_string()));
        let (ended, text) =
            tokio::join!(async move { stream.run(changes, view).await.is_ok() }, read_all(receiver));
        assert!(ended && text.starts_with("retry: 1000\n\nevent: resync\ndata: {\"missed\":"), "{text}");
        assert_eq!(text.matches("event: ").count(), 1);
    }

    #[tokio::test]
    async fn a_stop_ends_a_stream_that_nobody_reads() {
        let journal = Arc::new(Journal::default());
        let (sender, _receiver) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let stream = Stream::of(sender, stop.clone());
        let (_views, view) = watch::channel(None);
        let running = tokio::spawn({
            let changes = journal.changes();
            async move { stream.run(changes, view).await.is_err() }
        });
        let tracked = tracked(&journal);
        (0..10).for_each(|_| tracked.landed());
        stop.cancel();
        assert!(running.await.unwrap());
    }
}
