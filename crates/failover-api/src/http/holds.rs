//! `GET`, `POST` and `DELETE /api/holds`: what must not be moved.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use failover_core::code::{Code, Problem};
use failover_core::config::parse_duration;
use failover_core::holding::{End, HoldIntent, Scopes, Wanted};
use failover_core::name::ServiceName;
use failover_core::render;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::{self, Readable};
use super::batch::read_names;
use super::guard::Caller;
use super::hold_answer;
use super::moves::{Form, read_body};
use super::options::{self, Options};
use super::problem::Answer;
use super::request_id;
use super::services::{Parameters, newest};
use super::state::AppState;
use crate::clock;

/// What is said besides the options that moves have, too.
const MEMBERS: [&str; 4] = ["services", "all", "until", "for"];
const HINT: &str =
    "send an object such as {\"services\": [\"sonarr\"], \"reason\": \"new disk\", \"for\": \"4h\"}";

/// `GET /api/holds`
pub(super) async fn list(
    State(state): State<AppState>,
    RawQuery(query): RawQuery,
) -> Result<Readable, Answer> {
    Parameters::read(query.as_deref(), &[])?;
    let view = newest(&state)?;
    let known = view.tree.restraints.holds.known();
    let holds = known.map_err(|problems| Answer::problems(&problems))?;
    let holds = hold_answer::holds(holds, &view.config, clock::now());
    let mut answer = json!({ "count": holds.len(), "holds": holds });
    answer::add_view(&mut answer, &view);
    answer::add_config_problem(&mut answer, &state.pipeline.config());
    Ok(Readable(answer))
}

