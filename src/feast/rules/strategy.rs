//! How pods are replaced.

use super::Violation;
use super::accessors::services;
use super::amount::Amount;
use crate::feast::config::FeatureStore;
use crate::schema::Path;

pub(super) fn check(store: &FeatureStore) -> Vec<Violation> {
    let Some(strategy) = services(store).and_then(|services| services.deployment_strategy.as_ref())
    else {
        return Vec::new();
    };
    let path = Path::of("services.deployment_strategy");
    let type_path = path.attribute("type");
    let mut violations = Vec::new();
    if let Some(word) = &strategy.type_
        && !["Recreate", "RollingUpdate"].contains(&word.as_str())
    {
        violations.push(Violation::new(
                type_path.clone(),
                [type_path.clone()],
                format!("{word:?} is not a deployment strategy"),
                "Write `RollingUpdate` (new pods before old ones go) or `Recreate` (old pods go first).",
            ));
    }
    let Some(numbers) = &strategy.rolling_update else {
        return violations;
    };
    let rolling = path.attribute("rolling_update");
    if strategy.type_.as_deref() == Some("Recreate") {
        violations.push(Violation::new(
            rolling.clone(),
            [type_path],
            "A strategy of type Recreate cannot have rolling_update",
            "All old pods go before new ones come, so that there is nothing to set. Remove `rolling_update`, \
             or write `type = \"RollingUpdate\"`.",
        ));
    }
    let surge = rolling.attribute("max_surge");
    let unavailable = rolling.attribute("max_unavailable");
    let more = numbers.max_surge.as_ref().map(Amount::read);
    let fewer = (numbers.max_unavailable.as_ref()).map(|it| Amount::read(it)?.of_all());
    for (at, amount) in [(&surge, more), (&unavailable, fewer)] {
        if let Some(None) = amount {
            violations.push(Violation::new(
                at.clone(),
                [at.clone()],
                "Not a number of pods or a percentage",
                "Write a whole number that is not negative (`1`) or a percentage (`\"25%\"`); at most 100 % \
                 of the pods can be unavailable.",
            ));
        }
    }
    let none = |amount: Option<Option<Amount>>| {
        matches!(amount.flatten(), Some(Amount::Pods(0) | Amount::Percent(0)))
    };
    if none(more) && none(fewer) {
        violations.push(Violation::new(
            rolling,
            [surge, unavailable],
            "max_surge and max_unavailable are both 0",
            "No pod could ever be replaced: there may be neither one more nor one less. Write at least 1 for \
             one of them.",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::refused;

    fn strategy(strategy: Json, expected: &[(&str, &str)]) {
        let paths: Vec<_> = expected
            .iter()
            .map(|(path, summary)| (format!("services.deployment_strategy{path}"), *summary))
            .collect();
        let expected: Vec<_> = paths.iter().map(|(path, s)| (path.as_str(), *s)).collect();
        refused(
            "deployment-strategy",
            json!({"deploymentStrategy": strategy}),
            &expected,
        );
    }

    #[test]
    fn words_and_numbers() {
        strategy(json!({"type": "Recreate"}), &[]);
        strategy(
            json!({"rollingUpdate": {"maxSurge": "1", "maxUnavailable": 0}}),
            &[],
        );
        strategy(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "150%"}}),
            &[],
        );
        strategy(
            json!({"type": "BlueGreen"}),
            &[(".type", "\"BlueGreen\" is not a deployment strategy")],
        );
        strategy(
            json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            &[(
                ".rolling_update",
                "A strategy of type Recreate cannot have rolling_update",
            )],
        );
        strategy(
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "0%", "maxUnavailable": "0"}}),
            &[(
                ".rolling_update",
                "max_surge and max_unavailable are both 0",
            )],
        );
        let wrong = "Not a number of pods or a percentage";
        strategy(
            json!({"rollingUpdate": {"maxSurge": "-1", "maxUnavailable": "101%"}}),
            &[
                (".rolling_update.max_surge", wrong),
                (".rolling_update.max_unavailable", wrong),
            ],
        );
        strategy(
            json!({"rollingUpdate": {"maxSurge": "+25%", "maxUnavailable": "%"}}),
            &[
                (".rolling_update.max_surge", wrong),
                (".rolling_update.max_unavailable", wrong),
            ],
        );
    }
}
