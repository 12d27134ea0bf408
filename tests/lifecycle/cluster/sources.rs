//! The user's own Secrets.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};
use serde_json::json;
use terraform_provider_feast::cluster::CancellationToken;
use terraform_provider_feast::feast::secrets::source::Source;

use super::lab::Lab;

pub async fn reads_the_users_secrets(lab: Lab) {
    let secrets: Api<Secret> = Api::namespaced(lab.client.clone(), &lab.namespace);
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "store"}, "data": {"redis": "aG9zdDogcg==", "bytes": "/w=="}}),
    )
    .expect("valid");
    secrets
        .create(&PostParams::default(), &secret)
        .await
        .expect("created");
    let cancel = CancellationToken::new();
    let found = lab
        .cluster
        .contents(
            &lab.namespace,
            &BTreeSet::from([Source::secret("store", "redis")]),
            &cancel,
        )
        .await;
    assert_eq!(
        found.expect("found"),
        BTreeMap::from([(
            Source::secret("store", "redis"),
            BTreeMap::from([("redis".to_owned(), "host: r".to_owned())])
        )])
    );
    let wanted = BTreeSet::from([
        Source::secret("store", "postgres"),
        Source::secret("gone", "redis"),
        Source::secret("store", "bytes"),
    ]);
    let errors = lab
        .cluster
        .contents(&lab.namespace, &wanted, &cancel)
        .await
        .expect_err("missing");
    let mut texts: Vec<String> = errors
        .iter()
        .map(|error| format!("{}: {}", error.target, error.reason))
        .collect();
    texts.sort();
    assert_eq!(
        texts,
        [
            "Secret/gone: it does not exist",
            "Secret/store: it has no key \"postgres\"",
            "Secret/store: the value of its key \"bytes\" is not UTF-8 text",
        ]
    );
}
