//! What a workload asks of its cluster, as its document says: claims, and nodes to run on.

use crate::field::{FieldPath, Segment};
use crate::yaml::{Anchors, Node, Place};

/// So many mappings of a chart's values are looked at.
const MAX_VALUES: usize = 10_000;

/// What the pods of a workload need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// The claims that they mount.
    pub mounts: Vec<Mount>,
    /// The labels of their node selectors.
    pub labels: Vec<Mount>,
    /// What else keeps them to certain nodes.
    pub bounds: Vec<Bound>,
}

/// A field with a text: the claim of a volume, or the value of a node label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The volume's name, or the label's key.
    pub of: String,
    /// The claim, or the label's value, as written.
    pub value: String,
    /// The field.
    pub field: FieldPath,
    /// Where the value stands.
    pub place: Place,
}

/// Something besides the node selector that keeps pods to certain nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub to: BoundTo,
}

/// What pods are kept to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BoundTo {
    /// `nodeName`: one node.
    Node(String),
    /// `requiredDuringSchedulingIgnoredDuringExecution` of a `nodeAffinity`: one of these, each with all its wishes.
    Affinity(Vec<Vec<Wish>>),
}

/// One expression of a node affinity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` and so on.
    pub operator: String,
    /// The values to compare with.
    pub values: Vec<String>,
}

/// The label that every node has with its own name.
pub const HOSTNAME: &str = "kubernetes.io/hostname";

impl Needs {
    /// What an object of this kind needs; `None` for a kind that runs no pods.
    #[must_use]
    pub(crate) fn read(kind: &str, reader: &Reader<'_>) -> Option<Self> {
        if kind != "HelmRelease" {
            return Some(reader.pod(pod_spec(kind)?));
        }
        let mut needs = Self::default();
        if let Some(values) = reader.at(&["spec", "values"]) {
            let way = ["spec", "values"].map(|key| Segment::Key(key.to_owned()));
            reader.values(values, &mut way.to_vec(), &mut MAX_VALUES.clone(), &mut needs);
        }
        Some(needs)
    }
}

impl Bound {
    /// Whether a pod that is kept to this can run where the label has the value; `None` where that cannot be told.
    #[must_use]
    pub fn allows(&self, key: &str, value: &str) -> Option<bool> {
        match &self.to {
            BoundTo::Node(name) => (key == HOSTNAME).then_some(name == value),
            BoundTo::Affinity(terms) => {
                let excludes = |wishes: &Vec<Wish>| wishes.iter().any(|wish| wish.excludes(key, value));
                let is_all = !terms.is_empty() && terms.iter().all(excludes);
                is_all.then_some(false)
            }
        }
    }

    /// Whether it chooses nodes by their names.
    #[must_use]
    pub fn is_by_name(&self) -> bool {
        match &self.to {
            BoundTo::Node(_) => true,
            BoundTo::Affinity(terms) => {
                let mut wishes = terms.iter().flatten();
                wishes.any(|wish| wish.key == HOSTNAME && wish.operator == "In")
            }
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            BoundTo::Node(name) => write!(f, "nodeName: {name}"),
            BoundTo::Affinity(terms) => {
                let term = |wishes: &Vec<Wish>| {
                    let wishes = wishes.iter().map(|Wish { key, operator, values }| {
                        let values = values.join(", ");
                        if values.is_empty() {
                            format!("{key} {operator}")
                        } else {
                            format!("{key} {operator} ({values})")
                        }
                    });
                    wishes.collect::<Vec<_>>().join(" and ")
                };
                let terms: Vec<String> = terms.iter().map(term).collect();
                write!(f, "a required nodeAffinity, {}", terms.join(" or "))
            }
        }
    }
}

impl Wish {
    fn excludes(&self, key: &str, value: &str) -> bool {
        let has = self.values.iter().any(|one| one == value);
        self.key == key
            && match self.operator.as_str() {
                "In" => !has,
                "NotIn" => has,
                "DoesNotExist" => true,
                _ => false,
            }
    }
}

/// Where a kind of workload describes its pods.
fn pod_spec(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
            Some(&["spec", "template", "spec"])
        }
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        "Pod" => Some(&["spec"]),
        _ => None,
    }
}

/// A document, to be read by keys.
pub(crate) struct Reader<'a> {
    pub(crate) anchors: &'a Anchors<'a>,
    pub(crate) root: &'a Node,
}

impl<'a> Reader<'a> {
    pub(crate) fn get(&self, node: &'a Node, path: &[&str]) -> Option<&'a Node> {
        path.iter().try_fold(node, |node, key| self.anchors.get(node, key))
    }

    pub(crate) fn at(&self, path: &[&str]) -> Option<&'a Node> {
        self.get(self.root, path)
    }

