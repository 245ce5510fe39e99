//! Nodes whose kubelet is simulated by KWOK: pods on them are `Running` and `Ready`, though nothing runs.

use std::fs;

use serde_json::{Value, json};

use super::control_plane::{ControlPlane, tool};
use crate::support::daemon::Daemon;

/// A node, dead when dropped.
pub(crate) struct Node {
    pub(crate) name: &'static str,
    kubelet: Daemon,
}

impl Node {
    /// Joins the cluster with this value of the label `role`.
    pub(crate) fn join(plane: &ControlPlane, name: &'static str, role: &str) -> Self {
        // What a kubelet finds on a small machine.
        let room = json!({"cpu": "4", "memory": "8Gi", "ephemeral-storage": "50Gi", "pods": "110"});
        plane.apply(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"role": role, "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            },
            "status": {"capacity": room, "allocatable": room},
        }));
        let node = Self { name, kubelet: start_kubelet(plane, name) };
        node.wait_until_ready(plane);
        node
    }

    /// From one moment to the next nobody hears of it any more, and what ran there is as it was last said to be. Returns when
    /// the cluster has noticed.
    pub(crate) fn die(&mut self, plane: &ControlPlane) {
        self.kubelet.stop();
        plane.wait_for(&["node", self.name], |node| {
            let taints = node["spec"]["taints"].as_array()?;
            let unreachable = taints.iter().any(|taint| {
                taint["key"] == "node.kubernetes.io/unreachable" && taint["effect"] == "NoExecute"
            });
            (ready(node)? == "Unknown" && unreachable).then_some(())
        });
    }

    /// It is there again, after [`Self::die`].
    pub(crate) fn return_home(&mut self, plane: &ControlPlane) {
        self.kubelet = start_kubelet(plane, self.name);
        self.wait_until_ready(plane);
    }

    fn wait_until_ready(&self, plane: &ControlPlane) {
        plane.wait_for(&["node", self.name], |node| {
            let taints = node["spec"]["taints"].as_array();
            (ready(node)? == "True" && taints.is_none_or(Vec::is_empty)).then_some(())
        });
    }
}

/// Each node has a process of its own: one that outlived its node would still end the pods there.
fn start_kubelet(plane: &ControlPlane, name: &str) -> Daemon {
    let mut arguments = vec![format!("--manage-single-node={name}")];
    // As kubelets do; without it the cluster takes the node for dead after a while.
    arguments.push("--node-lease-duration-seconds=40".to_owned());
    let stages = fs::read_dir(tool("stages")).unwrap();
    arguments.extend(stages.map(|stage| format!("--config={}", stage.unwrap().path().display())));
    // The node says when it is ready.
    plane.start_program("kwok", name, &arguments, || Ok(()))
}

/// The status of an object's condition `Ready`.
pub(crate) fn ready(object: &Value) -> Option<&str> {
    let mut conditions = object["status"]["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == "Ready")?["status"].as_str()
}
