//! Where a service is: its settings as the manifests at one commit have them.

use std::collections::BTreeSet;
use std::fmt;

use crate::code::{Code, Problem};
use crate::config::{Service, Setting, SettingKind, Target};
use crate::field::{FieldPath, Segment, Value};
use crate::manifest::{self, Embedded, Field, FieldError, FieldErrorKind, Scalar};
use crate::name::{Role, ServiceName};
use crate::tree::{Filled, Filling, Found, Tree, places, unreadable, variable};
use crate::yaml::{self, Anchors, Node, Place};

/// Where a service is, as the manifests say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Active {
    /// Every setting has its primary value.
    Primary,
    /// Every setting has its backup value.
    Backup,
    /// The settings disagree, or one has neither value.
    Mixed,
    /// A setting cannot be read.
    Unknown,
}

impl Active {
    /// As answers show it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Backup => "backup",
            Self::Mixed => "mixed",
            Self::Unknown => "unknown",
        }
    }
}

impl From<Role> for Active {
    fn from(role: Role) -> Self {
        match role {
            Role::Primary => Self::Primary,
            Role::Backup => Self::Backup,
        }
    }
}

impl fmt::Display for Active {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which of a setting's two values a manifest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The primary value.
    Primary,
    /// The backup value.
    Backup,
    /// A value that the config does not know.
    Other,
    /// No value.
    Absent,
}

/// One setting as the manifest has it.
#[derive(Debug, Clone)]
pub struct SettingState<'a> {
    /// The setting.
    pub setting: &'a Setting,
    /// The manifest.
    pub found: Found,
    /// Its value; `None` when the field is absent.
    pub current: Option<Value>,
    /// Where the value stands, or where the key would go.
    pub place: Place,
    /// Which of the two values it is.
    pub side: Side,
    /// For a field that is absent: the keys that stand where its own would be added.
    pub beside: Vec<String>,
}

/// One service as the manifests have it.
#[derive(Debug, Clone)]
pub struct ServiceState<'a> {
    /// The service.
    pub service: &'a Service,
    /// Its settings that could be read, in the config's order.
    pub settings: Vec<SettingState<'a>>,
    /// Why the others could not.
    pub problems: Vec<Problem>,
}

impl<'a> ServiceState<'a> {
    /// Reads every setting of `service` from `tree`.
    #[must_use]
    pub fn read(service: &'a Service, tree: &Tree) -> Self {
        let mut state = Self { service, settings: Vec::new(), problems: Vec::new() };
        for setting in &service.settings {
            let result = tree.listing.find(&setting.target).and_then(|found| {
                let documents = documents(tree, &found, &setting.target)?;
                match found.patch {
                    None => SettingState::read(setting, found, documents, tree),
                    Some(index) => SettingState::read_patch(setting, found, documents, index, tree),
                }
            });
            match result {
                Ok(setting) => state.settings.push(setting),
                Err(problem) if state.problems.contains(&problem) => {}
                Err(problem) => state.problems.push(problem),
            }
        }
        state
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &'a ServiceName {
        &self.service.name
    }

    /// Where the service is.
    #[must_use]
    pub fn active(&self) -> Active {
        if !self.problems.is_empty() {
            return Active::Unknown;
        }
        let all = |side| self.settings.iter().all(|setting| setting.side == side);
        if all(Side::Primary) {
            Active::Primary
        } else if all(Side::Backup) {
            Active::Backup
        } else {
            Active::Mixed
        }
    }
}

fn documents<'t>(tree: &'t Tree, found: &Found, target: &Target) -> Result<&'t [Node], Problem> {
    let source = tree.sources.get(&found.path).ok_or_else(|| {
        Problem::new(
            Code::Internal,
            format!("the text of {}, which holds {target}, was not loaded", found.path),
            "this is a defect; please report it",
        )
    })?;
    source.documents().map_err(|error| unreadable(&found.path, error.place, &error.message))
}

