//! `services.yaml`: from its text to a checked [`Config`].

mod model;
mod error;
mod configmap;
mod duration;
mod scalar;
mod fields;
mod value;
mod check;
mod entry;
mod setting;
mod service;
mod read;

pub use error::{ConfigError, ConfigErrors};
pub use model::{Config, Placement, Service, Setting, SettingKind, Target, Workload};
pub use read::{MAX_CONFIG_BYTES, parse};
