//! What sets a field once more on the way from its manifest to the cluster, so that an edit of the manifest is lost.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::builds::{Step, Way};
use super::find::{Found, Subject};
use super::kustomize::{Named, Stage, Turn, file_in, folder_of, is_file_name};
use super::listing::{Listing, Tree};
use super::patched::Called;
use super::sets::{Answer, Part, merged, named, operated, parts, shifts};
use crate::config::Target;
use crate::field::FieldPath;
use crate::name::RepoPath;
use crate::yaml::{self, Anchors, Node};

/// Something that sets a field after its manifest did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alteration {
    /// What and where, such as `the patch in apps/pin.yaml:3, which apps/kustomization.yaml:5 applies,`.
    pub(crate) what: String,
    /// Whether it does; else it may, as far as can be told.
    pub(crate) is_certain: bool,
}

/// Everything that sets, or may set, `field` of `target` after the manifest that was found.
pub(crate) fn alterations(tree: &Tree, found: &Found, target: &Target, field: &FieldPath) -> Vec<Alteration> {
    let documents = tree.sources.get(&found.path).and_then(|source| source.documents().ok());
    let own = documents.filter(|_| found.turns.is_empty()).and_then(|all| all.get(found.document));
    let mut judge = Judge {
        tree,
        target,
        subject: &found.subject,
        called: Called::default(),
        field: parts(field),
        own,
        merges_list: false,
        found: Vec::new(),
    };
    judge.all(found);
    if judge.merges_list && judge.own.take().is_some() {
        judge.found.clear();
        judge.all(found);
    }
    judge.found
}

/// The steps that come after the manifest, each with the turn that the manifest itself has there.
fn steps(found: &Found) -> BTreeMap<&Step, Option<Turn>> {
    let mut steps = BTreeMap::new();
    for way in &found.ways {
        for step in way.iter() {
            let turns =
                found.turns.iter().filter(|(folder, _)| matches!(step, Step::Folder(of) if of == folder));
            let turn = turns.map(|(_, turn)| *turn).max();
            steps.insert(step, turn);
            // What comes before it is what it acts upon.
            if turn.is_some() {
                break;
            }
        }
    }
    steps
}

impl Listing {
    /// The files that say what is changed on the way from the manifest to the cluster.
    pub(super) fn files_of_changes(&self, found: &Found) -> BTreeSet<RepoPath> {
        let mut files = BTreeSet::new();
        for step in found.ways.iter().flat_map(|way: &Way| way.iter()) {
            match step {
                Step::Folder(folder) => {
                    let Some(kustomization) = self.kustomization(folder).filter(|one| one.alters) else {
                        continue;
                    };
                    files.extend(self.index.kustomization(folder).cloned());
                    files.extend(kustomization.files_of_changes(folder));
                }
                Step::Flux(path, index) => {
                    let flux = self.documents(path).get(*index).and_then(|document| document.flux.as_ref());
                    files.extend(flux.filter(|flux| flux.alters).map(|_| path.clone()));
                }
            }
        }
        files.retain(|path| self.files.contains_key(path));
        files
    }
}

/// Where a patch is written.
enum Written<'a> {
    /// Where it is applied.
    Here(&'a str),
    /// In a file, named as seen from there.
    File(&'a str),
}

struct Judge<'a> {
    tree: &'a Tree,
    target: &'a Target,
    subject: &'a Subject,
    /// What the object has been called so far, where the judge is.
    called: Called,
    field: Vec<Part>,
    /// The object as its manifest has it, where that is what was found.
    own: Option<&'a Node>,
    /// Whether a patch puts items into the list that the field is in, or takes some out: then its order is another one.
    merges_list: bool,
    found: Vec<Alteration>,
}

impl<'a> Judge<'a> {
    fn note(&mut self, answer: Answer, what: String) {
        let alteration = Alteration { what, is_certain: answer == Answer::Yes };
        if answer != Answer::No && !self.found.contains(&alteration) {
            self.found.push(alteration);
        }
    }

