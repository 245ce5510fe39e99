//! What a move changes, in the config's terms.

use crate::code::{Code, Problem};
use crate::config::{Setting, SettingKind, Target};
use crate::field::{FieldPath, Value};
use crate::name::{RepoPath, Role, ServiceName};
use crate::topology::{Active, ServiceState, SettingState};
use crate::yaml::Place;

/// One service's part of a plan.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Move {
    /// The service.
    pub service: ServiceName,
    /// Where it is.
    pub from: Active,
    /// Where it goes.
    pub to: Role,
    /// The fields that change; none when it is already there.
    pub changes: Vec<SettingChange>,
}

/// One field that changes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct SettingChange {
    /// Which of the service's settings.
    pub kind: SettingKind,
    /// The manifest, by what it is.
    pub target: Target,
    /// The field.
    pub field: FieldPath,
    /// The value it has; `None` when the key is missing and will be added.
    pub from: Option<Value>,
    /// The value it gets.
    pub to: Value,
    /// The file.
    pub file: RepoPath,
    /// Where in the file.
    #[serde(flatten)]
    pub place: Place,
}

/// A service that a partial move leaves where it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// The service.
    pub service: ServiceName,
    /// Everything against its move.
    pub problems: Vec<Problem>,
}

impl Refused {
    /// The first reason.
    #[must_use]
    pub fn code(&self) -> Code {
        self.problems.first().map_or(Code::Internal, |problem| problem.code)
    }
}

impl Move {
    /// What it takes to bring a service to `to`.
    #[must_use]
    pub fn new(state: &ServiceState<'_>, to: Role) -> Self {
        let pending = pending(state, to).map(|(setting, value)| SettingChange {
            kind: setting.setting.kind,
            target: setting.setting.target.clone(),
            field: setting.setting.field.clone(),
            from: setting.current.clone(),
            to: value.clone(),
            file: setting.found.path.clone(),
            place: setting.place,
        });
        Self { service: state.name().clone(), from: state.active(), to, changes: pending.collect() }
    }
}

/// The settings that do not have their value for `to`, with that value.
pub(crate) fn pending<'s, 'a>(
    state: &'s ServiceState<'a>,
    to: Role,
) -> impl Iterator<Item = (&'s SettingState<'a>, &'a Value)> {
    state.settings.iter().filter_map(move |state| {
        let setting: &'a Setting = state.setting;
        let wanted = setting.value(to);
        (state.current.as_ref() != Some(wanted)).then_some((state, wanted))
    })
}
