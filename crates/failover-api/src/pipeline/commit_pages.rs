//! Where people can look at a commit.

use super::writer::Pipeline;
pub use crate::git::CommitPages;

impl Pipeline {
    /// Where the Git host shows the branch's commits to people, if that is known.
    #[must_use]
    pub fn commit_pages(&self) -> Option<&CommitPages> {
        self.repository.commit_pages()
    }
}
