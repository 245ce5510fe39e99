//! The server in a real cluster's control plane: etcd, kube-apiserver and kube-controller-manager, with `deploy/` applied; where
//! it is about apps, also kube-scheduler, Flux's controllers and simulated nodes. `scripts/e2e` builds those and runs this.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so does what it is made of"
)]

#[expect(dead_code, reason = "the helpers of the other tests, of which not all are needed here")]
#[path = "../it/support/mod.rs"]
mod support;

mod control_plane;
mod pod;
mod scene;
mod deploy;
mod rights;
mod secret;
mod outages;
mod replicas;
mod callers;
mod flux;
mod receiver;
mod nodes;
mod chain;
mod documents;
