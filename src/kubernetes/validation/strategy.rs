//! The strategy by which a Deployment replaces pods (`DeploymentStrategy`).

use k8s_openapi::api::apps::v1::DeploymentStrategy;

use super::{Violation, not_int_or_percent, supported};
use crate::kubernetes::int_or_percent::IntOrPercent;
use crate::schema::Path;

pub fn validate(strategy: &DeploymentStrategy) -> Vec<Violation> {
    let DeploymentStrategy {
        type_,
        rolling_update,
    } = strategy;
    let type_path = Path::of("type");
    let mut violations = Vec::new();
    if let Some(value) = type_ {
        let strategies = ["RollingUpdate", "Recreate"];
        violations.extend(supported(type_path.clone(), value, &strategies));
    }
    let Some(rolling_update) = rolling_update else {
        return violations;
    };
    let path = Path::of("rolling_update");
    if type_.as_deref() == Some("Recreate") {
        violations.push(Violation::new(
            path.clone(),
            [type_path],
            "`rolling_update` conflicts with the type `Recreate`",
            "`Recreate` deletes all old pods before it creates new ones. Remove `rolling_update`, or set `type = \
             \"RollingUpdate\"`.",
        ));
    }
    let surge_path = path.attribute("max_surge");
    let unavailable_path = path.attribute("max_unavailable");
    let surge = rolling_update.max_surge.as_ref().map(IntOrPercent::parse);
    let unavailable = rolling_update.max_unavailable.as_ref();
    let unavailable = unavailable.map(IntOrPercent::parse_share);
    for (path, value) in [(&surge_path, surge), (&unavailable_path, unavailable)] {
        if value == Some(None) {
            violations.push(not_int_or_percent(path.clone()));
        }
    }
    let is_zero = |value: Option<Option<IntOrPercent>>| {
        matches!(
            value.flatten(),
            Some(IntOrPercent::Int(0) | IntOrPercent::Percent(0))
        )
    };
    if is_zero(surge) && is_zero(unavailable) {
        violations.push(Violation::new(
            path,
            [surge_path, unavailable_path],
            "`max_surge` and `max_unavailable` must not both be 0",
            "With neither an additional pod nor a missing one allowed, no pod can be replaced. Set one of them to at \
             least 1.",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::kubernetes::validation::testing;

    fn check(strategy: Json, expected: &[(&str, &str)]) {
        testing::check(&strategy, super::validate, expected);
    }

    #[test]
    fn types_and_numbers() {
        check(json!({"type": "Recreate"}), &[]);
        check(
            json!({"rollingUpdate": {"maxSurge": "1", "maxUnavailable": 0}}),
            &[],
        );
        check(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "150%"}}),
            &[],
        );
        check(
            json!({"type": "BlueGreen"}),
            &[("type", "Unsupported value \"BlueGreen\"")],
        );
        check(
            json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            &[(
                "rolling_update",
                "`rolling_update` conflicts with the type `Recreate`",
            )],
        );
        check(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "0"}}),
            &[(
                "rolling_update",
                "`max_surge` and `max_unavailable` must not both be 0",
            )],
        );
        let invalid = "Not a number or percentage of pods";
        for (surge, unavailable) in [("-1", "101%"), ("+25%", "%")] {
            check(
                json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}),
                &[
                    ("rolling_update.max_surge", invalid),
                    ("rolling_update.max_unavailable", invalid),
                ],
            );
        }
    }
}
