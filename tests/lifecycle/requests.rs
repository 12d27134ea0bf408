//! How many requests an operation costs: a count is exact where a time is not. The API server's audit log
//! tells.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::lifecycle::lab;
use crate::lifecycle::store::StoreUnderTest;
use crate::support::terraform::Exit;

const STORES: usize = 10;

/// Twelve objects for each feature store.
const CONFIGURATION: &str = r#"
terraform {
  required_providers {
    feast = { source = "feast-dev/feast" }
  }
}

variable "kubeconfig" { type = string }
variable "namespace" { type = string }

provider "feast" {
  config_path = var.kubeconfig
  namespace   = var.namespace
}

resource "feast_feature_store" "many" {
  count             = 10
  name              = "many-${count.index}"
  feast_project     = "many"
  wait_for_rollout  = false
  cron_job          = { schedule = "0 3 * * *" }
  services = {
    feast_apply = "none"
    scaling     = { autoscaling = { min_replicas = 1, max_replicas = 3 } }
    online_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server      = { resources = { requests = { cpu = "100m" } } }
    }
    offline_store = {
      persistence = { store = { type = "postgres", secret_ref = { name = "feast-data-stores" } } }
      server      = { resources = { requests = { cpu = "100m" } } }
    }
    registry = {
      local = {
        persistence = { store = { type = "sql", secret_ref = { name = "feast-data-stores" } } }
        server      = { resources = { requests = { cpu = "100m" } } }
      }
    }
  }
}
"#;

/// The provider's requests in the namespace so far, by verb and resource.
fn requests(test: &StoreUnderTest) -> BTreeMap<(String, String), usize> {
    let folder = lab::control_plane().folder().unwrap();
    let log = std::fs::read_to_string(folder.join("audit.log")).unwrap();
    let mut counts = BTreeMap::new();
    let events = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Json>(line).ok());
    for event in events {
        let ours = event["userAgent"]
            .as_str()
            .is_some_and(|agent| agent.contains("feast"));
        let here = event["objectRef"]["namespace"] == test.namespace.name();
        if ours && here && event["stage"] == "ResponseComplete" {
            let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
            let request = (text(&event["verb"]), text(&event["objectRef"]["resource"]));
            *counts.entry(request).or_insert(0) += 1;
        }
    }
    counts
}

/// What was asked between two counts.
fn since(
    before: &BTreeMap<(String, String), usize>,
    after: &BTreeMap<(String, String), usize>,
) -> BTreeMap<(String, String), usize> {
    let mut counts = after.clone();
    for (request, count) in before {
        counts
            .entry(request.clone())
            .and_modify(|now| *now -= count);
    }
    counts.retain(|_, count| *count > 0);
    counts
}

/// What is asked, by verb and resource, when the ten are created, planned and destroyed.
#[derive(Debug)]
struct Costs {
    created: BTreeMap<(String, String), usize>,
    planned: BTreeMap<(String, String), usize>,
    destroyed: BTreeMap<(String, String), usize>,
}

impl Costs {
    fn count(test: &StoreUnderTest) -> Self {
        let before = requests(test);
        test.terraform.apply().unwrap().expect_success();
        let created = since(&before, &requests(test));

        let before = requests(test);
        let plan = test.terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
        let planned = since(&before, &requests(test));

        let before = requests(test);
        test.destroy();
        let destroyed = since(&before, &requests(test));
        Self {
            created,
            planned,
            destroyed,
        }
    }

    /// Whether each LIST was shared by all ten.
    fn are_least(&self) -> bool {
        let Self {
            created,
            planned,
            destroyed,
        } = self;
        // The refresh's; one for each kind that a store may have in its namespace; and one for each watch: of
        // Deployments, CronJobs and pods, whose other request is seen only when it has ended.
        let lists = KINDS.len() + 13 + 3;
        // One for each object, and one for the end of the create.
        total(created, "patch") == 13 * STORES
            && created.values().sum::<usize>() <= 15 * STORES
            && *planned == once()
            && total(destroyed, "delete") == 12 * STORES
            && total(destroyed, "list") == lists
            // The refresh's, and one for each store: whose it is.
            && total(destroyed, "get") == 1 + STORES
            && destroyed.values().sum::<usize>() <= 13 * STORES + lists + 3 + 1
    }
}

const KINDS: [&str; 9] = [
    "configmaps",
    "cronjobs",
    "deployments",
    "horizontalpodautoscalers",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "services",
];

/// A refresh: one LIST of each kind, and the Secret with the connections to the databases, which all ten read.
fn once() -> BTreeMap<(String, String), usize> {
    let lists = KINDS.map(|kind| ("list", kind)).into_iter();
    lists
        .chain([("get", "secrets")])
        .map(|(verb, resource)| ((verb.to_owned(), resource.to_owned()), 1))
        .collect()
}

fn total(requests: &BTreeMap<(String, String), usize>, verb: &str) -> usize {
    let of_verb = requests.iter().filter(|((it, _), _)| it == verb);
    of_verb.map(|(_, count)| count).sum()
}

/// What is read is shared for two seconds. On a busy machine the last of the ten may begin later than that, and it is
/// tried again.
pub fn ten_stores_share_what_they_read() {
    let test = StoreUnderTest::new("requests");
    test.terraform.write("main.tf", CONFIGURATION).unwrap();
    let mut all = (0..5).map(|_| Costs::count(&test));
    let mut seen = Vec::new();
    let least = all.any(|costs| {
        let least = costs.are_least();
        seen.push(costs);
        least
    });
    assert!(least, "{seen:#?}");
}