    fn all(&mut self, found: &Found) {
        for (step, after) in steps(found) {
            match step {
                Step::Folder(folder) => self.folder(found, step, folder, after),
                Step::Flux(path, index) => self.flux(found, step, path, *index),
            }
        }
    }

    fn documents(&self, path: &RepoPath) -> Option<&'a [Node]> {
        self.tree.sources.get(path)?.documents().ok()
    }

    fn folder(&mut self, found: &Found, step: &Step, folder: &str, after: Option<Turn>) {
        let listing = &self.tree.listing;
        if listing.kustomization(folder).is_none_or(|kustomization| !kustomization.alters) {
            return;
        }
        let Some(path) = listing.index.kustomization(folder) else { return };
        let Some(root) = self.documents(path).and_then(<[Node]>::first) else {
            return self.note(Answer::Maybe, format!("{path}, whose text is not known,"));
        };
        let anchors = Anchors::of(root);
        for stage in Stage::ALL {
            self.called = listing.called_before(self.subject, &found.ways, step, stage);
            let items = anchors.get(root, stage.key()).map(Node::items).unwrap_or_default();
            for (index, item) in items.iter().enumerate() {
                if after.is_none_or(|after| Turn { stage, index } > after) {
                    self.item(path, stage, &anchors, anchors.resolve(item));
                }
            }
        }
    }

    fn flux(&mut self, found: &Found, step: &Step, path: &RepoPath, index: usize) {
        let Some(facts) = self.tree.listing.documents(path).get(index) else { return };
        if facts.flux.as_ref().is_none_or(|flux| !flux.alters) {
            return;
        }
        let root = self.documents(path).and_then(|documents| documents.get(facts.document));
        let Some(root) = root.filter(|_| !facts.listed) else {
            return self.note(Answer::Maybe, format!("{path}, whose text is not known,"));
        };
        let anchors = Anchors::of(root);
        self.called = self.tree.listing.called_before(self.subject, &found.ways, step, Stage::Patches);
        let patches = anchors.get(root, "spec").and_then(|spec| anchors.get(spec, "patches"));
        for item in patches.map(Node::items).unwrap_or_default() {
            self.item(path, Stage::Patches, &anchors, anchors.resolve(item));
        }
    }

    /// One item of a list of a kustomization.
    fn item<'n>(&mut self, path: &RepoPath, stage: Stage, anchors: &Anchors<'n>, item: &'n Node) {
        let text = |key: &str| anchors.get(item, key).and_then(Node::as_text);
        let at = format!("{path}:{}", item.place.line);
        match stage {
            Stage::StrategicMerge => {
                let written = item.as_text().map(|text| match is_file_name(text) {
                    true => Written::File(text),
                    false => Written::Here(text),
                });
                self.patch(path, &at, None, written);
            }
            Stage::Patches | Stage::Json6902 => self.patch_item(path, &at, anchors, item),
            Stage::Replicas => {
                let kinds = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];
                let is_field = self.field == [Part::Key("spec".to_owned()), Part::Key("replicas".to_owned())];
                let of_it = kinds.contains(&self.target.kind.as_str())
                    && text("name").is_some_and(|name| self.is_called(name));
                if is_field && of_it {
                    self.note(Answer::Yes, format!("replicas in {at}"));
                }
            }
            Stage::Transformers => match item.as_text() {
                Some(text) if is_file_name(text) => match file_in(folder_of(path), text) {
                    Some(file) => match self.documents(&file) {
                        Some(documents) => {
                            for one in documents {
                                self.transformer(&format!("{file}:{}", one.place.line), &file, one);
                            }
                        }
                        None => self
                            .note(Answer::Maybe, format!("the transformers in {text}, which {at} applies,")),
                    },
                    None => self.note(Answer::Maybe, format!("the transformer {text}, which {at} applies,")),
                },
                Some(text) => match yaml::parse(text) {
                    Ok(documents) => documents.iter().for_each(|one| self.transformer(&at, path, one)),
                    Err(_) => {
                        self.note(Answer::Maybe, format!("the transformer in {at}, which cannot be read,"))
                    }
                },
                None => {}
            },
            Stage::Replacements => match text("path").map(|file| (file, file_in(folder_of(path), file))) {
                None => self.replacement(&at, anchors, item),
                Some((_, Some(file))) if self.documents(&file).is_some() => {
                    for document in self.documents(&file).unwrap_or_default() {
                        let many = document.items();
                        let anchors = Anchors::of(document);
                        let one = if many.is_empty() { std::slice::from_ref(document) } else { many };
                        one.iter().for_each(|one| {
                            let at = format!("{file}:{}, which {at} applies,", one.place.line);
                            self.replacement(&at, &anchors, one);
                        });
                    }
                }
                Some((file, _)) => {
                    self.note(Answer::Maybe, format!("the replacement in {file}, which {at} applies,"));
                }
            },
        }
    }

    /// A patch with its target.
    fn patch_item<'n>(&mut self, path: &RepoPath, at: &str, anchors: &Anchors<'n>, item: &'n Node) {
        let text = |key: &str| anchors.get(item, key).and_then(Node::as_text);
        let chosen = anchors.get(item, "target").map(|target| self.chosen(anchors, target));
        if chosen != Some(Answer::No) {
            let here = text("patch").map(Written::Here);
            self.patch(path, at, chosen, here.or_else(|| text("path").map(Written::File)));
        }
    }

    /// A patch. `chosen` is what the item's target says, where it has one.
    fn patch(&mut self, path: &RepoPath, at: &str, chosen: Option<Answer>, patch: Option<Written<'_>>) {
        match patch {
            // Without a target the patch names its object, and most are about another one.
            Some(Written::Here(text)) if chosen.is_none() && !text.contains(&self.subject.name) => {}
            Some(Written::Here(text)) => match yaml::parse(text) {
                Ok(documents) => {
                    for document in &documents {
                        let answer = self.patches(document, chosen);
                        self.note(answer, format!("the patch in {at}"));
                    }
                }
                Err(_) => self.note(Answer::Maybe, format!("the patch in {at}, which cannot be read,")),
            },
            Some(Written::File(name)) => {
                let file = file_in(folder_of(path), name);
                match file.as_ref().and_then(|file| Some((file, self.documents(file)?))) {
                    Some((file, documents)) => {
                        for document in documents {
                            let answer = self.patches(document, chosen);
                            let line = document.place.line;
                            self.note(answer, format!("the patch in {file}:{line}, which {at} applies,"));
                        }
                    }
                    None => {
                        self.note(
                            Answer::Maybe,
                            format!("the patch in {name}, which {at} applies and which cannot be read,"),
                        );
                    }
                }
            }
            None => {}
        }
    }

    fn patches(&mut self, document: &Node, chosen: Option<Answer>) -> Answer {
        if !document.items().is_empty() {
            let answer = chosen.unwrap_or(Answer::Maybe).min(operated(document, &self.field, self.own));
            self.merges_list |=
                answer != Answer::Yes && chosen != Some(Answer::No) && shifts(document, &self.field);
            return answer;
        }
        let is_list = document.get("kind").and_then(Node::as_text).is_some_and(|kind| kind.ends_with("List"));
        if let (true, Some(items)) = (is_list, document.get("items")) {
            let answers = items.items().iter().map(|item| self.patches(item, chosen));
            return answers.max().unwrap_or(Answer::No);
        }
        let chosen = chosen.unwrap_or_else(|| {
            let about = Named::of_patch(document)
                .is_some_and(|named| named.kind == self.target.kind.as_str() && named.fits(&self.called));
            if about { Answer::Yes } else { Answer::No }
        });
        // Kustomize knows how to merge the lists of Kubernetes' own kinds.
        let lists_merge = matches!(
            self.target.kind.as_str(),
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "CronJob" | "Job" | "Pod"
        );
        let list =
            self.field.iter().position(|part| !matches!(part, Part::Key(_))).map(|at| &self.field[..at]);
        let has_list = list.is_some_and(|list| merged(document, list, lists_merge) != Answer::No);
        self.merges_list |= chosen != Answer::No && has_list;
        chosen.min(merged(document, &self.field, lists_merge))
    }

    /// A transformer by its configuration: the ones that come with Kustomize do what their fields say.
    fn transformer(&mut self, at: &str, file: &RepoPath, configuration: &Node) {
        let kind = configuration.get("kind").and_then(Node::as_text).unwrap_or_default();
        let harmless =
            ["AnnotationsTransformer", "HashTransformer", "ImageTagTransformer", "LabelTransformer"];
        if kind == "PatchTransformer" {
            self.patch_item(file, at, &Anchors::of(configuration), configuration);
        } else if !configuration.is_null() && !harmless.contains(&kind) {
            self.note(Answer::Maybe, format!("the {kind} in {at}"));
        }
    }

    fn replacement<'n>(&mut self, at: &str, anchors: &Anchors<'n>, item: &'n Node) {
        for target in anchors.get(item, "targets").map(Node::items).unwrap_or_default() {
            let rejected = anchors.get(target, "reject").map(Node::items).unwrap_or_default();
            if rejected.iter().any(|reject| self.chosen(anchors, reject) == Answer::Yes) {
                continue;
            }
            let chosen =
                anchors.get(target, "select").map_or(Answer::No, |select| self.chosen(anchors, select));
            let paths = anchors.get(target, "fieldPaths").map(Node::items).unwrap_or_default();
            let paths = paths.iter().filter_map(|path| anchors.resolve(path).as_text());
            let sets = paths.map(|path| named(path, &self.field, self.own)).max().unwrap_or(Answer::No);
            self.note(chosen.min(sets), format!("the replacement in {at}"));
        }
    }

    /// Whether a target or a `select` is about the object. All that stands there are regular expressions.
    fn chosen<'n>(&self, anchors: &Anchors<'n>, target: &'n Node) -> Answer {
        let text = |key: &str| anchors.get(target, key).and_then(Node::as_text).unwrap_or_default();
        let (group, version) = match self.subject.api_version.split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", self.subject.api_version.as_str()),
        };
        let mut answer = fits(text("kind"), &[self.target.kind.as_str()])
            .min(fits(text("name"), &self.called.names))
            .min(fits(text("namespace"), &self.called.namespaces));
        if !version.is_empty() {
            answer = answer.min(fits(text("group"), &[group])).min(fits(text("version"), &[version]));
        }
        answer
            .min(self.labelled("labels", text("labelSelector")))
            .min(self.labelled("annotations", text("annotationSelector")))
    }

    /// Whether a selector fits what the object's own manifest says; more may be added on its way.
    fn labelled(&self, list: &str, selector: &str) -> Answer {
        if selector.is_empty() {
            return Answer::Yes;
        }
        let Some(own) = self.own else { return Answer::Maybe };
        let anchors = Anchors::of(own);
        let labels = anchors.get(own, "metadata").and_then(|metadata| anchors.get(metadata, list));
        let fits = selector.split(',').all(|term| {
            let pair = term.split_once("==").or_else(|| term.split_once('='));
            pair.is_some_and(|(key, value)| {
                let own = labels.and_then(|labels| anchors.get(labels, key.trim())).and_then(Node::as_text);
                !key.ends_with('!') && own == Some(value.trim())
            })
        });
        if fits { Answer::Yes } else { Answer::Maybe }
    }

    fn is_called(&self, name: &str) -> bool {
        self.called.names.iter().any(|known| known == name)
    }
}

/// Whether an expression fits one of the texts as a whole; without one, everything fits.
fn fits(expression: &str, texts: &[impl AsRef<str>]) -> Answer {
    if expression.is_empty() || texts.iter().any(|text| text.as_ref() == expression) {
        return Answer::Yes;
    }
    match Regex::new(&format!("^(?:{expression})$")) {
        Ok(expression) if texts.iter().any(|text| expression.is_match(text.as_ref())) => Answer::Yes,
        Ok(_) => Answer::No,
        Err(_) => Answer::Maybe,
    }
}
