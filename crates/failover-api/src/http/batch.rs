//! `POST /api/failover`: many services in one commit.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use failover_core::code::{Code, Problem};
use failover_core::intent::Selection;
use failover_core::name::{LabelValue, Role, ServiceName};
use serde_json::Value;

use super::answer;
use super::guard::Caller;
use super::moves::{intent, moved, read_body, show_plan};
use super::options::{self, Options};
use super::problem::Answer;
use super::state::AppState;

/// What the body says besides the options of every move.
const MEMBERS: [&str; 5] = ["services", "from_node_label", "all", "to", "partial"];

/// Moves the selected services, or shows what that would do.
pub(super) async fn carry_out(
    State(state): State<AppState>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Answer> {
    let body = read_body(body).await?;
    let (batch, options) = Batch::read(query.as_deref().unwrap_or_default(), &headers, &body)
        .map_err(|problems| Answer::problems(&problems))?;
    let dry_run = options.dry_run;
    let intent = intent(batch.services, batch.to, batch.partial, options, caller.0)?;
    if dry_run {
        return show_plan(&state, &intent, &headers, answer::batch_dry_run).await;
    }
    moved(&state, intent, answer::batch_moved).await
}

/// Which services go where.
struct Batch {
    services: Selection,
    to: Role,
    partial: bool,
}

impl Batch {
    /// Reads the body and the query, or says everything that is wrong with them.
    fn read(query: &str, headers: &HeaderMap, body: &[u8]) -> Result<(Self, Options), Vec<Problem>> {
        let members = options::members(headers, body).map_err(|problem| vec![problem])?;
        let (own, shared): (Vec<_>, Vec<_>) = members
            .into_iter()
            .map(|(name, value)| (known(&name).unwrap_or(&name).to_owned(), value))
            .partition(|(name, _)| MEMBERS.contains(&name.as_str()));
        let mut reader = Reader::default();
        own.iter().for_each(|(name, value)| reader.member(name, value));
        let services = reader.selection();
        if reader.to.is_none() && !reader.seen.contains("to") {
            reader.wrong("'to' is missing", "say \"to\": \"backup\" or \"to\": \"primary\"");
        }
        let options = Options::of_members(query, headers, &shared, &MEMBERS, reader.problems)?;
        match (services, reader.to) {
            (Some(services), Some(to)) => Ok((Self { services, to, partial: reader.partial }, options)),
            // Whatever is missing was said above.
            _ => Err(vec![Problem::new(Code::Internal, "a request was misread", "report the defect")]),
        }
    }
}

/// The member of this name, which may be written with hyphens, too.
fn known(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    MEMBERS.into_iter().find(|member| *member == name)
}

#[derive(Default)]
struct Reader {
    seen: BTreeSet<String>,
    /// Each way in which services are selected; there must be one.
    selections: Vec<Selection>,
    to: Option<Role>,
    partial: bool,
    problems: Vec<Problem>,
}

impl Reader {
    fn wrong(&mut self, detail: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem::new(Code::InvalidRequest, detail, hint));
    }

    fn member(&mut self, name: &str, value: &Value) {
        if !self.seen.insert(name.to_owned()) {
            return self.wrong(format!("{name} is given twice"), "give each member once");
        }
        match (name, value) {
            ("services", Value::Array(names)) => self.services(names),
            ("from_node_label", Value::String(label)) => match LabelValue::new(label) {
                Ok(label) => self.selections.push(Selection::OnNode(label)),
                Err(error) => {
                    self.wrong(format!("from_node_label {error}"), "give the value of a node label")
                }
            },
            ("all", Value::Bool(true)) => self.selections.push(Selection::All),
            // As if it were not there.
            ("all", Value::Bool(false)) => {}
            ("partial", Value::Bool(partial)) => self.partial = *partial,
            ("to", Value::String(role)) => match role.parse() {
                Ok(role) => self.to = Some(role),
                Err(error) => self.wrong(format!("to is {role:?}: it {error}"), "give primary or backup"),
            },
            ("services", _) => self.mistyped(name, "a list of names"),
            ("all" | "partial", _) => self.mistyped(name, "a boolean"),
            (_, _) => self.mistyped(name, "a string"),
        }
    }

    fn mistyped(&mut self, name: &str, wanted: &str) {
        let hint = "send an object such as {\"services\": [\"sonarr\", \"radarr\"], \"to\": \"backup\"}";
        self.problems.push(Problem::new(Code::InvalidBody, format!("{name} is not {wanted}"), hint));
    }

    fn services(&mut self, names: &[Value]) {
        let Some(services) = read_names(names, &mut self.problems) else {
            return self.mistyped("services", "a list of names");
        };
        if names.is_empty() {
            let hint = "name the services to move, or say \"all\": true";
            self.problems.push(Problem::new(Code::NothingSelected, "the list of services is empty", hint));
        }
        self.selections.push(Selection::Named(services));
    }

    /// The one selection; any other number of them is wrong.
    fn selection(&mut self) -> Option<Selection> {
        let hint = "give one of services, from_node_label and all";
        let mut selections = std::mem::take(&mut self.selections).into_iter();
        match (selections.next(), selections.next()) {
            (Some(only), None) => return Some(only),
            (Some(_), Some(_)) => self.wrong("services are selected in more than one way", hint),
            // One that is wrong was told of.
            (None, _) if self.seen.contains("services") || self.seen.contains("from_node_label") => {}
            (None, _) => {
                self.problems.push(Problem::new(Code::NothingSelected, "no service is selected", hint))
            }
        }
        None
    }
}

/// The services that a body's list names, each once; what is wrong with them goes into `problems`. `None` for a list of
/// something else.
pub(super) fn read_names(names: &[Value], problems: &mut Vec<Problem>) -> Option<BTreeSet<ServiceName>> {
    let mut wrong =
        |detail: String, hint: &str| problems.push(Problem::new(Code::InvalidRequest, detail, hint));
    let mut services = BTreeSet::new();
    for name in names {
        let text = name.as_str()?;
        match ServiceName::new(text) {
            Ok(name) if !services.insert(name.clone()) => {
                wrong(format!("services names {name} twice"), "name each service once");
            }
            Ok(_) => {}
            Err(error) => wrong(
                format!("services names {text:?}, which is no service: a name {error}"),
                "GET /api/services lists the configured services",
            ),
        }
    }
    Some(services)
}
