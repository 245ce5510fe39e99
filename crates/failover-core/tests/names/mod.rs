//! Names that stand in YAML without quotes, so that writing another over them and back gives the same bytes.

use proptest::prelude::*;

/// Words that some reader of YAML takes for something else than a text: they are written with quotes, which stay.
const WORDS: [&str; 13] =
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity", "none"];

/// A name as Kubernetes allows it.
pub(crate) fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,5}[a-z])?"
        .prop_filter("not a word of YAML", |name| !WORDS.contains(&name.as_str()))
}
