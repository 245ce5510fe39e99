//! Reads what `git push --porcelain` printed. The per-ref line decides, then the exit code, free text last.

use failover_core::code::Code;

use super::command::Finished;
use super::error::{RemoteError, classify, quote};

/// How a push ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// The branch holds our commit.
    Accepted,
    /// The branch had moved on; nothing of ours is on it.
    LostRace,
    /// The server decided against it: a hook, a protected branch, a read-only key.
    Refused(RemoteError),
    /// Nothing was sent, or the server said that it failed.
    Failed(RemoteError),
    /// The local mirror lacks an object that it should have.
    MirrorDamaged(String),
    /// The connection ended before the server's word: our commit may be on the branch, now or in a few seconds.
    Unknown(String),
}

impl PushOutcome {
    /// For the log.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::LostRace => "lost-race",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
            Self::MirrorDamaged(_) => "mirror-damaged",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Why, where there is more to say.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::Accepted | Self::LostRace => "",
            Self::Refused(error) | Self::Failed(error) => &error.detail,
            Self::MirrorDamaged(why) | Self::Unknown(why) => why,
        }
    }
}

/// The outcome of a push of one commit to `branch`.
pub(super) fn push_outcome(finished: &Finished, branch: &str) -> PushOutcome {
    let unknown = || PushOutcome::Unknown(quote(&finished.stderr));
    let wanted = format!(":refs/heads/{branch}");
    let line = finished.stdout.lines().find_map(|line| {
        let mut parts = line.split('\t');
        let (flag, refs, summary) = (parts.next()?, parts.next()?, parts.next()?);
        refs.ends_with(&wanted).then_some((flag, summary))
    });
    let complete = finished.code == Some(0) && finished.stdout.lines().any(|line| line == "Done");
    match line {
        Some((" " | "=", _)) if complete => PushOutcome::Accepted,
        Some(("!", summary)) => rejected(summary, &finished.stderr),
        Some(_) => unknown(),
        None if finished.timed_out => PushOutcome::Unknown("the deadline passed".to_owned()),
        None => not_reported(&finished.stderr),
    }
}

fn rejected(summary: &str, stderr: &str) -> PushOutcome {
    let reason = summary.rsplit_once('(').map_or(summary, |(_, reason)| reason.trim_end_matches(')'));
    if summary.starts_with("[rejected]") {
        return match reason {
            "stale info" | "fetch first" | "non-fast-forward" => PushOutcome::LostRace,
            _ => PushOutcome::Failed(failed(reason, stderr)),
        };
    }
    if !summary.starts_with("[remote rejected]") {
        // Such as "[remote failure] (remote failed to report status)": the server has the commit and said nothing.
        return PushOutcome::Unknown(quote(summary));
    }
    match reason {
        // The branch moved inside the server between its advertisement and our push.
        "failed to update ref" if stderr.contains("but expected") => PushOutcome::LostRace,
        "incorrect old value provided" => PushOutcome::LostRace,
        "failed to update ref" | "reference already exists" => PushOutcome::Failed(failed(reason, stderr)),
        "unpacker error" if stderr.contains("bad object") || stderr.contains("bad tree object") => {
            PushOutcome::MirrorDamaged(quote(stderr))
        }
        "unpacker error" => PushOutcome::Failed(failed(reason, stderr)),
        // Seen from large hosts when one of their own steps failed: it may have happened all the same.
        "failure" => PushOutcome::Unknown(quote(stderr)),
        _ if stderr.contains("fatal error in commit_refs") => PushOutcome::Unknown(quote(stderr)),
        _ if POLICY.iter().any(|words| reason.contains(words)) => {
            let words = remote_words(stderr);
            let words =
                if words.is_empty() { String::new() } else { format!(" Its words: {}", quote(&words)) };
            let detail = format!("the Git remote refused the push: {}.{words}", quote(reason));
            PushOutcome::Refused(RemoteError::new(Code::RemoteRefused, detail))
        }
        // Not a word that is known for a decision: look what is there, and try again a few times.
        _ => PushOutcome::Failed(failed(reason, stderr)),
    }
}

