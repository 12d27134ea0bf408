//! `show_new_objects` of the provider block.

use serde_json::json;

use super::api_server::ApiServer;
use super::test_provider::TestProvider;
use crate::schema::Value;

#[test]
fn plans_show_only_changed_objects_if_new_ones_are_not_shown() {
    for shows_new_objects in [true, false] {
        let server = ApiServer::start(&["ns"]);
        let settings = json!({"show_new_objects": shows_new_objects});
        let provider = TestProvider::on(&server, settings);
        let config = |team: &str| {
            provider.config(&json!({"name": "x", "namespace": "ns", "feastProject": "p",
                "labels": {"team": team}, "waitForRollout": false}))
        };
        let objects = |planned: &Value| planned.attribute("objects").clone();
        let created = provider.plan(&Value::Null, &[], &config("a")).state;
        assert_eq!(objects(&created).is_unknown(), !shows_new_objects);
        let (state, private) = provider.create(&config("a"));
        assert!(objects(&state).is_wholly_known());

        let same = provider.plan(&state, &private, &config("a")).state;
        assert_eq!(same, state);
        let changed = provider.plan(&state, &private, &config("b")).state;
        assert!(objects(&changed).is_wholly_known());
        assert_ne!(objects(&changed), objects(&state));
    }
}
