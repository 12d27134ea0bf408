//! The owner of the replica count, and the count itself: with an autoscaler under load, with an autoscaler outside
//! Terraform, and during every change of owner.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::lifecycle::store::{DATABASES, StoreUnderTest, databases_with, until};

const AUTOSCALING: &str = "scaling = { autoscaling = { min_replicas = 1, max_replicas = 4 } }";

pub fn plan_is_empty_after_hpa_scales_out() {
    let test = StoreUnderTest::new("hpa");
    test.configure(&format!("{AUTOSCALING}\n{DATABASES}"));
    test.apply();

    // Twice the request of one pod, shared by all pods.
    until("the autoscaler to add pods", 180, || {
        test.namespace
            .share_cpu_load("feast.dev/name=demo", 200)
            .unwrap();
        (test.replicas() > 1).then_some(())
    });
    test.expect_empty_plan();
    test.expect_no_resource_drift();

    let scaled = until("a stable number of pods", 300, || {
        let before = test.replicas();
        // Metrics arrive every 15 s.
        std::thread::sleep(std::time::Duration::from_secs(50));
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

/// Simulates the controller of a deleted autoscaler that still writes the count.
pub fn resets_replicas_that_change_during_the_rollout() {
    let test = StoreUnderTest::new("moved");
    test.configure(&format!("{AUTOSCALING}\n{DATABASES}"));
    test.apply();
    let slow = r#"pod_annotations = { "testbed.feast.dev/ready-after" = "30s" }"#;
    test.configure(&format!(
        "scaling = {{ replicas = 2 }}\n{slow}\n{DATABASES}"
    ));
    let arguments = ["apply", "-no-color", "-input=false", "-auto-approve"];
    let apply = test
        .terraform
        .command(&arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let apply = apply.unwrap();
    until("the configured number of pods", 60, || {
        (test.autoscaler().is_none() && test.replicas() == 2).then_some(())
    });
    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=5"])
        .unwrap();
    let output = apply.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(test.replicas(), 2);
    test.expect_empty_plan();
    test.destroy();
}

/// Terraform reports every change of a refresh as drift: `resource_drift` of a plan.
pub fn refresh_ignores_autoscaled_counts() {
    let test = StoreUnderTest::new("numbers");
    let scale = |replicas: u32| {
        let replicas = format!("--replicas={replicas}");
        let scale = ["scale", "deployment/feast-demo", &replicas];
        test.namespace.kubectl(&scale).unwrap();
    };
    let status = || test.state()["scaling_status"].clone();
    let of = |replicas: u64| json!({"current_replicas": replicas, "desired_replicas": replicas});

    for scaling in ["", AUTOSCALING] {
        test.configure(&format!("{scaling}\n{DATABASES}"));
        test.apply();
        test.expect_no_resource_drift();
        let before = status();
        scale(3);
        test.expect_no_resource_drift();
        test.expect_empty_plan();
        assert_eq!(status(), before);
    }

    test.configure(&format!("scaling = {{ replicas = 2 }}\n{DATABASES}"));
    test.apply();
    assert_eq!(status(), of(2));
    test.expect_no_resource_drift();
    // A pod restarts.
    let selector = "--selector=feast.dev/name=demo";
    let delete = ["delete", "pods", selector, "--wait=false"];
    test.namespace.kubectl(&delete).unwrap();
    test.expect_no_resource_drift();

    // A change of a configured count is drift, and shows the live numbers.
    scale(4);
    until("four pods", 60, || {
        (test.deployment()["status"]["readyReplicas"] == 4).then_some(())
    });
    let plan = test.terraform.plan_with(&["-refresh-only"]).unwrap();
    let after = &plan.json["resource_drift"][0]["change"]["after"];
    assert_eq!(
        json!([
            after["services"]["scaling"]["replicas"],
            after["scaling_status"]
        ]),
        json!([4, of(4)])
    );
    test.apply();
    assert_eq!(status(), of(2));
    test.destroy();
}

pub fn keeps_a_replica_count_set_outside_terraform() {
    let test = StoreUnderTest::new("external");
    let with_image = |image: &str| databases_with(&format!("image = {image:?}"));
    test.configure(&with_image("quay.io/feastdev/feature-server:0.67.0"));
    test.apply();
    assert_eq!(test.replicas(), 1);

    test.namespace
        .kubectl(&["scale", "deployment/feast-demo", "--replicas=5"])
        .unwrap();
    test.expect_empty_plan();

    test.configure(&with_image("quay.io/feastdev/feature-server:0.65.0"));
    test.apply();
    assert_eq!(
        (
            test.replicas(),
            test.deployment()["status"]["readyReplicas"].as_u64(),
            test.image().as_str(),
        ),
        (5, Some(5), "quay.io/feastdev/feature-server:0.65.0")
    );
    test.destroy();
}

pub fn creates_changes_and_deletes_a_budget() {
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
    // A change by another manager is drift, and is reverted.
    let patch = r#"{"spec": {"maxUnavailable": 2}}"#;
    test.patch("pdb/feast-demo", patch);
    test.plan_with_changes();
    test.apply();
    assert_eq!(budgets(), [(Json::Null, json!(1))]);
    with(2, "");
    test.apply();
    assert_eq!(budgets(), []);
    test.destroy();
}

/// A scaling mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    One,
    Three,
    Autoscaled,
    External,
}

/// The maximum of the autoscaler, which it reaches with [`LOAD`].
const MOST: u64 = 6;

/// A load in millicores, far above the capacity of the autoscaler's maximum. Each pod requests 100.
const LOAD: usize = 3000;

/// The count that the autoscaler outside Terraform sets.
const FROM_OUTSIDE: u64 = 4;

impl Mode {
    const ALL: [Self; 4] = [Self::One, Self::Three, Self::Autoscaled, Self::External];

    fn services(self) -> String {
        let scaling = match self {
            Self::One => "scaling = { replicas = 1 }".to_owned(),
            Self::Three => "scaling = { replicas = 3 }".to_owned(),
            Self::Autoscaled => {
                format!(
                    "scaling = {{ autoscaling = {{ min_replicas = 2, max_replicas = {MOST} }} }}"
                )
            }
            Self::External => String::new(),
        };
        format!("{scaling}\n{DATABASES}")
    }

    /// Returns the name of the mode in the guide's table.
    fn title(self) -> &'static str {
        match self {
            Self::One => "fixed 1",
            Self::Three => "fixed 3",
            Self::Autoscaled => "HPA",
            Self::External => "external",
        }
    }

    /// Returns the number of pods after the owner of the count in this mode has set it.
    fn settled(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::Autoscaled => MOST,
            Self::External => FROM_OUTSIDE,
        }
    }
}

/// Describes all values of the count, starting with the value before, in the words of the guide's table. A decrease
/// that the target does not ask for has no word there.
fn described(values: &[u64], to: Mode) -> String {
    match (values, to) {
        ([before], _) => {
            assert_ne!(*before, to.settled(), "the count must differ");
            "stays".to_owned()
        }
        ([_, target], Mode::One | Mode::Three) => format!("{target}, at once"),
        (_, Mode::Autoscaled) if values.is_sorted() => "stays; the HPA raises it".to_owned(),
        _ => format!("{values:?}"),
    }
}

/// Runs every transition between two modes, under load: one walk that takes each of the twelve transitions once, with
/// a watch on the Deployment. The results must be the rows of the guide's table.
pub fn every_transition() {
    let test = StoreUnderTest::new("transitions");
    test.configure(&Mode::One.services());
    test.apply();
    let watch = Watch::on(&test);
    let rows = under_load(&test, || {
        let mut rows = BTreeMap::new();
        let mut now = Mode::One;
        for next in walk() {
            rows.insert((now, next), transition(&test, &watch, now, next));
            now = next;
        }
        rows
    });
    let rows: Vec<String> = rows.into_values().collect();
    assert_eq!(rows.join("\n"), table_of_the_guide());
    test.destroy();
}

/// Changes from one mode to the next, and returns the observed row of the guide's table.
fn transition(test: &StoreUnderTest, watch: &Watch, now: Mode, next: Mode) -> String {
    let before = test.deployment();
    test.configure(&next.services());
    test.apply();
    let pods = match before["spec"]["template"] == test.deployment()["spec"]["template"] {
        true => "stay",
        false => "are replaced",
    };
    if next == Mode::Autoscaled {
        until(&format!("{now:?} → {next:?}: {MOST} pods"), 180, || {
            (test.replicas() == MOST).then_some(())
        });
    }
    let replicas = described(&watch.values(&before, &test.deployment()), next);
    let autoscaler = match test.autoscaler() {
        Some((2, MOST)) => "yes",
        None => "none",
        Some(other) => panic!("{now:?} → {next:?}: {other:?}"),
    };
    if next == Mode::External {
        let replicas = format!("--replicas={FROM_OUTSIDE}");
        let scale = ["scale", "deployment/feast-demo", &replicas];
        test.namespace.kubectl(&scale).unwrap();
        test.expect_empty_plan();
    }
    let (now, next, strategy) = (now.title(), next.title(), test.strategy());
    format!("| {now} | {next} | {replicas} | `{strategy}` | {autoscaler} | {pods} |")
}

/// Returns the rows of the table of all transitions in the guide.
fn table_of_the_guide() -> &'static str {
    let guide = include_str!("../../docs/guides/scaling.md");
    let rows = guide
        .split_once("| Pods |\n|---|---|---|---|---|---|\n")
        .unwrap()
        .1;
    rows.split_once("\n\n").unwrap().0
}

