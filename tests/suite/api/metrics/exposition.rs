//! Reads what Prometheus reads, and takes nothing that is out of form (OpenMetrics 1.0).

use std::collections::BTreeMap;

/// Labels of a sample, by name.
pub type Labels = BTreeMap<String, String>;

/// A family of metrics.
#[derive(Debug)]
pub struct Family {
    pub kind: String,
    /// Name, labels, value.
    pub samples: Vec<(String, Labels, f64)>,
}

/// All families by name.
#[derive(Debug)]
pub struct Exposition(pub BTreeMap<String, Family>);

impl Exposition {
    /// Reads a text.
    #[track_caller]
    pub fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("an end");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(plain(name) && help.len() > 10 && help.ends_with('.'), "{line}");
                current = name.to_owned();
                let family = Family { kind: String::new(), samples: Vec::new() };
                assert!(families.insert(current.clone(), family).is_none(), "told twice: {name}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(name, current, "{line}");
                assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
                families.get_mut(name).expect("a help before").kind = kind.to_owned();
            } else {
                assert!(!line.starts_with('#') && !line.is_empty(), "{line}");
                let (name, labels, value) = sample(line);
                let family = families.get_mut(&current).expect("a family");
                let suffixes: &[&str] = match family.kind.as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    other => panic!("{other:?} before {line}"),
                };
                let suffix = name.strip_prefix(&current).unwrap_or_else(|| panic!("{line} below {current}"));
                assert!(suffixes.contains(&suffix), "{line}");
                assert!(value.is_finite() && value >= 0.0, "{line}");
                assert!(!family.samples.iter().any(|(n, l, _)| (n, l) == (&name, &labels)), "twice: {line}");
                family.samples.push((name, labels, value));
            }
        }
        let read = Self(families);
        read.0.iter().filter(|(_, family)| family.kind == "histogram").for_each(|(name, family)| whole(name, family));
        read
    }

    /// The value of a sample.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// The value of a sample, if it is told.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.samples().find(|(n, l, _)| n == name && *l == labels).map(|(_, _, value)| *value)
    }

    /// Everything that is told.
    pub fn samples(&self) -> impl Iterator<Item = &(String, Labels, f64)> {
        self.0.values().flat_map(|family| &family.samples)
    }
}

fn plain(name: &str) -> bool {
    name.starts_with("dp2stage_") && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn sample(line: &str) -> (String, Labels, f64) {
    let (head, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = match head.split_once('{') {
        None => (head, Labels::new()),
        Some((name, rest)) => {
            // No label of ours holds a comma or a quote: what would is out of form.
            let rest = rest.strip_suffix('}').expect("a brace");
            let pair = |pair: &str| {
                let (key, value) = pair.split_once('=').expect("a label");
                let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).expect("quotes");
                assert!(!value.contains(['"', '\\']), "{line}");
                (key.to_owned(), value.to_owned())
            };
            (name, rest.split(',').map(pair).collect())
        }
    };
    assert!(plain(name), "{line}");
    (name.to_owned(), labels, value.parse().expect("a number"))
}

/// Buckets add up, and the last is the count.
fn whole(name: &str, family: &Family) {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect("a bound");
            let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a number") };
            series.entry(labels).or_default().push((bound, *value));
        }
    }
    for (labels, buckets) in series {
        assert!(buckets.is_sorted() && buckets.last().is_some_and(|last| last.0.is_infinite()), "{name} {labels:?}");
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name} {labels:?}: {buckets:?}");
        let of = |suffix: &str| {
            family.samples.iter().find(|(n, l, _)| *n == format!("{name}{suffix}") && *l == labels).map(|found| found.2)
        };
        assert_eq!(of("_count"), buckets.last().map(|last| last.1), "{name} {labels:?}");
        assert!(of("_sum").is_some(), "{name} {labels:?}");
    }
}

#[test]
fn what_is_out_of_form_is_refused() {
    let good = "# HELP dp2stage_x Some words here.\n# TYPE dp2stage_x counter\ndp2stage_x_total{a=\"b\"} 1\n# EOF\n";
    assert_eq!(Exposition::read(good).value("dp2stage_x_total", &[("a", "b")]), 1.0);
    for (from, to) in [
        ("# EOF\n", ""),
        ("_total", ""),
        ("} 1\n", "} 1\ndp2stage_x_total{a=\"b\"} 2\n"),
        ("} 1", "} NaN"),
        ("} 1", "} -1"),
        ("counter", "summary"),
        ("Some words here.", "?"),
        ("dp2stage_x_total", "other_total"),
        ("a=\"b\"", "a=b"),
        ("# TYPE dp2stage_x counter\n", ""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(std::panic::catch_unwind(|| Exposition::read(&bad)).is_err(), "{bad}");
    }
}
