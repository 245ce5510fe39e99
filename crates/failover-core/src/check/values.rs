//! The values that the fields have.

use super::finding::{Check, Finding, Verdict};
use super::found::Found;
use crate::change::pending;
use crate::config::SettingKind;
use crate::topology::{Active, Side};

impl Found<'_, '_> {
    pub(super) fn values(&mut self) {
        if self.state.active() == Active::Mixed {
            let each: Vec<String> = self
                .state
                .settings
                .iter()
                .map(|setting| {
                    let value = setting
                        .current
                        .as_ref()
                        .map_or_else(|| "absent".to_owned(), |v| format!("{v:?}", v = v.to_string()));
                    let side = match setting.side {
                        Side::Primary => "primary",
                        Side::Backup => "backup",
                        Side::Other => "neither",
                        Side::Absent => "absent",
                    };
                    format!("{} is {value} ({side})", setting.setting.field)
                })
                .collect();
            self.add(Check::MixedState, Verdict::Warn, format!("the settings disagree: {}", each.join("; ")));
        }
        for (setting, wanted) in pending(self.state, self.to) {
            let at = format!("{}:{}", setting.found.path, setting.place.line);
            let field = &setting.setting.field;
            match (&setting.current, setting.side) {
                (Some(value), Side::Other) => {
                    let (primary, backup) = (&setting.setting.primary, &setting.setting.backup);
                    let detail = format!(
                        "{at}: {field} is \"{value}\", which is neither the primary value \"{primary}\" nor the backup value \"{backup}\" of the config"
                    );
                    self.findings.push(Finding {
                        check: Check::UnexpectedValue,
                        verdict: Verdict::Block,
                        service: self.state.name().clone(),
                        detail,
                    });
                }
                // A pod runs only where every label fits, so one more label can leave no node at all.
                (None, _) if setting.setting.kind == SettingKind::Node && !setting.beside.is_empty() => {
                    let others = setting.beside.join(", ");
                    self.findings.push(Finding {
                        check: Check::KeyAdded,
                        verdict: Verdict::Block,
                        service: self.state.name().clone(),
                        detail: format!(
                            "{at}: the node selector has {others} but not the configured label, and both together may fit no node; is node_label_key right?"
                        ),
                    });
                }
                (None, _) => self.findings.push(Finding {
                    check: Check::KeyAdded,
                    verdict: Verdict::Warn,
                    service: self.state.name().clone(),
                    detail: format!("{at}: {field} is missing; it is added with the value \"{wanted}\""),
                }),
                (Some(_), Side::Primary | Side::Backup | Side::Absent) => {}
            }
        }
    }
}