/// `POST /api/holds`
pub(super) async fn hold(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Answer> {
    let body = read_body(body).await?;
    let members = options::members(&headers, &body).map_err(|problem| Answer::problems(&[problem]))?;
    let query = query.unwrap_or_default();
    let asked = Asked::read(&query, &headers, &members, &MEMBERS, clock::now());
    let asked = asked.and_then(Asked::into_hold).map_err(|problems| Answer::problems(&problems))?;
    answered(&state, asked, caller, &headers).await
}

/// `DELETE /api/holds`
pub(super) async fn release(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Answer> {
    if !read_body(body).await?.is_empty() {
        let detail = "a DELETE has no body here";
        return Err(Answer::problem(Code::InvalidBody, detail, "say ?services=sonarr or ?all=true"));
    }
    let asked = Asked::of_query(&query.unwrap_or_default(), &headers, clock::now());
    let asked = asked.and_then(Asked::into_release).map_err(|problems| Answer::problems(&problems))?;
    answered(&state, asked, caller, &headers).await
}

async fn answered(
    state: &AppState,
    asked: (Scopes, Wanted, Options),
    caller: Caller,
    headers: &HeaderMap,
) -> Result<Response, Answer> {
    let (scopes, wanted, options) = asked;
    let internal = |what: &str| Answer::problem(Code::Internal, what, "report the defect");
    let intent = HoldIntent {
        scopes,
        wanted,
        requested_by: caller.0.ok_or_else(|| internal("the caller has no name"))?,
        operation: clock::new_operation().ok_or_else(|| internal("no operation id could be made"))?,
        idempotency_key: options.idempotency_key,
    };
    if options.dry_run { show(state, &intent, headers).await } else { carry_out(state, intent).await }
}

/// Holds or releases, whoever asked for it.
pub(super) async fn carry_out(state: &AppState, intent: HoldIntent) -> Result<Response, Answer> {
    let done = state.pipeline.carry_out(intent, request_id::current()).await?;
    let mut answer = hold_answer::done(&done, clock::now());
    answer::add_config_problem(&mut answer, &state.pipeline.config());
    Ok(Readable(answer).into_response())
}

/// What holding or releasing would change, in the form that the caller accepts.
pub(super) async fn show(
    state: &AppState,
    intent: &HoldIntent,
    headers: &HeaderMap,
) -> Result<Response, Answer> {
    let form = Form::accepted(headers)?;
    let (plan, view) = state.pipeline.dry_run(intent).await?;
    Ok(match form {
        Form::Json => {
            let mut answer = hold_answer::dry_run(&plan, &view, clock::now());
            answer::add_config_problem(&mut answer, &state.pipeline.config());
            Readable(answer).into_response()
        }
        Form::Diff => {
            ([(header::CONTENT_TYPE, "text/x-diff; charset=utf-8")], render::hold_diff(&plan)).into_response()
        }
        Form::Patch => {
            let author = state.pipeline.author().to_string();
            let patch = render::hold_patch(&plan, &author, clock::now());
            ([(header::CONTENT_TYPE, "text/x-patch; charset=utf-8")], patch).into_response()
        }
    })
}

/// What was asked for, before it is known whether it is a hold or a release.
struct Asked {
    scopes: Scopes,
    end: End,
    options: Options,
}

impl Asked {
    fn read(
        query: &str,
        headers: &HeaderMap,
        members: &[(String, Value)],
        known: &[&'static str],
        now: Timestamp,
    ) -> Result<Self, Vec<Problem>> {
        let (own, shared): (Vec<_>, Vec<_>) =
            members.iter().cloned().partition(|(name, _)| known.contains(&name.as_str()));
        let mut reader = Reader::new(now);
        own.iter().for_each(|(name, value)| reader.member(name, value));
        let scopes = reader.scopes();
        let end = reader.end();
        let options = Options::of_members(query, headers, &shared, known, reader.problems)?;
        // What only moves have must not be passed over in silence.
        if options.expect.is_some() || !options.force.is_empty() {
            let hint = "leave it out; somebody else's hold is released before it is replaced";
            let detail = "expect and force are for moves";
            return Err(vec![Problem::new(Code::InvalidRequest, detail, hint)]);
        }
        match scopes {
            Some(scopes) => Ok(Self { scopes, end, options }),
            // Whatever is missing was said above.
            None => Err(vec![Problem::new(Code::Internal, "a request was misread", "report the defect")]),
        }
    }

    /// The same without a body: what is of another type there is text here.
    fn of_query(query: &str, headers: &HeaderMap, now: Timestamp) -> Result<Self, Vec<Problem>> {
        let mut members = Vec::new();
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = match (&*name, &*value) {
                ("services", names) => json!(names.split(',').collect::<Vec<_>>()),
                ("all", "true") => json!(true),
                ("all", "false") => json!(false),
                ("all", other) => json!(other),
                (name, value) => {
                    rest.append_pair(name, value);
                    continue;
                }
            };
            members.push((name.into_owned(), value));
        }
        Self::read(&rest.finish(), headers, &members, &MEMBERS[..2], now)
    }

    fn into_hold(self) -> Result<(Scopes, Wanted, Options), Vec<Problem>> {
        let Some(reason) = self.options.reason.clone() else {
            let hint = "say \"reason\": and why, for whoever meets the hold at night";
            return Err(vec![Problem::new(Code::InvalidRequest, "a hold needs a reason", hint)]);
        };
        Ok((self.scopes, Wanted::Hold { reason, end: self.end }, self.options))
    }

    fn into_release(self) -> Result<(Scopes, Wanted, Options), Vec<Problem>> {
        let reason = self.options.reason.clone();
        Ok((self.scopes, Wanted::Release { reason }, self.options))
    }
}

struct Reader {
    now: Timestamp,
    seen: BTreeSet<String>,
    named: Option<BTreeSet<ServiceName>>,
    all: bool,
    ends: Vec<End>,
    problems: Vec<Problem>,
}

impl Reader {
    fn new(now: Timestamp) -> Self {
        let (seen, ends, problems) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { now, seen, named: None, all: false, ends, problems }
    }

    fn wrong(&mut self, detail: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(Code::InvalidRequest, detail, hint));
    }

    fn mistyped(&mut self, name: &str, wanted: &str) {
        self.problems.push(Problem::new(Code::InvalidBody, format!("{name} is not {wanted}"), HINT));
    }

    fn member(&mut self, name: &str, value: &Value) {
        if !self.seen.insert(name.to_owned()) {
            return self.wrong(format!("{name} is given twice"), "give each member once");
        }
        match (name, value) {
            ("services", Value::Array(names)) => self.services(names),
            ("all", Value::Bool(all)) => self.all = *all,
            ("until", Value::String(text)) => match text.parse() {
                Ok(until) => self.ends.push(End::Until(until)),
                Err(_) => self.wrong(
                    format!("until is {text:?}, which is not a time"),
                    "give it with its offset from UTC, such as 2026-11-24T06:00:00Z",
                ),
            },
            ("for", Value::String(text)) => {
                match parse_duration(text).and_then(|length| End::after(self.now, length)) {
                    Some(end) => self.ends.push(end),
                    None => self.wrong(
                        format!("for is {text:?}, which is not a duration"),
                        "give hours, minutes and seconds such as 4h, 90m or 1h30m",
                    ),
                }
            }
            ("services", _) => self.mistyped(name, "a list of names"),
            ("all", _) => self.mistyped(name, "a boolean"),
            (_, _) => self.mistyped(name, "a string"),
        }
    }

    fn services(&mut self, names: &[Value]) {
        let Some(services) = read_names(names, &mut self.problems) else {
            return self.mistyped("services", "a list of names");
        };
        self.named = Some(services);
    }

    /// What is named; anything but one way of naming it is wrong.
    fn scopes(&mut self) -> Option<Scopes> {
        let hint = "give services, or say all is true";
        match (self.named.take(), self.all) {
            (Some(_), true) => self.wrong("services and all are both given", hint),
            (Some(names), false) => return Some(Scopes::Named(names)),
            (None, true) => return Some(Scopes::All),
            // One that is wrong was told of.
            (None, false) if self.seen.contains("services") => {}
            (None, false) => {
                self.problems.push(Problem::new(Code::NothingSelected, "no service is selected", hint));
            }
        }
        None
    }

    fn end(&mut self) -> End {
        match self.ends.as_slice() {
            [] => End::Released,
            [one] => *one,
            [..] => {
                self.wrong("until and for are both given", "give one of the two, or none");
                End::Released
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: Value) -> Result<(Scopes, Wanted), Vec<String>> {
        let members: Vec<(String, Value)> = body.as_object().unwrap().clone().into_iter().collect();
        let now = "2026-11-24T02:00:00Z".parse().unwrap();
        let asked = Asked::read("", &HeaderMap::new(), &members, &MEMBERS, now).and_then(Asked::into_hold);
        let said = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect();
        asked.map(|(scopes, wanted, _)| (scopes, wanted)).map_err(said)
    }

    #[test]
    fn a_hold_is_read_with_its_end() {
        let (scopes, wanted) = asked(json!({ "all": true, "reason": "x", "for": "1h30m" })).unwrap();
        let Wanted::Hold { end: End::For { length, until }, .. } = wanted else { panic!("{wanted:?}") };
        assert_eq!(length.as_secs(), 5400);
        assert_eq!((scopes, until.to_string().as_str()), (Scopes::All, "2026-11-24T03:30:00Z"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (body, words) in [
            (json!({}), "no service is selected"),
            (json!({ "services": ["sonarr"] }), "needs a reason"),
            (json!({ "services": ["sonarr"], "all": true, "reason": "x" }), "both given"),
            (json!({ "services": ["sonarr", "sonarr"], "reason": "x" }), "twice"),
            (json!({ "services": ["Sonarr"], "reason": "x" }), "no service"),
            (json!({ "services": "sonarr", "reason": "x" }), "not a list"),
            (json!({ "all": "true", "reason": "x" }), "not a boolean"),
            (json!({ "all": true, "reason": "x", "for": "1d" }), "not a duration"),
            (json!({ "all": true, "reason": "x", "for": "999999999999h" }), "not a duration"),
            (json!({ "all": true, "reason": "x", "until": "tomorrow" }), "not a time"),
            (json!({ "all": true, "reason": "x", "until": 5 }), "not a string"),
            (
                json!({ "all": true, "reason": "x", "until": "2026-11-25T00:00:00Z", "for": "1h" }),
                "both given",
            ),
            (json!({ "all": true, "reason": "x", "untill": "2026-11-25T00:00:00Z" }), "no option"),
            (json!({ "all": true, "reason": "x", "force": "held" }), "for moves"),
        ] {
            let said = asked(body.clone()).unwrap_err().join("; ");
            assert!(said.contains(words), "{body}: {said}");
        }
    }
}
