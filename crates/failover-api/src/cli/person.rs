//! Who runs a command, as a commit names them. Nobody proves it: who may push is for the Git host to say.

use failover_core::name::Actor;

/// `alice@laptop (command line)`.
pub(super) fn actor() -> Option<Actor> {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
    let user = user.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let system = rustix::system::uname();
    let who = format!("{user}@{}", system.nodename().to_string_lossy());
    let who: String = who.chars().filter(|c| !c.is_control()).take(80).collect();
    Actor::new(format!("{who} (command line)")).ok()
}