    pub(crate) fn text_in(&self, node: &'a Node, path: &[&str]) -> Option<String> {
        let text = self.get(node, path)?.as_text()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    pub(crate) fn text(&self, path: &[&str]) -> Option<String> {
        self.text_in(self.root, path)
    }

    pub(crate) fn items(&self, node: Option<&'a Node>) -> Vec<&'a Node> {
        node.map(Node::items).unwrap_or_default().iter().map(|item| self.anchors.resolve(item)).collect()
    }

    /// The terms of a node selector as affinities have them.
    pub(crate) fn terms(&self, selector: Option<&'a Node>) -> Vec<Vec<Wish>> {
        let terms = selector.and_then(|selector| self.get(selector, &["nodeSelectorTerms"]));
        let wish = |expression: &'a Node| {
            let values = self.items(self.get(expression, &["values"]));
            Some(Wish {
                key: self.text_in(expression, &["key"])?,
                operator: self.text_in(expression, &["operator"])?,
                values: values.into_iter().filter_map(|value| Some(value.as_text()?.to_owned())).collect(),
            })
        };
        let wishes = |term: &'a Node| {
            let labels = self.items(self.get(term, &["matchExpressions"])).into_iter().filter_map(wish);
            // The one field there is has the node's name.
            let fields = self.items(self.get(term, &["matchFields"])).into_iter().filter_map(wish);
            let fields = fields.map(|wish| Wish { key: HOSTNAME.to_owned(), ..wish });
            labels.chain(fields).collect()
        };
        self.items(terms).into_iter().map(wishes).collect()
    }

    /// What keeps pods to nodes, in a pod's spec or where a chart's values have the same keys.
    fn bounds(&self, spec: &'a Node) -> impl Iterator<Item = Bound> {
        let name = self.get(spec, &["nodeName"]).and_then(|node| {
            let name = node.as_text().filter(|name| !name.is_empty() && !node.is_null())?;
            Some(Bound { place: node.place, to: BoundTo::Node(name.to_owned()) })
        });
        let required = ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"];
        let affinity = self
            .get(spec, &required)
            .map(|node| Bound { place: node.place, to: BoundTo::Affinity(self.terms(Some(node))) });
        name.into_iter().chain(affinity)
    }

    fn pod(&self, pod: &[&str]) -> Needs {
        let keys = |more: &[&str]| -> Vec<Segment> {
            pod.iter().chain(more).map(|key| Segment::Key((*key).to_owned())).collect()
        };
        let Some(spec) = self.at(pod) else { return Needs::default() };
        let mut mounts = Vec::new();
        for volume in self.items(self.get(spec, &["volumes"])) {
            let Some(of) = self.text_in(volume, &["name"]) else { continue };
            let Some(node) = self.get(volume, &["persistentVolumeClaim", "claimName"]) else { continue };
            let Some(value) = node.as_text() else { continue };
            let mut way = keys(&["volumes"]);
            way.push(Segment::Item { key: "name".to_owned(), value: of.clone() });
            way.push(Segment::Key("persistentVolumeClaim".to_owned()));
            let (value, field) = (value.to_owned(), FieldPath::through(way, "claimName"));
            mounts.push(Mount { of, value, field, place: node.place });
        }
        let selector = self.get(spec, &["nodeSelector"]);
        let labels = selector.map(|node| self.labels(node, &keys(&["nodeSelector"]))).unwrap_or_default();
        Needs { mounts, labels, bounds: self.bounds(spec).collect() }
    }

    fn labels(&self, selector: &'a Node, way: &[Segment]) -> Vec<Mount> {
        let labels = selector.entries().iter().filter_map(|(key, value)| {
            let (of, value) = (key.as_text()?.to_owned(), self.anchors.resolve(value));
            let field = FieldPath::through(way.iter().cloned(), &of);
            Some(Mount { of, value: value.as_text()?.to_owned(), field, place: value.place })
        });
        labels.collect()
    }

    /// Claims and node selectors in a chart's values, by the names that charts give them.
    fn values(&self, node: &'a Node, way: &mut Vec<Segment>, left: &mut usize, found: &mut Needs) {
        // Values that merge each other in have no end.
        if way.len() > 16 || *left == 0 {
            return;
        }
        *left -= 1;
        if self.text_in(node, &["enabled"]).as_deref() == Some("false") {
            return;
        }
        found.bounds.extend(self.bounds(node));
        for (key, value) in node.entries() {
            let (Some(key), value) = (key.as_text(), self.anchors.resolve(value)) else { continue };
            if key == "nodeSelector" {
                way.push(Segment::Key(key.to_owned()));
                found.labels.extend(self.labels(value, way));
                way.pop();
            } else if let Some(text) = value.as_text() {
                if matches!(key, "existingClaim" | "claimName") && !text.is_empty() {
                    let of = match way.last() {
                        Some(Segment::Key(name)) => name.clone(),
                        Some(Segment::Item { value, .. }) => value.clone(),
                        None => String::new(),
                    };
                    let field = FieldPath::through(way.iter().cloned(), key);
                    found.mounts.push(Mount { of, value: text.to_owned(), field, place: value.place });
                }
            } else {
                way.push(Segment::Key(key.to_owned()));
                self.values(value, way, left, found);
                for item in self.items(Some(value)) {
                    let Some(name) = self.text_in(item, &["name"]) else { continue };
                    way.push(Segment::Item { key: "name".to_owned(), value: name });
                    self.values(item, way, left, found);
                    way.pop();
                }
                way.pop();
            }
        }
    }
}
