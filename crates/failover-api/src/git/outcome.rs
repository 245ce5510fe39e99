//! What the server's report on a push means. The line on our branch decides, free text only where that line is vague.

use failover_core::code::Code;
use send_pack::report::{BranchReport, Report};

use super::error::{RemoteError, quote};
use super::session::Sent;

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The branch holds our commit.
    Accepted,
    /// The branch had moved on; nothing of ours is on it.
    LostRace,
    /// The server decided against it: a hook, a protected branch, a read-only key.
    Refused(RemoteError),
    /// Nothing was sent, or the server said that it failed; nothing of ours is on the branch.
    Failed(RemoteError),
    /// The connection ended before the server's word: our commit may be on the branch, now or in a few seconds.
    Unknown(String),
}

impl PushOutcome {
    /// What a host said, to be shown without what must not be.
    pub(super) fn detail_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Accepted | Self::LostRace => None,
            Self::Refused(error) | Self::Failed(error) => Some(&mut error.detail),
            Self::Unknown(why) => Some(why),
        }
    }

    /// For the log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::LostRace => "lost-race",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why, where there is more to say.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Accepted | Self::LostRace => "",
            Self::Refused(error) | Self::Failed(error) => &error.detail,
            Self::Unknown(why) => why,
        }
    }
}

impl From<RemoteError> for PushOutcome {
    /// Nothing was sent.
    fn from(error: RemoteError) -> Self {
        if error.code == Code::RemoteRefused { Self::Refused(error) } else { Self::Failed(error) }
    }
}

impl From<Sent> for PushOutcome {
    fn from(sent: Sent) -> Self {
        match sent {
            Sent::NotWhole(error) => error.into(),
            Sent::Silence(why) => Self::Unknown(why),
            Sent::Reported(report, words) => reported(&report, &words),
        }
    }
}

/// What servers call a decision against a push: hooks, protected branches, rules, a checked-out branch.
const POLICY: [&str; 10] = [
    "declined",
    "deny updating",
    "protected",
    "prohibited",
    "violation",
    "denied",
    "not allowed",
    "not permitted",
    "checked out",
    "read-only",
];

/// What Git says when the files of a branch that is checked out cannot follow it.
const WORK_TREE: [&str; 2] = ["push-to-checkout hook declined", "Working directory has "];

/// How servers say that the branch is not where our request said it must be.
const MOVED_ON: [&str; 6] = [
    "incorrect old value provided",
    "invalid old id sent",
    "failed to lock",
    "fetch first",
    "non-fast-forward",
    "reference does not exist",
];

fn reported(report: &Report, words: &str) -> PushOutcome {
    match (&report.branch, &report.unpack_error) {
        (BranchReport::Moved, None) => PushOutcome::Accepted,
        // A branch cannot move to a commit that was not taken.
        (BranchReport::Moved, Some(why)) => {
            PushOutcome::Unknown(format!("the Git remote contradicts itself: {}", quote(why)))
        }
        (BranchReport::Silent, None) => {
            PushOutcome::Unknown(format!("the Git remote said nothing of the branch; {}", quote(words)))
        }
        (BranchReport::Elsewhere(where_to), _) if where_to.starts_with("refname ") => {
            PushOutcome::Refused(RemoteError::new(
                Code::RemoteRefused,
                format!(
                    "the Git remote did not put the commit on the branch but elsewhere: {}",
                    quote(where_to)
                ),
            ))
        }
        // On the branch, but not as it was asked: what is there now has to be seen.
        (BranchReport::Elsewhere(how), _) => {
            PushOutcome::Unknown(format!("the Git remote changed the push: {}", quote(how)))
        }
        (BranchReport::Rejected(_) | BranchReport::Silent, Some(why)) => {
            PushOutcome::Failed(failed(&format!("it could not take the objects ({why})"), words))
        }
        (BranchReport::Rejected(reason), None) => rejected(reason, words),
    }
}

