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

pub fn ten_stores_share_what_they_read() {
    let test = StoreUnderTest::new("requests");
    test.terraform.write("main.tf", CONFIGURATION).unwrap();

    let before = requests(&test);
    test.terraform.apply().unwrap().expect_success();
    let created = since(&before, &requests(&test));
    let patches: usize = (created.iter())
        .filter(|((verb, _), _)| verb == "patch")
        .map(|(_, count)| count)
        .sum();
    // One for each object, and one for the end of the create.
    assert_eq!(patches, 13 * STORES, "{created:?}");
    assert!(
        created.values().sum::<usize>() <= 15 * STORES,
        "{created:?}"
    );

    let before = requests(&test);
    let plan = test.terraform.plan().unwrap();
    assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    let asked = since(&before, &requests(&test));
    let kinds = [
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
    let mut once: BTreeMap<(String, String), usize> = (kinds.into_iter())
        .map(|kind| (("list".to_owned(), kind.to_owned()), 1))
        .collect();
    // The Secret with the connections to the databases, which all ten read.
    once.insert(("get".to_owned(), "secrets".to_owned()), 1);
    assert_eq!(asked, once);

    let before = requests(&test);
    test.destroy();
    let destroyed = since(&before, &requests(&test));
    let of_verb = |wanted: &str| -> usize {
        let requests = destroyed.iter();
        requests
            .filter(|((verb, _), _)| verb == wanted)
            .map(|(_, count)| count)
            .sum()
    };
    assert_eq!(of_verb("delete"), 12 * STORES, "{destroyed:?}");
    // The refresh's; one for each kind that a store may have in its namespace; and one for each watch: of Deployments,
    // CronJobs and pods, whose other request is seen only when it has ended.
    let lists = kinds.len() + 13 + 3;
    assert_eq!(of_verb("list"), lists, "{destroyed:?}");
    // The refresh's, and one for each store: whose it is.
    assert_eq!(of_verb("get"), 1 + STORES, "{destroyed:?}");
    assert!(
        destroyed.values().sum::<usize>() <= 13 * STORES + lists + 3 + 1,
        "{destroyed:?}"
    );
}
