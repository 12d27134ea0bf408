//! The ways to scale, and the bounds of an autoscaler.

use super::Violation;
use super::accessors::{AUTOSCALING, KEDA, SCALING, autoscaling, scaling};
use crate::feast::config::FeatureStore;
use crate::schema::Path;

pub(super) fn replicas_or_autoscaling(store: &FeatureStore) -> Vec<Violation> {
    let Some(scaling) = scaling(store) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if scaling.replicas.is_some() && scaling.autoscaling.is_some() {
        found.push(both());
    }
    if scaling.keda.is_some() {
        let others = [
            ("replicas", scaling.replicas.is_some()),
            ("autoscaling", scaling.autoscaling.is_some()),
        ];
        found.extend(others.into_iter().filter(|(_, there)| *there).map(|(other, _)| {
            let path = Path::of(KEDA);
            Violation::new(
                path,
                [Path::of(SCALING).attribute(other)],
                format!("keda and {other} are mutually exclusive"),
                format!(
                    "KEDA's autoscaler and `{other}` would each undo what the other does. Remove \
                     `services.scaling.{other}` or `services.scaling.keda`."
                ),
            )
        }));
    }
    found
}

fn both() -> Violation {
    let path = Path::of(SCALING).attribute("replicas");
    Violation::new(
        path.clone(),
        [path],
        "replicas and autoscaling are mutually exclusive",
        "A fixed number of pods and an autoscaler would each undo what the other does. Remove \
         `services.scaling.replicas` to let the autoscaler choose (its `min_replicas` keeps a lower \
         bound), or remove `services.scaling.autoscaling` to keep the number fixed.",
    )
}

pub(super) fn replica_bounds(store: &FeatureStore) -> Vec<Violation> {
    let Some(autoscaling) = autoscaling(store) else {
        return Vec::new();
    };
    let (Some(min), max) = (autoscaling.min_replicas, autoscaling.max_replicas) else {
        return Vec::new();
    };
    if min <= max {
        return Vec::new();
    }
    let path = Path::of(AUTOSCALING).attribute("min_replicas");
    vec![Violation::new(
        path.clone(),
        [path, Path::of(AUTOSCALING).attribute("max_replicas")],
        format!("min_replicas ({min}) is above max_replicas ({max})"),
        format!(
            "Kubernetes refuses such an autoscaler. Write a `min_replicas` of at most {max}, or a \
             `max_replicas` of at least {min}."
        ),
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::feast::rules::testing::{refused, stands};

    #[test]
    fn one_way_to_scale() {
        stands(json!({"scaling": {}}));
        stands(json!({"scaling": {"replicas": 1}}));
        refused(
            "replicas-or-autoscaling",
            json!({"scaling": {"replicas": 1, "autoscaling": {"maxReplicas": 3}}}),
            &[(
                "services.scaling.replicas",
                "replicas and autoscaling are mutually exclusive",
            )],
        );
    }

    #[test]
    fn keda_alone() {
        let keda = json!({"maxReplicas": 3, "triggers": [{"type": "cron", "metadata": {}}]});
        refused(
            "replicas-or-autoscaling",
            json!({"scaling": {"keda": keda}}),
            &[],
        );
        refused(
            "replicas-or-autoscaling",
            json!({"scaling": {"keda": keda, "replicas": 1, "autoscaling": {"maxReplicas": 3}}}),
            &[
                (
                    "services.scaling.replicas",
                    "replicas and autoscaling are mutually exclusive",
                ),
                (
                    "services.scaling.keda",
                    "keda and replicas are mutually exclusive",
                ),
                (
                    "services.scaling.keda",
                    "keda and autoscaling are mutually exclusive",
                ),
            ],
        );
    }

    #[test]
    fn bounds_in_order() {
        refused(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"maxReplicas": 1}}}),
            &[],
        );
        refused(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"minReplicas": 2, "maxReplicas": 2}}}),
            &[],
        );
        refused(
            "replica-bounds",
            json!({"scaling": {"autoscaling": {"minReplicas": 5, "maxReplicas": 3}}}),
            &[(
                "services.scaling.autoscaling.min_replicas",
                "min_replicas (5) is above max_replicas (3)",
            )],
        );
    }
}
