//! `services.yaml`, and the receivers file: from their text to a checked [`Config`] and checked [`Receiver`]s.

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

pub use error::{ConfigError, ConfigErrors};
pub use model::{Config, Placement, Service, Setting, SettingKind, Target, Workload};
pub use read::{MAX_CONFIG_BYTES, parse};
pub use receiver::{Hook, HookUrl, HookUrlError, MAX_RECEIVERS, Receiver, parse_receivers};
pub use schema::schema;
