//! `services.yaml`, the files of receivers and notifications, and the holds file: from their text to checked values.

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
mod hook;
mod receiver;
mod notification;
mod holds;

pub use duration::{parse as parse_duration, written as written_duration};
pub use error::{ConfigError, ConfigErrors};
pub use holds::{HOLDS_PATH, Hold, Holds, Scope};
pub use hook::{HookUrl, HookUrlError};
pub use model::{Config, Placement, Service, Setting, SettingKind, Target, Workload};
pub use notification::{Address, MAX_NOTIFICATIONS, Notification, parse_notifications};
pub use read::{MAX_CONFIG_BYTES, parse};
pub use receiver::{Hook, MAX_RECEIVERS, Receiver, parse_receivers};
pub use schema::schema;
