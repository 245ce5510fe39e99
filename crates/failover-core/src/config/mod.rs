//! `services.yaml`: from its text to a checked [`Config`].

mod model;
mod error;

pub use error::{ConfigError, ConfigErrors};
pub use model::{Config, Placement, Service, Setting, SettingKind, Target, Workload};
