//! Who owns the replica count, and what happens to it: an autoscaler that works, an autoscaler outside
//! Terraform, and every way from one owner to another.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
    test.expect_no_resource_drift();

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

/// As the controller of the deleted autoscaler does it that was still at work.
pub fn a_number_that_is_moved_during_the_rollout_is_set_again() {
    let test = StoreUnderTest::new("moved");
    test.configure(&format!("{AUTOSCALING}\n{DATABASES}"));
    test.apply();
    let slow = r#"pod_annotations = { "testbed.feast.dev/ready-after" = "10s" }"#;
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
    until("the number of the configuration", 60, || {
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

/// Terraform reports whatever a refresh changes as drift: `resource_drift` of a plan.
pub fn a_refresh_reports_no_drift_of_numbers_that_move_by_design() {
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
    // A pod that restarts.
    let selector = "--selector=feast.dev/name=demo";
    let delete = ["delete", "pods", selector, "--wait=false"];
    test.namespace.kubectl(&delete).unwrap();
    test.expect_no_resource_drift();

    // A count of the configuration that somebody has changed is drift, and shows with its numbers.
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
    test.patch("pdb/feast-demo", patch);
    test.plan_with_changes();
    test.apply();
    assert_eq!(budgets(), [(Json::Null, json!(1))]);
    with(2, "");
    test.apply();
    assert_eq!(budgets(), []);
    test.destroy();
}

/// A way to run the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    One,
    Three,
    Autoscaled,
    External,
}

/// The most pods of the autoscaler, and with [`LOAD`] what it makes.
const MOST: u64 = 6;

/// Millicores, of which each pod asks for 100: far more than the autoscaler's pods would like.
const LOAD: usize = 3000;

/// What the autoscaler outside Terraform makes.
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

    /// As the guide's table calls it.
    fn title(self) -> &'static str {
        match self {
            Self::One => "fixed 1",
            Self::Three => "fixed 3",
            Self::Autoscaled => "HPA",
            Self::External => "external",
        }
    }

    /// How many pods run once this mode's owner of the count has done its work.
    fn settled(self) -> u64 {
        match self {
            Self::One => 1,
            Self::Three => 3,
            Self::Autoscaled => MOST,
            Self::External => FROM_OUTSIDE,
        }
    }
}

/// The count as it was before, and every value that it has had since, in the words of the guide's table.
/// A fall that the target does not ask for has no word there.
fn told(values: &[u64], to: Mode) -> String {
    match (values, to) {
        ([before], _) => {
            assert_ne!(*before, to.settled(), "nothing to see");
            "stays".to_owned()
        }
        ([_, target], Mode::One | Mode::Three) => format!("{target}, at once"),
        (_, Mode::Autoscaled) if values.is_sorted() => "stays; the HPA raises it".to_owned(),
        _ => format!("{values:?}"),
    }
}

/// Every mode after every other, under load: the twelve ways, as one walk that takes each once, with a
/// watch on the Deployment. What is seen is what the guide's table says.
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

/// Goes from one mode to the next, and tells it as a row of the guide's table.
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
    let replicas = told(&watch.values(&before, &test.deployment()), next);
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

/// The rows of the table of all transitions.
fn table_of_the_guide() -> &'static str {
    let guide = include_str!("../../docs/guides/scaling.md");
    let rows = guide
        .split_once("| Pods |\n|---|---|---|---|---|---|\n")
        .unwrap()
        .1;
    rows.split_once("\n\n").unwrap().0
}

/// Runs `body` while the store's pods share [`LOAD`], however many there are.
fn under_load<T>(test: &StoreUnderTest, body: impl FnOnce() -> T) -> T {
    /// Stops the load when `body` ends, by a panic too.
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
                // A pod may go between the look and the note: the next round knows.
                test.namespace
                    .share_cpu_load("feast.dev/name=demo", LOAD)
                    .ok();
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        body()
    })
}

/// Every version of the Deployment's specification, as kubectl's watch shows it.
pub struct Watch {
    kubectl: Child,
    /// (generation, replicas)
    seen: Arc<Mutex<Vec<(u64, u64)>>>,
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
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = seen.clone();
        // Ends with the pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let (generation, replicas) = line.split_once(' ').unwrap();
                let version = (generation.parse().unwrap(), replicas.parse().unwrap());
                record.lock().unwrap().push(version);
            }
        });
        Self { kubectl, seen }
    }

    /// Each value of `spec.replicas` from one version of the Deployment to another, once.
    pub fn values(&self, from: &Json, to: &Json) -> Vec<u64> {
        let generation = |deployment: &Json| deployment["metadata"]["generation"].as_u64().unwrap();
        let range = generation(from)..=generation(to);
        let mut versions = until("the watch to catch up", 30, || {
            let seen = self.seen.lock().unwrap().clone();
            (seen.last()?.0 >= *range.end()).then_some(seen)
        });
        versions.retain(|(generation, _)| range.contains(generation));
        versions.dedup();
        let generations: Vec<u64> = versions.iter().map(|version| version.0).collect();
        assert_eq!(generations, range.collect::<Vec<_>>(), "none is missed");
        let mut values: Vec<u64> = versions.into_iter().map(|version| version.1).collect();
        values.dedup();
        values
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
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
