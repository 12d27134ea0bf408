//! Annotations of pods with a meaning for Kubernetes (`ValidatePodSpecificAnnotations`).

use super::{Violation, file_path};
use crate::schema::Path;

const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Validates an annotation at `path` of pods with these containers.
pub fn validate(path: &Path, key: &str, value: &str, containers: &[&str]) -> Option<Violation> {
    let (problem, solution) = if key == MIRROR {
        (
            "marks static pods, which a Deployment does not create",
            "Remove it.",
        )
    } else if key == TOLERATIONS && !value.is_empty() {
        ("has no effect", "Remove it, and set `tolerations` instead.")
    } else if key == DELETION_COST && !is_number(value) {
        (
            "must be a number of 32 bits",
            "Set a whole number, such as `100`.",
        )
    } else if (key == SECCOMP || key.starts_with(SECCOMP_CONTAINER)) && !is_seccomp_profile(value) {
        (
            "must be a seccomp profile",
            "Set `runtime/default`, `unconfined` or `localhost/<file>`, or use `seccomp_profile` instead.",
        )
    } else if key.starts_with(APP_ARMOR) && !is_app_armor_profile(value) {
        (
            "must be an AppArmor profile",
            "Set `runtime/default`, `unconfined` or `localhost/<name>`, or use `app_armor_profile` instead.",
        )
    } else if let Some(container) = key.strip_prefix(APP_ARMOR)
        && !containers.contains(&container)
    {
        (
            "must name a container of the pods",
            "Correct the name after `/`, or use `app_armor_profile` instead.",
        )
    } else {
        return None;
    };
    let summary = format!("The annotation {key:?} {problem}");
    Some(Violation::at(path.clone(), summary, solution))
}

/// Returns whether a text is a number without a plus sign or leading zeros.
fn is_number(text: &str) -> bool {
    text.parse::<i32>()
        .is_ok_and(|number| number.to_string() == text)
}

fn is_seccomp_profile(profile: &str) -> bool {
    let file = profile.strip_prefix("localhost/");
    ["runtime/default", "docker/default", "unconfined"].contains(&profile)
        || file.is_some_and(|file| file_path::descending(Path::root(), file).is_none())
}

fn is_app_armor_profile(profile: &str) -> bool {
    ["", "runtime/default", "unconfined"].contains(&profile) || profile.starts_with("localhost/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations() {
        let problem = |key: &str, value: &str| {
            let found = validate(&Path::root(), key, value, &["online"])?;
            Some(
                found
                    .summary
                    .replace(&format!("The annotation {key:?} "), ""),
            )
        };
        for (key, value) in [
            ("example.com/a", "any text"),
            (DELETION_COST, "-10"),
            (SECCOMP, "localhost/a/b.json"),
            (&format!("{APP_ARMOR}online"), "runtime/default"),
        ] {
            assert_eq!(problem(key, value), None, "{key} = {value}");
        }
        for (key, value, expected) in [
            (
                MIRROR,
                "",
                "marks static pods, which a Deployment does not create",
            ),
            (TOLERATIONS, "[]", "has no effect"),
            (DELETION_COST, "+10", "must be a number of 32 bits"),
            (SECCOMP, "localhost/../a", "must be a seccomp profile"),
            (
                &format!("{APP_ARMOR}online"),
                "a",
                "must be an AppArmor profile",
            ),
            (
                &format!("{APP_ARMOR}other"),
                "unconfined",
                "must name a container of the pods",
            ),
        ] {
            assert_eq!(
                problem(key, value).as_deref(),
                Some(expected),
                "{key} = {value}"
            );
        }
    }
}
