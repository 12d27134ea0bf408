//! A store serves features, from `terraform apply` to the answer.

use serde_json::Value as Json;

use crate::real_node::store::Store;
use crate::support::feast::features::{expected_response, features_request, values};

pub fn serves_features_through_services() {
    let store = Store::create("serving", "");
    let ask = format!(
        "import json, urllib.request\n\
         request = urllib.request.Request('http://feast-demo-online.{}.svc.cluster.local/get-online-features', \
         json.dumps({}).encode(), {{'content-type': 'application/json'}})\n\
         print(urllib.request.urlopen(request).read().decode())",
        store.namespace.name(),
        features_request()
    );
    let exec = [
        "exec",
        "deployment/feast-demo",
        "--container=online",
        "--",
        "python",
        "-c",
        &ask,
    ];
    let said = store.namespace.kubectl(&exec).unwrap();
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!(values(&said), expected_response());
    store.destroy();
}
