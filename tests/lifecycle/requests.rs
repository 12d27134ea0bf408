//! The number of requests of an operation, from the API server's audit log. Unlike a time, a count is exact.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use terraform_provider_feast::kubernetes::kind::{Kind, Scope};

use crate::lifecycle::lab;
use crate::lifecycle::store::{PROVIDER_BLOCK, StoreUnderTest};
use crate::support::terraform::Exit;

const STORES: usize = 10;

/// Returns the configuration of a number of feature stores, of twelve objects each. `cpu` is the CPU request of a
/// server of the first one.
pub fn configuration(stores: usize, cpu: &str) -> String {
    let text = format!("{PROVIDER_BLOCK}{RESOURCE}").replace("@stores@", &stores.to_string());
    text.replace("@cpu@", cpu)
}

const RESOURCE: &str = r#"
resource "feast_feature_store" "many" {
  count             = @stores@
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
      server      = { resources = { requests = { cpu = count.index == 0 ? "@cpu@" : "100m" } } }
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

/// Returns the provider's requests in the namespace so far, by verb and resource.
fn requests(test: &StoreUnderTest) -> BTreeMap<(String, String), usize> {
    let folder = lab::control_plane().folder();
    let log = std::fs::read_to_string(folder.join("audit.log")).unwrap();
    let mut counts = BTreeMap::new();
    // The log has tens of thousands of events of other tests.
    let lines = log
        .lines()
        .filter(|line| line.contains(test.namespace.name()));
    let events = lines.filter_map(|line| serde_json::from_str::<Json>(line).ok());
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

/// Returns the requests between two counts.
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

/// The requests of an operation, by verb and resource, and its duration.
struct Cost {
    requests: BTreeMap<(String, String), usize>,
    duration: Duration,
}

impl Cost {
    fn of(test: &StoreUnderTest, operation: impl FnOnce()) -> Self {
        let before = requests(test);
        let start = Instant::now();
        operation();
        let duration = start.elapsed();
        Self {
            requests: since(&before, &requests(test)),
            duration,
        }
    }

    /// Returns the maximum number of times that a shared read is sent: a read is served from an earlier one that was
    /// sent less than [`SHARED_FOR`] ago.
    fn shared(&self) -> usize {
        1 + usize::try_from(self.duration.as_millis() / SHARED_FOR.as_millis()).unwrap()
    }

    fn total(&self, verb: &str) -> usize {
        let of_verb = self.requests.iter().filter(|((it, _), _)| it == verb);
        of_verb.map(|(_, count)| count).sum()
    }

    fn sum(&self) -> usize {
        self.requests.values().sum()
    }

    /// Returns the lists that the stores have not shared: they were sent for more than half of them.
    fn unshared(&self) -> Vec<String> {
        let unshared = self
            .requests
            .iter()
            .filter(|((verb, _), count)| verb == "list" && **count > STORES / 2);
        unshared
            .map(|((_, resource), count)| format!("{resource}: {count}"))
            .collect()
    }

    #[track_caller]
    fn expect(&self, what: &str, count: usize, bounds: RangeInclusive<usize>) {
        assert!(
            bounds.contains(&count),
            "{what}: {count}, not {bounds:?}, in {:?}: {:#?}",
            self.duration,
            self.requests
        );
    }
}

/// The shortest time for which a read is shared (`MIN_CACHE_TTL` in `src/cluster/read_cache.rs`).
const SHARED_FOR: Duration = Duration::from_secs(2);

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

/// Returns the reads of a refresh: a LIST of each kind, and the Secret with the database connections, which all ten
/// stores read.
fn refresh() -> BTreeSet<(String, String)> {
    let lists = KINDS.map(|kind| ("list", kind)).into_iter();
    lists
        .chain([("get", "secrets")])
        .map(|(verb, resource)| (verb.to_owned(), resource.to_owned()))
        .collect()
}

/// Checks the requests of a create, a plan, a change of one store and a destroy of ten stores. Returns the lists that
/// the stores have not shared.
fn check(test: &StoreUnderTest) -> Vec<String> {
    let operations = [create(test), plan(test), change(test), destroy(test)];
    operations.iter().flat_map(Cost::unshared).collect()
}

fn create(test: &StoreUnderTest) -> Cost {
    let text = configuration(STORES, "100m");
    test.terraform.write("main.tf", &text).unwrap();
    let cost = Cost::of(test, || {
        test.terraform.apply().unwrap().expect_success();
    });
    // One for each object, and one at the end of the create.
    let patches = cost.total("patch");
    cost.expect("patches", patches, 13 * STORES..=13 * STORES);
    let [lists, gets] = ["list", "get"].map(|verb| cost.total(verb));
    let kinds = KINDS.len();
    cost.expect("lists", lists, kinds..=kinds * cost.shared());
    // Each create reads the Secret with the database connections.
    cost.expect("gets", gets, 1..=STORES);
    // There is no watch: nothing waits for a controller.
    let others = cost.sum() - patches - lists - gets;
    cost.expect("other requests", others, 0..=0);
    cost
}

fn plan(test: &StoreUnderTest) -> Cost {
    let cost = Cost::of(test, || {
        let plan = test.terraform.plan().unwrap();
        assert_eq!(plan.exit, Exit::NoChanges, "{}", plan.run);
    });
    assert_eq!(
        cost.requests.keys().cloned().collect::<BTreeSet<_>>(),
        refresh()
    );
    for (request, count) in &cost.requests {
        cost.expect(&format!("{request:?}"), *count, 1..=cost.shared());
    }
    cost
}

/// Returns the number of lists of a refresh and a write: one for each kind of the refresh, and one for each kind that a
/// store can have in its namespace.
fn lists_of_a_write() -> usize {
    let namespaced = Kind::ALL
        .iter()
        .filter(|kind| kind.scope() == Scope::Namespace);
    KINDS.len() + namespaced.count()
}

fn change(test: &StoreUnderTest) -> Cost {
    let text = configuration(STORES, "101m");
    test.terraform.write("main.tf", &text).unwrap();
    let cost = Cost::of(test, || {
        test.terraform.apply().unwrap().expect_success();
    });
    // A dry run and a write of the Deployment, and of the Secret, which has the configuration.
    cost.expect("patches", cost.total("patch"), 4..=4);
    let kinds = lists_of_a_write();
    let [lists, gets] = ["list", "get"].map(|verb| cost.total(verb));
    cost.expect("lists", lists, kinds..=kinds * cost.shared());
    // The Secret with the database connections is read again.
    cost.expect("gets", gets, 2..=1 + cost.shared());
    cost.expect("other requests", cost.sum() - 4 - lists - gets, 0..=0);
    cost
}

fn destroy(test: &StoreUnderTest) -> Cost {
    let cost = Cost::of(test, || test.destroy());
    let shared = cost.shared();
    let kinds = lists_of_a_write();
    // Of Deployments, CronJobs and pods. The log has the second request of a watch only after its end. A watch ends
    // when no store waits, and starts again with the next one.
    let watches = 3;
    let [deletes, lists, gets] = ["delete", "list", "get"].map(|verb| cost.total(verb));
    cost.expect("deletes", deletes, 12 * STORES..=12 * STORES);
    cost.expect("lists", lists, kinds + watches..=(kinds + watches) * shared);
    // Those of the refresh, and one for each store to check its owner.
    cost.expect("gets", gets, 1 + STORES..=shared + STORES);
    let others = cost.sum() - deletes - lists - gets;
    cost.expect("other requests", others, 0..=watches * shared);
    cost
}

/// Every round must meet its bounds. They allow for reads that a slow machine sends after the shared time, so one round
/// must also show fewer lists than stores that share nothing would send.
pub fn ten_stores_share_reads() {
    let test = StoreUnderTest::new("requests");
    let rounds: Vec<_> = (0..5)
        .map(|_| check(&test))
        .take_while(|unshared| !unshared.is_empty())
        .collect();
    assert!(rounds.len() < 5, "lists of each round: {rounds:#?}");
}