/// What servers call a decision against a push: hooks, protected branches, rules, a checked-out branch.
const POLICY: [&str; 8] =
    ["declined", "protected", "prohibited", "violation", "denied", "not allowed", "checked out", "read-only"];

fn not_reported(stderr: &str) -> PushOutcome {
    // What git says when the connection ends before the server's first word, so before anything is sent.
    let before_contact = stderr.lines().any(|line| {
        line.starts_with("fatal: Could not read from remote repository")
            || line.starts_with("fatal: the remote end hung up upon initial contact")
    });
    // A server can write that line too, so nothing may speak for a later end.
    let later = ["hung up unexpectedly", "unexpected disconnect", "early EOF", "send-pack"];
    if !before_contact || later.iter().any(|words| stderr.contains(words)) {
        let mut own =
            stderr.lines().filter(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
        let damaged = own.any(|line| line.contains("bad object") || line.contains("not a valid object"));
        return if damaged {
            PushOutcome::MirrorDamaged(quote(stderr))
        } else {
            PushOutcome::Unknown(quote(stderr))
        };
    }
    // What hosts say to a key that may only read, before the push begins.
    let refused = stderr.lines().any(|line| {
        (line.starts_with("ERROR: ") || line.starts_with("remote: "))
            && ["marked as read only", "not allowed to push", "denied to "]
                .iter()
                .any(|words| line.contains(words))
    });
    if refused {
        let detail = format!("the Git remote refused the push. Its words: {}", quote(stderr));
        return PushOutcome::Refused(RemoteError::new(Code::RemoteRefused, detail));
    }
    PushOutcome::Failed(classify(stderr))
}

fn failed(reason: &str, stderr: &str) -> RemoteError {
    let detail =
        format!("the Git remote failed to take the push: {}. Its words: {}", quote(reason), quote(stderr));
    RemoteError::new(Code::RemoteFailed, detail)
}

/// What the server itself said, without git's and ssh's own lines.
fn remote_words(stderr: &str) -> String {
    let lines = stderr.lines().filter_map(|line| line.strip_prefix("remote:"));
    lines.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: Option<i32>, stdout: &str, stderr: &str, timed_out: bool) -> PushOutcome {
        let finished =
            Finished { code, stdout: stdout.replace("\\t", "\t"), stderr: stderr.to_owned(), timed_out };
        push_outcome(&finished, "main")
    }

    const REFS: &str = "\tabc:refs/heads/main\t";

    #[test]
    fn only_a_complete_report_is_accepted() {
        let line =
            |flag: &str, summary: &str, done: &str| format!("To host:repo\n{flag}{REFS}{summary}\n{done}");
        assert_eq!(outcome(Some(0), &line(" ", "1..2", "Done\n"), "", false), PushOutcome::Accepted);
        assert_eq!(outcome(Some(0), &line("=", "[up to date]", "Done\n"), "", false), PushOutcome::Accepted);
        for (code, flag, done) in [
            (Some(1), " ", ""),
            (Some(0), " ", ""),
            (None, " ", "Done\n"),
            (Some(0), "+", "Done\n"),
            (Some(0), "*", "Done\n"),
        ] {
            let outcome = outcome(code, &line(flag, "1..2", done), "", false);
            assert!(matches!(outcome, PushOutcome::Unknown(_)), "{code:?} {flag:?} {done:?}: {outcome:?}");
        }
    }

    #[test]
    fn a_moved_branch_is_a_lost_race_however_it_is_said() {
        let line = |summary: &str| format!("!{REFS}{summary}\nDone\n");
        for (summary, stderr) in [
            ("[rejected] (stale info)", ""),
            ("[rejected] (fetch first)", ""),
            ("[rejected] (non-fast-forward)", ""),
            (
                "[remote rejected] (failed to update ref)",
                "remote: error: cannot lock ref 'refs/heads/main': is at 1 but expected 2",
            ),
        ] {
            assert_eq!(outcome(Some(1), &line(summary), stderr, false), PushOutcome::LostRace, "{summary}");
        }
    }

    #[test]
    fn only_what_is_known_for_a_decision_is_one() {
        let rejected = |summary: &str| outcome(Some(1), &format!("!{REFS}{summary}\nDone\n"), "", false);
        for policy in [
            "hook declined",
            "protected branch hook declined",
            "push declined due to repository rule violations",
        ] {
            assert!(
                matches!(rejected(&format!("[remote rejected] ({policy})")), PushOutcome::Refused(_)),
                "{policy}"
            );
        }
        for strange in ["failed to lock", "Internal Server Error", "TF401028"] {
            assert!(
                matches!(rejected(&format!("[remote rejected] ({strange})")), PushOutcome::Failed(_)),
                "{strange}"
            );
        }
        let silent = "[remote failure] (remote failed to report status)";
        assert!(matches!(rejected(silent), PushOutcome::Unknown(_)));
    }

    #[test]
    fn a_hooks_words_do_not_make_a_refusal_a_lost_race() {
        let stdout = format!("!{REFS}[remote rejected] (pre-receive hook declined)\nDone\n");
        let stderr = "remote: author is failover-api but expected a signed-off human\n";
        assert!(matches!(outcome(Some(1), &stdout, stderr, false), PushOutcome::Refused(_)));
    }

    #[test]
    fn a_refusal_carries_the_servers_words() {
        let stdout = format!("!{REFS}[remote rejected] (pre-receive hook declined)\nDone\n");
        let stderr = "remote: not on a Friday\nremote: ask Anna\nerror: failed to push some refs";
        let PushOutcome::Refused(error) = outcome(Some(1), &stdout, stderr, false) else { panic!() };
        assert!(error.detail.contains("not on a Friday; ask Anna"), "{error}");
        assert_eq!(error.code, Code::RemoteRefused);
    }

    #[test]
    fn silence_is_unknown_unless_it_came_before_the_first_byte() {
        let codes = [
            ("Host key verification failed.", Code::HostKeyUnknown),
            ("git@h: Permission denied (publickey).", Code::SshKeyRejected),
            ("ssh: connect to host h port 22: Connection refused", Code::RemoteUnreachable),
        ];
        for (words, code) in codes {
            let stderr = format!("{words}\nfatal: Could not read from remote repository.\n");
            let PushOutcome::Failed(error) = outcome(Some(128), "", &stderr, false) else {
                panic!("{words}")
            };
            assert_eq!(error.code, code);
            // Without git's own word the connection may have ended later.
            assert!(matches!(outcome(Some(128), "", words, false), PushOutcome::Unknown(_)));
        }
        // The server's own programs write to the same stream: their word does not outweigh git's.
        let late = "fatal: Could not read from remote repository.\nsend-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly\n";
        assert!(matches!(outcome(Some(128), "", late, false), PushOutcome::Unknown(_)));
        let read_only = "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.\n";
        assert!(matches!(outcome(Some(128), "", read_only, false), PushOutcome::Refused(_)));
        for stderr in
            ["fatal: the remote end hung up unexpectedly", "Connection closed by 1.2.3.4", "", "nonsense"]
        {
            assert!(matches!(outcome(Some(128), "", stderr, false), PushOutcome::Unknown(_)), "{stderr}");
        }
        assert!(matches!(outcome(None, "", "", true), PushOutcome::Unknown(_)));
        let failure = format!("!{REFS}[remote rejected] (failure)\nDone\n");
        assert!(matches!(outcome(Some(1), &failure, "", false), PushOutcome::Unknown(_)));
    }

    #[test]
    fn a_line_about_another_branch_decides_nothing() {
        let stdout = " \tabc:refs/heads/main2\t1..2\nDone\n";
        assert!(matches!(outcome(Some(0), stdout, "", false), PushOutcome::Unknown(_)));
    }
}
