//! Who owns the replica count, and what happens to it: an autoscaler that works, an autoscaler outside
//! Terraform, and every way from one owner to another.

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{DATABASES, StoreUnderTest, until};

const AUTOSCALING: &str = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";

pub fn hpa_scales_out_and_the_plan_stays_empty() {
    let test = StoreUnderTest::new("hpa");
    test.configure(&format!("{AUTOSCALING}\n{DATABASES}"));
    test.apply();

    // Twice the request of one pod, shared by however many there are.
    until("the autoscaler to add pods", 180, || {
        test.namespace
            .share_cpu_load("feast.dev/name=demo", 200)
            .unwrap();
        (test.replicas() > 1).then_some(())
    });
    test.expect_empty_plan();

    let scaled = until("a settled number of pods", 120, || {
        let before = test.replicas();
        std::thread::sleep(std::time::Duration::from_secs(5));
        (test.replicas() == before).then_some(before)
    });
    test.configure(DATABASES);
    test.apply();
    assert_eq!((test.autoscaler(), test.replicas()), (None, scaled));

    test.configure(&format!("{AUTOSCALING}\n{DATABASES}"));
    test.apply();
    assert_eq!(test.autoscaler(), Some((1, 4)));
    assert!(test.replicas() >= 1);
    test.destroy();
}

pub fn external_count_survives_every_update() {
    let test = StoreUnderTest::new("external");
    let with_image = |image: &str| {
        DATABASES.replace(
            "server      = {",
            &format!("server = {{ image = {image:?},"),
        )
    };
    test.configure(&with_image("quay.io/feastdev/feature-server:0.66.0"));
    test.apply();
    assert_eq!(test.replicas(), 1);

    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=5"])
        .unwrap();
    test.expect_empty_plan();

    test.configure(&with_image("quay.io/feastdev/feature-server:0.65.0"));
    test.apply();
    let deployment = test.deployment();
    assert_eq!(
        (
            test.replicas(),
            deployment["status"]["readyReplicas"].as_u64(),
            deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str(),
        ),
        (5, Some(5), Some("quay.io/feastdev/feature-server:0.65.0"))
    );
    test.destroy();
}

pub fn a_budget_comes_changes_and_goes() {
    let test = StoreUnderTest::new("budget");
    let budgets = || {
        let budgets = test.namespace.json(&["get", "pdb"]).unwrap();
        let budgets = budgets["items"].as_array().unwrap().iter();
        let amounts = budgets.map(|it| {
            let spec = &it["spec"];
            (spec["minAvailable"].clone(), spec["maxUnavailable"].clone())
        });
        amounts.collect::<Vec<_>>()
    };
    let with = |replicas: u32, budget: &str| {
        test.configure(&format!(
            "scaling = {{ replicas = {replicas} }}\n{budget}\n{DATABASES}"
        ));
    };
    let steps = [
        (3, "max_unavailable = 1", vec![(Json::Null, json!(1))]),
        (
            3,
            "min_available = \"50%\"",
            vec![(json!("50%"), Json::Null)],
        ),
        // A number in a string is a number.
        (2, "min_available = \"1\"", vec![(json!(1), Json::Null)]),
        (1, "min_available = 1", Vec::new()),
    ];
    for (replicas, amount, expected) in steps {
        with(
            replicas,
            &format!("pod_disruption_budgets = {{ {amount} }}"),
        );
        test.apply();
        assert_eq!(budgets(), expected, "{replicas} replicas, {amount}");
    }
    with(2, "pod_disruption_budgets = { max_unavailable = 1 }");
    test.apply();
    // What somebody changes is drift, and is repaired.
    let patch = r#"{"spec": {"maxUnavailable": 2}}"#;
    let edit = [
        "patch",
        "pdb",
        "feast-demo",
        "--type=merge",
        "--patch",
        patch,
    ];
    test.namespace.kubectl(&edit).unwrap();
    test.plan_with_changes();
    test.apply();
    assert_eq!(budgets(), [(Json::Null, json!(1))]);
    with(2, "");
    test.apply();
    assert_eq!(budgets(), []);
    test.destroy();
}

/// A way to run the store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    One,
    Three,
    Autoscaled,
    External,
}

impl Mode {
    const ALL: [Self; 4] = [Self::One, Self::Three, Self::Autoscaled, Self::External];

    fn services(self) -> String {
        let scaling = match self {
            Self::One => "scaling = { replicas = 1 }",
            Self::Three => "scaling = { replicas = 3 }",
            Self::Autoscaled => {
                "scaling = { autoscaling = { min_replicas = 2, max_replicas = 6 } }"
            }
            Self::External => "",
        };
        format!("{scaling}\n{DATABASES}")
    }

    /// (autoscaler, strategy, replicas) once this mode has been applied over `before` replicas.
    fn expected(self, before: u64) -> (Option<(u64, u64)>, &'static str, u64) {
        match self {
            Self::One => (None, "Recreate", 1),
            Self::Three => (None, "RollingUpdate", 3),
            Self::Autoscaled => (Some((2, 6)), "RollingUpdate", before.max(2)),
            Self::External => (None, "Recreate", before),
        }
    }
}

/// Every mode after every other: the twelve ways, as one walk that takes each once.
pub fn every_transition() {
    let test = StoreUnderTest::new("transitions");
    test.configure(&Mode::One.services());
    test.apply();
    let mut now = Mode::One;
    for next in walk() {
        let before = test.replicas();
        test.configure(&next.services());
        test.apply();
        // The autoscaler raises the count to its minimum by itself.
        let expected = next.expected(before);
        until(&format!("{now:?} → {next:?}: {expected:?}"), 60, || {
            let strategy = test.strategy();
            let seen = (test.autoscaler(), strategy.as_str(), test.replicas());
            (seen == expected).then_some(())
        });
        now = next;
    }
    test.destroy();
}

/// A closed walk over the four modes from `One` that takes each of the twelve edges exactly once.
fn walk() -> Vec<Mode> {
    let mut edges: Vec<(Mode, Mode)> = Mode::ALL
        .into_iter()
        .flat_map(|from| Mode::ALL.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
        .collect();
    // Hierholzer: walk until stuck, and put the detours in on the way back.
    let mut stack = vec![Mode::One];
    let mut walk = Vec::new();
    while let Some(&from) = stack.last() {
        match edges.iter().position(|edge| edge.0 == from) {
            Some(edge) => stack.push(edges.remove(edge).1),
            None => walk.extend(stack.pop()),
        }
    }
    walk.reverse();
    assert_eq!(walk.len(), 13);
    walk.split_off(1)
}
