//! A strict reader of the OpenMetrics text format, as far as counters, gauges, histograms and infos go.

use std::collections::{BTreeMap, BTreeSet};

/// A metric and its samples.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// One line.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The whole name, with what its kind adds.
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// Reads a whole answer; anything that the format does not allow fails the test.
pub(crate) fn parse(text: &str) -> BTreeMap<String, Family> {
    let text = text.strip_suffix("# EOF\n").expect_or(text, "it does not end with # EOF");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (keyword, rest) = rest.split_once(' ').expect_or(line, "no keyword");
            let (name, value) = rest.split_once(' ').expect_or(line, "no value");
            assert!(is_name(name), "{line}");
            if name != current {
                assert!(families.insert(name.to_owned(), Family::default()).is_none(), "twice: {line}");
                current = name.to_owned();
            }
            let family = families.get_mut(name).unwrap();
            assert!(family.samples.is_empty(), "behind samples: {line}");
            let slot = match keyword {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                _ => panic!("unknown: {line}"),
            };
            assert!(slot.is_empty() && !value.is_empty(), "{line}");
            *slot = value.to_owned();
            continue;
        }
        let sample = sample(line);
        let family = families.get_mut(&current).expect_or(line, "before any family");
        let suffix = sample.name.strip_prefix(current.as_str()).expect_or(line, "of another family");
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            other => panic!("type {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}");
        assert!(family.kind == "gauge" || sample.value >= 0., "{line}");
        family.samples.push(sample);
    }
    families.values().for_each(check);
    families
}

trait ExpectOr<T> {
    fn expect_or(self, line: &str, why: &str) -> T;
}

impl<T> ExpectOr<T> for Option<T> {
    fn expect_or(self, line: &str, why: &str) -> T {
        self.unwrap_or_else(|| panic!("{why}: {line}"))
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn sample(line: &str) -> Sample {
    let name: String = line.chars().take_while(|c| *c != '{' && *c != ' ').collect();
    assert!(is_name(&name), "{line}");
    let mut rest = &line[name.len()..];
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (label, behind) = inner.split_once("=\"").expect_or(line, "no value of a label");
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut chars = behind.char_indices();
            let end = loop {
                match chars.next().expect_or(line, "an open quote").1 {
                    '"' => break chars.offset(),
                    '\\' => match chars.next().expect_or(line, "an open escape").1 {
                        'n' => value.push('\n'),
                        c @ ('"' | '\\') => value.push(c),
                        _ => panic!("escape: {line}"),
                    },
                    c => value.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            inner = &behind[end..];
            inner = inner.strip_prefix(',').unwrap_or(inner);
        }
        rest = &inner[1..];
    }
    let value = rest.strip_prefix(' ').expect_or(line, "no value");
    Sample { name, labels, value: value.parse().unwrap_or_else(|_| panic!("value: {line}")) }
}

#[derive(Default)]
struct Histogram {
    /// Upper bound and count.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    has_sum: bool,
}

fn check(family: &Family) {
    assert!(!family.kind.is_empty() && !family.help.is_empty(), "{family:?}");
    let mut seen = BTreeSet::new();
    for sample in &family.samples {
        assert!(seen.insert((&sample.name, &sample.labels)), "twice: {sample:?}");
    }
    if family.kind != "histogram" {
        return;
    }
    let mut histograms: BTreeMap<BTreeMap<String, String>, Histogram> = BTreeMap::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le");
        let histogram = histograms.entry(labels).or_default();
        match sample.name.rsplit_once('_').unwrap().1 {
            "bucket" => histogram.buckets.push((bound.unwrap().parse().unwrap(), sample.value)),
            "count" => histogram.count = Some(sample.value),
            _ => histogram.has_sum = true,
        }
    }
    for (labels, Histogram { buckets, count, has_sum }) in &histograms {
        assert!(*has_sum && buckets.len() > 1, "{labels:?} {buckets:?}");
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{labels:?} {buckets:?}");
        let last = buckets.last().unwrap();
        assert_eq!((last.0, Some(last.1)), (f64::INFINITY, *count), "{labels:?}");
    }
}
