//! Import IDs and identities that are not those of a feature store.

use super::test_provider::{TestProvider, errors};
use super::*;
use crate::schema::provider::ImportResourceStateRequest;

fn rejected(provider: &TestProvider, id: &str, identity: Option<Value>) -> Vec<String> {
    let imported = provider.block_on(resource(&provider.feast).import_state(
        ImportResourceStateRequest {
            id: id.to_owned(),
            identity,
            ..ImportResourceStateRequest::default()
        },
    ));
    assert_eq!(imported.resources, []);
    errors(&imported.diagnostics)
}

#[test]
fn rejects_invalid_ids_without_a_request() {
    let provider = TestProvider::new();
    let part = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    let must = |name: &str, text: &str| format!("`{name}` must match `{part}`, but is {text:?}.");
    let empty = |name: &str| format!("`{name}` must not be empty.");
    let long = "a".repeat(70);
    let too_long = "`namespace` must have at most 63 characters, but has 70.".to_owned();
    for (id, reasons) in [
        ("ns:demo", must("name", "ns:demo")),
        ("ns/demo/x", must("name", "demo/x")),
        ("ns//demo", must("name", "/demo")),
        ("/demo", empty("namespace")),
        ("ns/", empty("name")),
        ("/", format!("{} {}", empty("namespace"), empty("name"))),
        (" ns/demo", must("namespace", " ns")),
        ("ns/demo ", must("name", "demo ")),
        ("a b", must("name", "a b")),
        ("ns/Demo", must("name", "Demo")),
        (&format!("{long}/demo"), too_long),
    ] {
        assert_eq!(
            rejected(&provider, id, None),
            [format!(
                "The import ID is not valid: The import ID {id:?} is not that of a feature store: {reasons}\n\n\
                 Import a feast_feature_store by the ID \"<namespace>/<name>\", such as \"default/demo\"; by \"<name>\" \
                 in the namespace of the provider block; or by an identity with `namespace` and `name`."
            )]
        );
    }
    for (namespace, name) in [("a b", "demo"), ("ns", ""), ("ns", "x/y")] {
        let part = |text: &str| Value::string(text);
        let identity = [
            ("namespace".to_owned(), part(namespace)),
            ("name".to_owned(), part(name)),
        ];
        let messages = rejected(&provider, "", Some(Value::Object(identity.into())));
        let start = "The import ID is not valid: The identity is not that of a feature store: ";
        assert!(
            messages.len() == 1 && messages[0].starts_with(start),
            "{messages:?}"
        );
    }
    assert_eq!(provider.server.requests(), Vec::<String>::new());
    let messages = rejected(&provider, "ns/demo", None);
    assert!(
        messages[0].starts_with("There is no such feature store"),
        "{messages:?}"
    );
}