/// The problem of a field that a template fills in, with where its value comes from as far as the repository tells. A
/// setting of a variable is proposed only where it changes that field and nothing else.
fn told_where_from(problem: Problem, template: &str, found: &Found, tree: &Tree) -> Problem {
    let Some(variable) = variable(template) else { return problem };
    let covering = tree.listing.covering(&found.path);
    let defined = covering.iter().find_map(|flux| Some((flux, flux.value(variable)?)));
    let shared = |filling| match tree.listing.filled_by(&filling) {
        Filled::Nothing | Filled::One => None,
        Filled::Alike(uses) | Filled::More(uses) => Some(places(&uses)),
    };
    let hint = if let Some((flux, value)) = defined {
        let (path, line) = (flux.path, flux.place.line);
        let from = format!("the value {value:?} comes from the Flux Kustomization in {path}:{line}");
        match shared(Filling::by(flux, variable)) {
            None => format!(
                "{from}; configure a setting with target {{kind: Kustomization, name: {}, namespace: {}}} and field spec.postBuild.substitute.{variable}",
                flux.name, flux.namespace
            ),
            Some(uses) => format!(
                "{from}, but a change of {variable} would change more than this field ({uses}): write the value itself here, or give the field a variable of its own there and configure a setting for that"
            ),
        }
    } else {
        let others = covering.iter().flat_map(|flux| flux.others().iter().map(move |other| (flux, other)));
        let others: Vec<_> = others.collect();
        let named: BTreeSet<&str> = others.iter().map(|(_, other)| other.as_str()).collect();
        if named.is_empty() {
            return problem;
        }
        let named = named.into_iter().collect::<Vec<_>>().join(" or ");
        let fillings = others.iter().filter_map(|(flux, other)| Filling::from(flux, other, variable));
        let from =
            format!("{variable} is in none of the Kustomizations' substitute; it may come from {named}");
        match fillings.into_iter().find_map(shared) {
            None => format!("{from}: configure a setting there, or write the value here"),
            Some(uses) => format!(
                "{from}, but a change of {variable} there would change more than this field ({uses}): write the value here"
            ),
        }
    };
    Problem { hint, ..problem }
}

/// The names of a StatefulSet's `volumeClaimTemplates`.
fn claim_templates(document: &Node) -> Vec<&str> {
    let anchors = Anchors::of(document);
    let templates = anchors.get(document, "spec").and_then(|spec| anchors.get(spec, "volumeClaimTemplates"));
    let name = |template| anchors.get(anchors.get(template, "metadata")?, "name")?.as_text();
    templates.map(Node::items).unwrap_or_default().iter().filter_map(name).collect()
}

/// Whether a claim's volume is what is missing.
fn is_volume(field: &FieldPath, error: &FieldError) -> bool {
    error.code() == Code::FieldNotFound
        && field.segments().iter().any(|segment| matches!(segment, Segment::Key(key) if key == "volumes"))
}

/// Why the field means nothing although it is there.
fn unsettable(root: &Node, setting: &Setting, found: &Found) -> Option<Problem> {
    let problem = |detail, hint, place| {
        Some(Problem::new(Code::FieldUneditable, detail, hint).in_file(&found.path, Some(place)))
    };
    if let (true, Some((path, _))) = (found.is_patch(), setting.field.operation()) {
        // An operation that only looks at the value makes the build fail once it is another one.
        let operation =
            root.items().iter().find(|item| item.get("path").and_then(Node::as_text) == Some(path))?;
        let name = operation.get("op").and_then(Node::as_text).unwrap_or("none");
        if !matches!(name, "add" | "replace") {
            let detail = format!("the operation at {path} is {name:?}, which sets no value");
            return problem(detail, "configure the operation that adds or replaces it", operation.place);
        }
    }
    let templates = if setting.kind == SettingKind::Claim && !found.is_patch() {
        claim_templates(root)
    } else {
        Vec::new()
    };
    let volume = setting.field.segments().iter().find_map(|segment| match segment {
        Segment::Item { key, value } if key == "name" => Some(value.as_str()),
        Segment::Item { .. } | Segment::Key(_) => None,
    })?;
    // https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/: a claim template takes
    // precedence over any volume of the same name.
    templates.contains(&volume).then(|| {
        let detail = format!(
            "the StatefulSet has a volumeClaimTemplate {volume}, too, which takes the place of the volume of that name, so the pod never mounts what the field says"
        );
        let hint = named_by_template(&templates);
        Problem::new(Code::FieldUneditable, detail, hint).in_file(&found.path, Some(found.place))
    })
}

/// Kubernetes names such a claim after the template, the StatefulSet and the pod's number; there is no field to set.
fn named_by_template(templates: &[&str]) -> String {
    format!(
        "the StatefulSet makes its claims from volumeClaimTemplates ({}), so no field names one that could be changed; mount a claim of your own as a volume, or run one StatefulSet for each node and set spec.replicas of both (docs/config.md, StatefulSets)",
        templates.join(", ")
    )
}

