//! Import ids and identities that cannot be a feature store's.

use super::applied::{Run, errors};
use super::*;
use crate::schema::provider::ImportResourceStateRequest;

fn rejected(run: &Run, id: &str, identity: Option<Value>) -> Vec<String> {
    let imported = run.block_on(
        resource(&run.feast).import_state(ImportResourceStateRequest {
            id: id.to_owned(),
            identity,
            ..ImportResourceStateRequest::default()
        }),
    );
    assert_eq!(imported.resources, []);
    errors(&imported.diagnostics)
}

#[test]
fn rejects_other_forms_without_asking_the_cluster() {
    let run = Run::new();
    let part = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
    let must = |name: &str, text: &str| format!("`{name}` must match `{part}`, but is {text:?}.");
    let empty = |name: &str| format!("`{name}` must not be empty. {}", must(name, ""));
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
            rejected(&run, id, None),
            [format!(
                "The import id is not valid: The import id {id:?} cannot be the one of a feature store: {reasons}\n\n\
                 Import a feast_feature_store by the id \"<namespace>/<name>\", such as \"default/demo\"; by \"<name>\" \
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
        let found = rejected(&run, "", Some(Value::Object(identity.into())));
        let begins = "The import id is not valid: The identity of the import cannot be the one of a feature store: ";
        assert!(
            found.len() == 1 && found[0].starts_with(begins),
            "{found:?}"
        );
    }
    assert_eq!(run.server.requests(), Vec::<String>::new());
    let found = rejected(&run, "ns/demo", None);
    assert!(
        found[0].starts_with("There is no such feature store"),
        "{found:?}"
    );
}
