//! Which workloads mount a claim.

use super::find::BuiltObject;
use super::listing::Listing;

impl Listing {
    /// The workloads that mount the claim and may have pods, each with the line where it says so.
    pub(crate) fn mounting<'a>(
        &'a self,
        namespace: &'a str,
        claim: &'a str,
    ) -> impl Iterator<Item = (BuiltObject<'a>, u32)> {
        let objects = self.index.mounting(claim).filter_map(|object| self.object(object));
        let objects = objects.filter(|(path, _)| !self.index.patches.contains_key(*path));
        objects
            .flat_map(move |(path, document)| {
                let line =
                    document.mounts.iter().find(|mount| *mount.claim == *claim).map(|mount| mount.line);
                let built = self.built(path, document);
                built.filter_map(move |object| Some((object, line?)))
            })
            .filter(move |(object, _)| object.namespace == namespace)
    }
}