/// The keys of the mapping that `field` belongs into.
fn keys_beside(document: &Node, field: &FieldPath) -> Vec<String> {
    let anchors = Anchors::of(document);
    let (_, above) = field.segments().split_last().unwrap_or((&Segment::Key(String::new()), &[]));
    let parent = above.iter().try_fold(document, |node, segment| match segment {
        Segment::Key(key) => anchors.get(node, key),
        Segment::Item { .. } => None,
    });
    let entries = parent.map(|parent| anchors.resolve(parent).entries()).unwrap_or_default();
    let own = match field.segments().last() {
        Some(Segment::Key(key)) => Some(key.as_str()),
        Some(Segment::Item { .. }) | None => None,
    };
    entries
        .iter()
        .filter_map(|(key, _)| key.as_text())
        .filter(|key| Some(*key) != own)
        .map(str::to_owned)
        .collect()
}

impl<'a> SettingState<'a> {
    /// Reads the field in a patch that is written as text in a kustomization.
    fn read_patch(
        setting: &'a Setting,
        found: Found,
        documents: &[Node],
        index: usize,
        tree: &Tree,
    ) -> Result<Self, Problem> {
        let source = tree.sources.get(&found.path);
        let patch = source.and_then(|source| Embedded::find(documents, source.text(), index));
        let Some(patch) = patch else {
            let detail =
                format!("the patch for {} in {} is not written as a block text", setting.target, found.path);
            let hint = "write it as patch: |- with its lines below, without anchor and tag";
            let problem = Problem::new(Code::FieldUneditable, detail, hint);
            return Err(problem.in_file(&found.path, Some(found.place)));
        };
        let inner = yaml::parse(patch.text)
            .map_err(|error| unreadable(&found.path, patch.place(error.place), &error.message))?;
        match Self::read(setting, found, &inner, tree) {
            Ok(state) => Ok(Self { place: patch.place(state.place), ..state }),
            Err(problem) => Err(Problem { place: problem.place.map(|place| patch.place(place)), ..problem }),
        }
    }

    fn read(setting: &'a Setting, found: Found, documents: &[Node], tree: &Tree) -> Result<Self, Problem> {
        let in_file = |problem: Problem, place| problem.in_file(&found.path, Some(place));
        let refused = |error: FieldError| {
            let problem = in_file(error.problem(), error.place);
            if let FieldErrorKind::Templated(template) = &error.kind {
                return told_where_from(problem, template, &found, tree);
            }
            match documents.get(found.document).map(claim_templates).unwrap_or_default() {
                templates if !templates.is_empty() && is_volume(&setting.field, &error) => {
                    Problem { hint: named_by_template(&templates), ..problem }
                }
                _ => problem,
            }
        };
        let field = manifest::read(documents, found.document, &setting.field).map_err(refused)?;
        if let Some(problem) =
            documents.get(found.document).and_then(|root| unsettable(root, setting, &found))
        {
            return Err(problem);
        }
        let (current, place) = match field {
            // What a template fills in is not known here; that a value is shared or oddly written matters to edits only.
            Field::Present { editable: Err(error), .. } if error.code() == Code::FieldTemplated => {
                return Err(refused(error));
            }
            Field::Present { value: Scalar::Value(value), place, .. } => (Some(value), place),
            Field::Present { value: Scalar::Null, place, .. } | Field::Absent { place, .. } => (None, place),
            Field::Present { value: Scalar::Other(text), place, .. } => {
                let detail =
                    format!("{} is {text}, which is neither a text nor a whole number", setting.field);
                let problem =
                    Problem::new(Code::FieldUneditable, detail, "put a text in quotes in the manifest");
                return Err(in_file(problem, place));
            }
        };
        let side = match &current {
            None => Side::Absent,
            Some(value) if *value == setting.primary => Side::Primary,
            Some(value) if *value == setting.backup => Side::Backup,
            Some(_) => Side::Other,
        };
        let beside = match (side, documents.get(found.document)) {
            (Side::Absent, Some(document)) => keys_beside(document, &setting.field),
            _ => Vec::new(),
        };
        Ok(Self { setting, found, current, place, side, beside })
    }
}
