//! Pairs the elements of a desired list with those of the live list.

use serde_json::Value as Json;

use crate::kubernetes::list_keys::DEFAULT;

/// A list whose order means nothing though it is atomic: the metrics of an autoscaler.
pub const UNORDERED: &str = "metrics";

/// One element of an atomic live list, with the desired element that it is compared with.
pub type Pair<'a> = (Option<&'a Json>, &'a Json);

/// Pairs elements by their position.
pub fn by_position<'a>(desired: &'a [Json], live: &'a [Json]) -> Vec<Pair<'a>> {
    let desired = desired.iter().map(Some).chain(std::iter::repeat(None));
    desired.zip(live).collect()
}

/// Pairs elements of an unordered list: those that are equivalent, then those with the same subject, in the order of
/// the desired list; then the other live elements.
pub fn by_meaning<'a>(
    desired: &'a [Json],
    live: &'a [Json],
    mut is_equivalent: impl FnMut(&'a Json, &'a Json) -> bool,
) -> Vec<Pair<'a>> {
    let mut rest: Vec<&Json> = live.iter().collect();
    let mut pairs: Vec<Option<&Json>> = vec![None; desired.len()];
    let mut assign = |is_pair: &mut dyn FnMut(&'a Json, &'a Json) -> bool| {
        for (pair, desired) in pairs.iter_mut().zip(desired) {
            if pair.is_none()
                && let Some(position) = rest.iter().position(|live| is_pair(desired, live))
            {
                *pair = Some(rest.remove(position));
            }
        }
    };
    assign(&mut is_equivalent);
    assign(&mut |desired, live| subject(desired) == subject(live));
    let paired = desired.iter().zip(pairs);
    let paired = paired.filter_map(|(desired, live)| Some((Some(desired), live?)));
    let paired: Vec<Pair<'_>> = paired.collect();
    paired
        .into_iter()
        .chain(rest.into_iter().map(|live| (None, live)))
        .collect()
}

/// Returns whether a list of this path has the rules of a NetworkPolicy. Each member of a rule changes what it permits.
pub fn is_rules(path: &[&str]) -> bool {
    matches!(path, ["spec", "ingress" | "egress"])
}

/// Returns whether the live rule has members that the desired one lacks, apart from the default protocol of a port.
pub fn has_more(desired: &Json, live: &Json) -> bool {
    match (desired, live) {
        (Json::Object(desired), Json::Object(live)) => {
            (live.iter()).any(|(name, live)| match desired.get(name) {
                Some(desired) => has_more(desired, live),
                None => name != DEFAULT.0 || *live != DEFAULT.1,
            })
        }
        (Json::Array(desired), Json::Array(live)) => {
            (desired.iter().zip(live)).any(|(desired, live)| has_more(desired, live))
        }
        _ => false,
    }
}

/// Returns the type of a metric and what it measures, without the target.
pub fn subject(metric: &Json) -> Json {
    let mut subject = metric.clone();
    if let Some(members) = subject.as_object_mut() {
        for source in members.values_mut().filter_map(Json::as_object_mut) {
            source.remove("target");
        }
    }
    subject
}
