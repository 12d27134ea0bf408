//! The security context of the containers.

use super::Violation;
use super::accessors::services;
use crate::feast::config::FeatureStore;
use crate::kubernetes::validation::{below, security_context};
use crate::schema::Path;

const POD: &str = "services.security_context";
const CONTAINER: &str = "services.container_security_context";

pub(super) fn containers(store: &FeatureStore) -> Vec<Violation> {
    let Some(services) = services(store) else {
        return Vec::new();
    };
    let Some(context) = &services.container_security_context else {
        return Vec::new();
    };
    let mut violations = below(&Path::of(CONTAINER), security_context::container(context));
    let pod = services.security_context.clone().unwrap_or_default();
    let [user, non_root] = ["run_as_user", "run_as_non_root"];
    // The values of the pod apply to containers without one.
    let conflict = match (context.run_as_user, context.run_as_non_root) {
        (Some(0), None) if pod.run_as_non_root == Some(true) => Some((user, non_root)),
        (None, Some(true)) if pod.run_as_user == Some(0) => Some((non_root, user)),
        _ => None,
    };
    if let Some((name, of_the_pod)) = conflict {
        let path = Path::of(CONTAINER).attribute(name);
        let other = Path::of(POD).attribute(of_the_pod);
        violations.push(Violation::new(
            path.clone(),
            [path, other.clone(), Path::of(CONTAINER).attribute(of_the_pod)],
            format!("`{name}` conflicts with `{other}`"),
            "User 0 is root, so no container would start. Set another user, or remove `run_as_non_root`.",
        ));
    }
    violations
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::rejects;

    fn check(pod: Json, container: Json, expected: &[(&str, &str)]) {
        let services = json!({"securityContext": pod, "containerSecurityContext": container});
        rejects("container-security-context", services, expected);
    }

    #[test]
    fn violations_are_at_their_attributes() {
        check(
            json!({}),
            json!({"runAsGroup": -1}),
            &[(
                "services.container_security_context.run_as_group",
                "`run_as_group` must be a valid GID",
            )],
        );
    }

    #[test]
    fn rejects_root_if_the_pod_excludes_it() {
        let user = "services.container_security_context.run_as_user";
        let summary = "`run_as_user` conflicts with `services.security_context.run_as_non_root`";
        let non_root = json!({"runAsNonRoot": true});
        let root = json!({"runAsUser": 0});
        check(non_root.clone(), root.clone(), &[(user, summary)]);
        check(
            non_root.clone(),
            json!({"runAsNonRoot": false, "runAsUser": 0}),
            &[],
        );
        check(json!({}), root.clone(), &[]);
        check(
            root,
            non_root,
            &[(
                "services.container_security_context.run_as_non_root",
                "`run_as_non_root` conflicts with `services.security_context.run_as_user`",
            )],
        );
    }
}
