//! Families whose samples are known when they are told.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, &'static str)>;

/// A family: its name without the prefix of all, and what it means.
pub(super) type About = (&'static str, &'static str);

/// What goes up and down.
pub(super) fn gauge(registry: &mut Registry, (name, help): About, value: f64) {
    gauges(registry, (name, help), [(Labels::new(), value)]);
}

/// The same by labels.
pub(super) fn gauges(registry: &mut Registry, (name, help): About, values: impl IntoIterator<Item = (Labels, f64)>) {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
    registry.register(name, help, family);
}

/// What only goes up, by labels; the name is told with `_total` after it.
pub(super) fn counters(registry: &mut Registry, (name, help): About, values: impl IntoIterator<Item = (Labels, f64)>) {
    let family = Family::<Labels, Counter<f64, AtomicU64>>::default();
    for (labels, value) in values {
        family.get_or_create(&labels).inc_by(value);
    }
    registry.register(name, help, family);
}
