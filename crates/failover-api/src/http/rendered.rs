//! Answers that are rendered once for each view, however often they are asked for.
//!
//! What is the same for everybody who sees a view is kept as text. What is not (the view's age, a config that is
//! refused by now, what the caller expects) stands at the end of an answer and is written for each.

use std::array;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use failover_core::brake;
use failover_core::config::Service;
use failover_core::name::{Role, ServiceName};
use failover_core::plan::unknown_service;
use failover_core::topology::{Active, ServiceState};
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::problem::Answer;
use super::{answer, hold_answer};
use crate::clock;
use crate::metrics::{MAX_SERVICES, ServiceRole};
use crate::pipeline::{Pipeline, blocking};
use crate::view::View;

/// The answers about the newest view that anybody asked about. Derived from it alone.
#[derive(Debug, Default)]
pub(super) struct Rendered(Mutex<Arc<OfView>>);

/// What has been rendered of one view so far.
#[derive(Debug, Default)]
struct OfView {
    /// Keeps the view's place in memory, so that no other view is taken for it, but not what is in it.
    view: Weak<View>,
    /// From this moment on holds and cooldowns are others, though nothing was committed.
    until: Option<Timestamp>,
    list: OnceCell<Start>,
    roles: OnceCell<Vec<ServiceRole>>,
    /// One for each service of the view's config.
    statuses: BTreeMap<ServiceName, OnceCell<Status>>,
}

/// One service's status.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) start: Start,
    pub(super) active: Active,
}

impl Rendered {
    /// The newest view with what is rendered of it; `None` if there is no view yet.
    pub(super) fn newest(&self, pipeline: &Pipeline) -> Option<Newest> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock, so that an older view never takes a newer one's place.
        let view = pipeline.view().borrow().clone()?;
        let now = clock::now();
        if known.view.as_ptr() != Arc::as_ptr(&view) || known.until.is_some_and(|until| until <= now) {
            let services = view.config.services().map(|service| (service.name.clone(), OnceCell::new()));
            let statuses = services.collect();
            *known = Arc::new(OfView {
                view: Arc::downgrade(&view),
                until: brake::next_change(view.config.services(), &view.tree.restraints, now),
                list: OnceCell::new(),
                roles: OnceCell::new(),
                statuses,
            });
        }
        Some(Newest { view, rendered: Arc::clone(&known) })
    }
}

/// The newest view and its answers. The first who asks for one waits for a thread that renders it, with everybody
/// who asks meanwhile: hundreds of services in large files take a while, and probes must not wait for that.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) view: Arc<View>,
    rendered: Arc<OfView>,
}

impl Newest {
    /// Every service.
    pub(super) async fn list(&self) -> Result<&Start, Answer> {
        let render = async || {
            let view = Arc::clone(&self.view);
            blocking(move || list(&view)).await
        };
        Ok(self.rendered.list.get_or_try_init(render).await?)
    }

    /// Where each service is, as far as metrics show it.
    pub(super) async fn roles(&self) -> Result<&[ServiceRole], Answer> {
        let render = async || {
            let view = Arc::clone(&self.view);
            blocking(move || {
                view.config.services().take(MAX_SERVICES).map(|service| role(service, &view)).collect()
            })
            .await
        };
        Ok(self.rendered.roles.get_or_try_init(render).await?)
    }

    /// One service with its findings.
    pub(super) async fn status(&self, name: &str) -> Result<&Status, Answer> {
        let found = ServiceName::new(name)
            .ok()
            .and_then(|name| Some((self.view.config.get(&name)?, self.rendered.statuses.get(&name)?)));
        let (service, status) = found.ok_or_else(|| unknown_service(&self.view.config, name))?;
        let render = async || {
            let (view, service) = (Arc::clone(&self.view), service.clone());
            blocking(move || status_of(&service, &view)).await
        };
        Ok(status.get_or_try_init(render).await?)
    }
}

fn list(view: &View) -> Start {
    let now = clock::now();
    let service = |service| {
        let mut answer = answer::service(service, view);
        hold_answer::add_restraints(&mut answer, service, view, now);
        answer
    };
    let services: Vec<Value> = view.config.services().map(service).collect();
    let mut answer = json!({ "count": services.len(), "services": services });
    hold_answer::add_problem(&mut answer, view);
    answer::add_revision(&mut answer, view);
    Start::new(&answer)
}

fn role(service: &Service, view: &View) -> ServiceRole {
    let active = ServiceState::read(service, &view.tree).active();
    let restraints = &view.tree.restraints;
    // While it is not known what is held nothing may be moved.
    let held = restraints.holds.holds.as_ref().map_or(true, |holds| {
        let now = clock::now();
        holds.of(&service.name).any(|hold| !hold.is_expired(now))
    });
    ServiceRole { service: service.name.clone(), namespace: service.namespace.clone(), active, held }
}

fn status_of(service: &Service, view: &View) -> Status {
    let current = ServiceState::read(service, &view.tree);
    let to = if current.active() == Active::Backup { Role::Primary } else { Role::Backup };
    let now = clock::now();
    let mut answer = answer::service(service, view);
    hold_answer::add_restraints(&mut answer, service, view, now);
    hold_answer::add_problem(&mut answer, view);
    answer["findings"] = json!(view.findings(&current, to, now));
    answer["findings_for"] = json!(to);
    answer::add_revision(&mut answer, view);
    Status { start: Start::new(&answer), active: current.active() }
}

/// The text of an answer but for its last members.
#[derive(Debug)]
pub(super) struct Start(Bytes);

impl Start {
    /// The members of `answer`, which is an object and has some.
    fn new(answer: &Value) -> Self {
        let text = format!("{answer:#}");
        let open = text.strip_suffix("\n}").unwrap_or(&text);
        Self(format!("{open},").into())
    }

    /// The answer with the members of `end`, an object that has some.
    pub(super) fn with(&self, end: &Value) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], Body::new(self.text_with(end))).into_response()
    }

    fn text_with(&self, end: &Value) -> Parts {
        let text = format!("{end:#}\n");
        let members = text.strip_prefix('{').unwrap_or(&text).to_owned();
        Parts([self.0.clone(), members.into()].into_iter())
    }
}

/// A body in two parts, the first of which is shared and not copied.
#[derive(Debug)]
struct Parts(array::IntoIter<Bytes, 2>);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.next().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let lengths = self.0.as_slice().iter().map(Bytes::len);
        SizeHint::with_exact(u64::try_from(lengths.sum::<usize>()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_and_an_end_are_the_text_of_the_whole() {
        let start = json!({ "count": 1, "services": [{ "name": "sonarr", "settings": [] }] });
        for end in [json!({ "view_age_seconds": 7 }), json!({ "view_age_seconds": 0, "expected": "a\n}" })] {
            let mut whole = start.clone();
            whole.as_object_mut().unwrap().extend(end.as_object().unwrap().clone());
            let body = Start::new(&start).text_with(&end);
            let length = hyper::body::Body::size_hint(&body).exact().unwrap();
            let text = body.0.map(|part| String::from_utf8(part.to_vec()).unwrap()).collect::<String>();
            assert_eq!(text, format!("{whole:#}\n"));
            assert_eq!(length, text.len() as u64);
        }
    }
}
