//! What ping and netem tell of a run. Absent: whether it is true.

use std::path::Path;

use serde_json::Value;

/// The summary of a run with one target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    pub(crate) lost_up: u64,
    pub(crate) lost_down: u64,
    pub(crate) lost_unknown: u64,
    pub(crate) duplicated_up: u64,
    pub(crate) duplicated_down: u64,
    pub(crate) overtaken: u64,
    /// Without the reflector's lead.
    pub(crate) rtt_mean_ns: f64,
    pub(crate) lead_mean_ns: f64,
    pub(crate) up_mean_ns: f64,
    pub(crate) down_mean_ns: f64,
    /// How far one-way delays are said to be off at most.
    pub(crate) one_way_error_ns: f64,
}

impl Told {
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let target = &summary["targets"][0];
        let (lost, one_way) = (&target["lost"], &target["one_way"]);
        assert!(lost.is_object() && one_way.is_object(), "{}: {target}", file.display());
        let count = |of: &Value, name: &str| of[name].as_u64().unwrap();
        let nanos = |of: &Value, name: &str| of[name].as_f64().unwrap();
        Self {
            sent: count(target, "sent"),
            answered: count(target, "answered"),
            lost_up: count(lost, "up"),
            lost_down: count(lost, "down"),
            lost_unknown: count(lost, "unknown"),
            duplicated_up: count(lost, "duplicated_up"),
            duplicated_down: count(lost, "duplicated_down"),
            overtaken: count(target, "overtaken"),
            rtt_mean_ns: nanos(target, "rtt_mean_without_lead_ns"),
            lead_mean_ns: nanos(&target["reflector_lead"], "mean_ns"),
            up_mean_ns: nanos(&one_way["up"], "mean_ns"),
            down_mean_ns: nanos(&one_way["down"], "mean_ns"),
            one_way_error_ns: nanos(one_way, "error_ns"),
        }
    }
}

/// How many packets netem says it dropped (`tc -s -j qdisc show`).
pub(crate) fn dropped(file: &Path) -> u64 {
    let shown: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let netem = shown.as_array().unwrap().iter().find(|one| one["kind"] == "netem").unwrap();
    netem["drops"].as_u64().unwrap()
}