/// Runs `body` while the store's pods share [`LOAD`].
fn under_load<T>(test: &StoreUnderTest, body: impl FnOnce() -> T) -> T {
    /// Stops the load when `body` ends, also after a panic.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // A pod can be deleted between the two requests; the next round repeats them.
                test.namespace
                    .share_cpu_load("feast.dev/name=demo", LOAD)
                    .ok();
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        body()
    })
}

/// Records every version of the Deployment's specification from kubectl's watch.
pub struct Watch {
    kubectl: Child,
    /// (generation, replicas)
    versions: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Watch {
    pub fn on(test: &StoreUnderTest) -> Self {
        let columns = "--output=jsonpath={.metadata.generation} {.spec.replicas}{\"\\n\"}";
        let mut kubectl = test
            .namespace
            .kubectl_command(&["get", "deployment", "feast-demo", "--watch", columns])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(kubectl.stdout.take().unwrap()).lines();
        let versions = Arc::new(Mutex::new(Vec::new()));
        let recorded = versions.clone();
        // The thread ends with the pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let (generation, replicas) = line.split_once(' ').unwrap();
                let version = (generation.parse().unwrap(), replicas.parse().unwrap());
                recorded.lock().unwrap().push(version);
            }
        });
        Self { kubectl, versions }
    }

    /// Returns the values of `spec.replicas` between two versions of the Deployment, without repetitions.
    pub fn values(&self, from: &Json, to: &Json) -> Vec<u64> {
        let generation = |deployment: &Json| deployment["metadata"]["generation"].as_u64().unwrap();
        let range = generation(from)..=generation(to);
        let mut versions = until("the watch to catch up", 120, || {
            let versions = self.versions.lock().unwrap().clone();
            (versions.last()?.0 >= *range.end()).then_some(versions)
        });
        versions.retain(|(generation, _)| range.contains(generation));
        versions.dedup();
        let generations: Vec<u64> = versions.iter().map(|version| version.0).collect();
        assert_eq!(
            generations,
            range.collect::<Vec<_>>(),
            "the watch has every generation"
        );
        let mut values: Vec<u64> = versions.into_iter().map(|version| version.1).collect();
        values.dedup();
        values
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // An error means that the process has already ended.
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
}

/// Returns a closed walk over the four modes from `One` that takes each of the twelve edges exactly once.
fn walk() -> Vec<Mode> {
    let mut edges: Vec<(Mode, Mode)> = Mode::ALL
        .into_iter()
        .flat_map(|from| Mode::ALL.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from != to)
        .collect();
    // Hierholzer's algorithm: walk until there is no unused edge, and add the detours on the way back.
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
