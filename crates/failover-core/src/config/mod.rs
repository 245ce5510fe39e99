//! `services.yaml`, the receivers file and the holds file: from their text to a checked [`Config`], checked [`Receiver`]s and
//! checked [`Holds`].

mod model;
mod error;
mod configmap;
mod duration;
mod scalar;
mod fields;
mod value;
mod check;
mod keys;
mod schema;
mod entry;
mod setting;
mod service;
mod read;
mod receiver;
mod holds;

pub use duration::parse as parse_duration;
pub use error::{ConfigError, ConfigErrors};
pub use holds::{HOLDS_PATH, Hold, Holds, Scope};
pub use model::{Config, Placement, Service, Setting, SettingKind, Target, Workload};
pub use read::{MAX_CONFIG_BYTES, parse};
pub use receiver::{Hook, HookUrl, HookUrlError, MAX_RECEIVERS, Receiver, parse_receivers};
pub use schema::schema;
