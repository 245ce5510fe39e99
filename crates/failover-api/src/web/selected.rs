//! Which services a plan for several is about, as the address of its page says it.

use std::collections::BTreeSet;

use failover_core::code::Code;
use failover_core::intent::Selection;
use failover_core::name::{LabelValue, Role, ServiceName};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::words::count;
use crate::http::Answer;

/// Which services go where.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub(super) services: Selection,
    pub(super) to: Role,
    pub(super) partial: bool,
}

impl Selected {
    /// Reads the query: `which` is `selected` (with a `service` for each), `on:LABEL` or `all`.
    pub(super) fn read(query: &str) -> Result<Self, Answer> {
        let wrong = |detail: String, hint: &str| Answer::problem(Code::InvalidRequest, detail, hint);
        let (mut names, mut which, mut to, mut partial) = (BTreeSet::new(), None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match name.as_ref() {
                "service" => {
                    let name = ServiceName::new(value.as_ref()).map_err(|error| {
                        wrong(
                            format!("service is {value:?}: a name {error}"),
                            "select services on the first page",
                        )
                    })?;
                    names.insert(name);
                    continue;
                }
                "which" => &mut which,
                "to" => &mut to,
                "partial" => &mut partial,
                _ => {
                    let hint = "the parameters are service, which, to and partial";
                    return Err(wrong(format!("there is no parameter {name:?}"), hint));
                }
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(wrong(format!("{name} is given twice"), "give it once"));
            }
        }
        let to = match to.as_deref().map(str::parse::<Role>) {
            Some(Ok(to)) => to,
            _ => {
                return Err(wrong(
                    "to is neither primary nor backup".to_owned(),
                    "give to=backup or to=primary",
                ));
            }
        };
        let partial = match partial.as_deref() {
            None => false,
            Some("true") => true,
            Some(other) => return Err(wrong(format!("partial is {other:?}"), "give true, or leave it out")),
        };
        let services = match which.as_deref() {
            None | Some("selected") if names.is_empty() => {
                let hint = "go back and select services, or choose everything on a node, or every service";
                return Err(Answer::problem(Code::NothingSelected, "no service is selected", hint));
            }
            None | Some("selected") => Selection::Named(names),
            Some(_) if !names.is_empty() => {
                let hint = "select services, or choose everything on a node, or every service";
                return Err(wrong("services are selected in more than one way".to_owned(), hint));
            }
            Some("all") => Selection::All,
            Some(other) => match other.strip_prefix("on:").map(LabelValue::new) {
                Some(Ok(label)) => Selection::OnNode(label),
                _ => {
                    return Err(wrong(
                        format!("which is {other:?}"),
                        "give selected, all, or on: and a node label",
                    ));
                }
            },
        };
        Ok(Self { services, to, partial })
    }

    pub(super) fn title(&self) -> String {
        match &self.services {
            Selection::Named(names) => {
                format!("Move {} to {}", count(names.len(), "service", "services"), self.to)
            }
            Selection::OnNode(label) => format!("Move everything on {label} to {}", self.to),
            Selection::All => format!("Move every service to {}", self.to),
        }
    }

    /// What the API is asked for.
    pub(super) fn body(&self) -> Value {
        let mut body = match &self.services {
            Selection::Named(names) => json!({ "services": names }),
            Selection::OnNode(label) => json!({ "from_node_label": label }),
            Selection::All => json!({ "all": true }),
        };
        body["to"] = json!(self.to);
        if self.partial {
            body["partial"] = json!(true);
        }
        body
    }

    /// All or nothing, or what can be moved: another plan, so another page. Where all is nothing, the rest is what
    /// there is to ask for.
    pub(super) fn partial_form(&self, is_rejected: bool) -> Markup {
        html! {
            form id="partial" action="/plan" {
                @match &self.services {
                    Selection::Named(names) => { @for name in names { input type="hidden" name="service" value=(name); } },
                    Selection::OnNode(label) => { input type="hidden" name="which" value={ "on:" (label) }; },
                    Selection::All => { input type="hidden" name="which" value="all"; },
                }
                input type="hidden" name="to" value=(self.to);
                label class="pick" {
                    input id="partial-box" type="checkbox" name="partial" value="true" checked[self.partial || is_rejected] autocomplete="off";
                    " Move what can be moved, and leave the rest where it is"
                }
                button id="replan" { "Show that plan" }
            }
        }
    }
}
