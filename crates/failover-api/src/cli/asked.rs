//! What somebody asks for with `promote` or `demote`, checked.

use clap::Args;
use failover_core::check::Check;
use failover_core::intent::Expectation;
use failover_core::name::{IdempotencyKey, LabelValue, Reason, Role, nearest};

/// A move that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) services: Selected,
    pub(super) to: Role,
    /// Moves those that can be moved, instead of all or nothing.
    pub(super) partial: bool,
    pub(super) reason: Option<Reason>,
    pub(super) expect: Option<Expected>,
    pub(super) force: Vec<Check>,
    pub(super) idempotency_key: Option<IdempotencyKey>,
}

/// Which services are meant. What is not a name is looked up where the move is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selected {
    /// These, each once; whether there are such services is not known yet.
    Named(Vec<String>),
    /// Every service that a node setting holds to this label value.
    OnNode(LabelValue),
    /// Every service of the config.
    All,
}

/// What the caller saw, as it was written and as it is meant.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) text: String,
    pub(super) parsed: Expectation,
}

impl std::str::FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = Expectation::parse(text).ok_or(
            "give primary, backup, mixed, unknown, a full commit id, or a revision as answers show it",
        )?;
        Ok(Self { text: text.to_owned(), parsed })
    }
}

/// One way to say which services are meant; without any of them, all three are named.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct SelectedFlags {
    /// The services to move, by their names in the config.
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    /// Every service of the config.
    #[arg(long)]
    all: bool,
    /// Every service that is on nodes with this value of the node label, such as k3s-w1.
    #[arg(long, value_name = "LABEL")]
    from_node_label: Option<LabelValue>,
}

#[derive(Debug, Clone, Args)]
pub(super) struct AskedFlags {
    #[command(flatten)]
    selected: SelectedFlags,
    /// Move those that can be moved, instead of all or nothing; ends with 6 when some stay.
    #[arg(long)]
    partial: bool,
    /// Why, in one line; stands in the commit.
    #[arg(long, short, value_name = "TEXT")]
    reason: Option<Reason>,
    /// What you saw: primary, backup, mixed, unknown, or a revision. When it is not so, nothing moves.
    #[arg(long, value_name = "STATE|REVISION")]
    expect: Option<Expected>,
    /// Checks to override, by name.
    #[arg(long, value_name = "CHECK,…", value_delimiter = ',', value_parser = parse_check)]
    force: Vec<Check>,
    /// Makes a repeated call return the first one's commit.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<IdempotencyKey>,
}

fn parse_check(text: &str) -> Result<Check, String> {
    Check::from_name(text).ok_or_else(|| {
        let known = Check::ALL.map(Check::as_str);
        match nearest(text, known).first() {
            Some(near) => format!("there is no such check; did you mean {near}?"),
            None => format!("the checks are {}", known.join(", ")),
        }
    })
}

impl Asked {
    /// The one service that a move of a single service is about; `None` when it is a batch.
    pub(super) fn only(&self) -> Option<&str> {
        match &self.services {
            Selected::Named(names) if !self.partial => match names.as_slice() {
                [only] => Some(only),
                _ => None,
            },
            Selected::Named(_) | Selected::OnNode(_) | Selected::All => None,
        }
    }
}

impl AskedFlags {
    /// The move to `to` that is asked for.
    pub(super) fn to(self, to: Role) -> Asked {
        let Self { selected, partial, reason, expect, force, idempotency_key } = self;
        let SelectedFlags { services: named, all, from_node_label } = selected;
        let mut services: Vec<String> = Vec::new();
        // Who names one twice means it once.
        for name in named {
            if !services.contains(&name) {
                services.push(name);
            }
        }
        let services = match (from_node_label, all) {
            (Some(label), _) => Selected::OnNode(label),
            (None, true) => Selected::All,
            (None, false) => Selected::Named(services),
        };
        Asked { services, to, partial, reason, expect, force, idempotency_key }
    }
}
