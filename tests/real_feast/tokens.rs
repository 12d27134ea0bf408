//! Tokens of clients with `authz.kubernetes`.

use serde_json::{Value as Json, json};

use crate::real_feast::lab;

/// Feast accepts a ServiceAccount token that the API server has rejected. The warning `kubernetes-tokens`, the
/// attribute's description and the guide "Authorization" say so. If this check fails, Feast verifies these tokens:
/// restrict the warning to the earlier versions, and change the texts.
pub fn a_rejected_token_has_the_roles_of_the_account_that_it_names() {
    let output = lab::python().run(include_str!("tokens/rejected.py"), &[]);
    let output: Json = serde_json::from_str(output.unwrap().trim()).unwrap();
    let account = json!({"username": "team-a:notebook", "roles": ["feast-reader"], "groups": []});
    let expected = json!({
        "service_account": account,
        // Tokens of users are verified.
        "opaque": "Could not extract username from token",
    });
    assert_eq!(output, expected);
}
