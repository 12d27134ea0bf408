//! What happens when every pod applies the feature repository at the same time.

use std::process::Command;
use std::thread;

use crate::real_feast::feature_repository as repository;
use crate::real_feast::lab;
use crate::real_feast::three_replicas::{configuration, secrets};
use crate::support::feast::Finished;

const PODS: usize = 5;

/// Evidence for a decision rather than a demand: which of them fail is Feast's and PostgreSQL's matter. In the end the
/// registry must hold the definitions once.
pub fn to_an_sql_registry() {
    let postgres = lab::postgres();
    postgres.create_database("concurrent").unwrap();
    repository::fill_table(postgres, "concurrent");
    let store = lab::feature_store(&configuration(), &secrets("concurrent"), Some(postgres));
    let pods: Vec<_> = (0..PODS)
        .map(|_| store.cluster.pod(&store.deployment).unwrap())
        .collect();
    // `feast init` is not what this is about.
    pods[0].run("feast-init").unwrap().success();
    repository::from_a_table(&pods[0], "/feast-data");
    for pod in &pods[1..] {
        let [from, to] = [&pods[0], pod].map(|pod| pod.path("feast-init", "/feast-data"));
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(from.join("demo")).arg(to);
        assert!(copy.status().unwrap().success());
    }
    for round in ["an empty registry", "the same again"] {
        let finished: Vec<Finished> = thread::scope(|scope| {
            let running: Vec<_> = pods
                .iter()
                .map(|pod| scope.spawn(|| pod.run("feast-apply").unwrap()))
                .collect();
            running.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let failed = finished.iter().filter(|it| !it.status.success()).count();
        eprintln!("{round}: {failed} of {PODS} failed");
    }
    let rows = "select count(*), min(feature_view_name) from feature_views";
    assert_eq!(
        postgres.query("concurrent", rows).unwrap(),
        "1|driver_stats"
    );
}
