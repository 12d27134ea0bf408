//! `show_new_objects` of the provider block.

use super::api_server::ApiServer;
use super::test_provider::TestProvider;
use super::*;

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

/// Terraform plans again when the value is known, and that plan can show more, but not less.
#[test]
fn an_unknown_setting_shows_no_new_objects() {
    let feast = Feast::new();
    let attributes = &feast.schema().block.attributes;
    let mut config = encode(attributes, &json!({"config_path": "/nowhere/kubeconfig"}));
    config.set("show_new_objects", Value::Unknown);
    let request = ConfigureProviderRequest {
        config,
        ..ConfigureProviderRequest::default()
    };
    assert_eq!(wait(feast.configure(request)), []);
    let store = json!({"name": "x", "namespace": "ns", "feastProject": "p"});
    let store = encode(&block(&feast).attributes, &store);
    let planned = plan(&feast, &Value::Null, &store).state;
    assert!(planned.attribute("objects").is_unknown());
}