fn rejected(reason: &str, words: &str) -> PushOutcome {
    // Seen from large hosts when one of their own steps failed: it may have happened all the same.
    if reason == "failure" || words.contains("fatal error in commit_refs") {
        return PushOutcome::Unknown(quote(&format!("{reason}\n{words}")));
    }
    let raced = MOVED_ON.iter().any(|said| reason.starts_with(said))
        || reason.starts_with("failed to update ref") && words.contains("but expected");
    if raced {
        return PushOutcome::LostRace;
    }
    if WORK_TREE.iter().any(|said| reason.starts_with(said)) {
        let detail = format!("the clone's files were left as they are: {}", quote(words));
        return PushOutcome::Refused(RemoteError::new(Code::WorkTreeChanged, detail));
    }
    if POLICY.iter().any(|said| reason.contains(said)) {
        let words =
            if words.trim().is_empty() { String::new() } else { format!(" Its words: {}", quote(words)) };
        let detail = format!("the Git remote refused the push: {}.{words}", quote(reason));
        return PushOutcome::Refused(RemoteError::new(Code::RemoteRefused, detail));
    }
    // Not a word that is known for a decision: look what is there, and try again a few times.
    PushOutcome::Failed(failed(reason, words))
}

fn failed(reason: &str, words: &str) -> RemoteError {
    let detail =
        format!("the Git remote failed to take the push: {}. Its words: {}", quote(reason), quote(words));
    RemoteError::new(Code::RemoteFailed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(branch: BranchReport, words: &str) -> PushOutcome {
        reported(&Report { unpack_error: None, branch }, words)
    }

    fn rejection(reason: &str, words: &str) -> PushOutcome {
        outcome(BranchReport::Rejected(reason.to_owned()), words)
    }

    #[test]
    fn only_a_report_of_our_branch_is_accepted() {
        assert_eq!(outcome(BranchReport::Moved, ""), PushOutcome::Accepted);
        assert!(matches!(outcome(BranchReport::Silent, ""), PushOutcome::Unknown(_)));
        assert!(matches!(outcome(BranchReport::Elsewhere("refname x".into()), ""), PushOutcome::Refused(_)));
        for changed in ["forced-update", "new-oid 33"] {
            let outcome = outcome(BranchReport::Elsewhere(changed.into()), "");
            assert!(matches!(outcome, PushOutcome::Unknown(_)), "{changed}");
        }
        let contradiction = Report { unpack_error: Some("index-pack".into()), branch: BranchReport::Moved };
        assert!(matches!(reported(&contradiction, ""), PushOutcome::Unknown(_)));
        let not_taken = Report {
            unpack_error: Some("unpack-objects abnormal exit".into()),
            branch: BranchReport::Silent,
        };
        assert!(matches!(reported(&not_taken, ""), PushOutcome::Failed(_)));
    }

    #[test]
    fn a_moved_branch_is_a_lost_race_however_it_is_said() {
        let git = "error: cannot lock ref 'refs/heads/main': is at 1 but expected 2";
        assert_eq!(rejection("failed to update ref", git), PushOutcome::LostRace);
        for reason in ["incorrect old value provided", "non-fast-forward", "failed to lock"] {
            assert_eq!(rejection(reason, ""), PushOutcome::LostRace, "{reason}");
        }
    }

    #[test]
    fn only_what_is_known_for_a_decision_is_one() {
        for policy in [
            "hook declined",
            "protected branch hook declined",
            "push declined due to repository rule violations",
        ] {
            assert!(matches!(rejection(policy, ""), PushOutcome::Refused(_)), "{policy}");
        }
        for strange in ["failed to update ref", "Internal Server Error", "TF401028"] {
            assert!(matches!(rejection(strange, ""), PushOutcome::Failed(_)), "{strange}");
        }
        assert!(matches!(rejection("failure", ""), PushOutcome::Unknown(_)));
    }

    #[test]
    fn a_hooks_words_do_not_make_a_refusal_a_lost_race() {
        let words = "author is failover-api but expected a signed-off human\n";
        assert!(matches!(rejection("pre-receive hook declined", words), PushOutcome::Refused(_)));
    }

    #[test]
    fn a_refusal_carries_the_servers_words() {
        let PushOutcome::Refused(error) =
            rejection("pre-receive hook declined", "not on a Friday\nask Anna\n")
        else {
            panic!()
        };
        assert!(error.detail.contains("not on a Friday; ask Anna"), "{error}");
        assert_eq!(error.code, Code::RemoteRefused);
    }

    #[test]
    fn what_was_not_sent_whole_did_nothing() {
        let refused = RemoteError::new(Code::RemoteRefused, "read only");
        assert!(matches!(PushOutcome::from(Sent::NotWhole(refused)), PushOutcome::Refused(_)));
        let gone = RemoteError::new(Code::RemoteUnreachable, "gone");
        assert!(matches!(PushOutcome::from(Sent::NotWhole(gone)), PushOutcome::Failed(_)));
        assert!(matches!(PushOutcome::from(Sent::Silence("gone".into())), PushOutcome::Unknown(_)));
    }
}
