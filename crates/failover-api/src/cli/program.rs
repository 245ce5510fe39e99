//! What this program is called: by its own name, or as a plugin of kubectl.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

const OWN: &str = "failover-api";
const PLUGIN_FILE: &str = "kubectl-failover";
const PLUGIN: &str = "kubectl failover";

static NAME: OnceLock<&'static str> = OnceLock::new();

/// How the person who runs it writes its name.
pub(super) fn name() -> &'static str {
    NAME.get_or_init(|| {
        let file = std::env::args_os().next().unwrap_or_default();
        if is_plugin(Path::new(&file).file_name().unwrap_or_default()) { PLUGIN } else { OWN }
    })
}

/// The name of the file that is run.
pub(super) fn file() -> &'static str {
    if name() == PLUGIN { PLUGIN_FILE } else { OWN }
}

fn is_plugin(file: &OsStr) -> bool {
    file == PLUGIN_FILE
}
