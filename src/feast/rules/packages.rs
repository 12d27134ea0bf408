//! Packages that Feast's image does not contain. The image is built with `feast[minimal]`
//! (`feast/infra/feature_servers/multicloud/requirements.txt` in the package of Feast 0.66 and 0.67).

use super::Violation;
use super::accessors::{ONLINE, PROJECT_DIR, online, online_disabled, services};
use crate::feast::config::FeatureStore;
use crate::feast::feast_version::feast_version;
use crate::feast::names;
use crate::schema::Path;

/// Warns that Feast sends no events: it ignores the section silently.
pub(super) fn openlineage(store: &FeatureStore) -> Vec<Violation> {
    let is_enabled = store.openlineage.as_ref().is_some_and(|it| it.enabled);
    missing(
        store,
        is_enabled.then(|| Path::of("openlineage.enabled")),
        "openlineage",
        "Feast sends no lineage events with its published image",
    )
}

/// Warns that Feast logs no operations: it ignores the section silently. Retrievals are logged by clients, which have
/// their own packages.
pub(super) fn mlflow(store: &FeatureStore) -> Vec<Violation> {
    let logs = (store.mlflow.as_ref())
        .is_some_and(|mlflow| mlflow.enabled && mlflow.log_operations == Some(true));
    missing(
        store,
        logs.then(|| Path::of("mlflow.log_operations")),
        "mlflow",
        "Feast does not log its operations with its published image",
    )
}

/// Returns a violation at `path` if a container that needs the extra has an image without it: `feast apply`, and the
/// online server, in which the CronJob materializes.
fn missing(store: &FeatureStore, path: Option<Path>, extra: &str, summary: &str) -> Vec<Violation> {
    let Some(path) = path else {
        return Vec::new();
    };
    let init = Path::of("services.init_image");
    let server = Path::of(ONLINE).attribute("server.image");
    let packaged = Path::of(PROJECT_DIR).attribute("packaged.image");
    let directory = store.feast_project_dir.as_ref();
    let default = directory.and_then(|it| it.packaged.as_ref()?.image.as_deref());
    let default = default.unwrap_or(names::DEFAULT_IMAGE);
    let online = online(store).and_then(|it| it.server.as_ref()?.image.as_deref());
    let used = [
        (
            &init,
            services(store).and_then(|it| it.init_image.as_deref()),
            true,
        ),
        (&server, online, !online_disabled(store)),
    ];
    let without: Vec<(&Path, &str)> = (used.into_iter())
        .filter(|(_, _, is_used)| *is_used)
        .map(|(attribute, configured, _)| (attribute, configured.unwrap_or(default)))
        .filter(|(_, image)| is_published(image))
        .collect();
    let Some(&(_, image)) = without.first() else {
        return Vec::new();
    };
    let attributes: Vec<String> = (without.iter())
        .map(|(attribute, _)| format!("`{attribute}`"))
        .collect();
    vec![Violation::new(
        path.clone(),
        [
            path,
            init,
            server,
            packaged,
            Path::of(ONLINE).attribute("disabled"),
        ],
        summary,
        format!(
            "The image {image:?} does not contain the packages of `feast[{extra}]`, and Feast ignores the section without \
             them. Build an image from it with `uv pip install 'feast[{extra}]'`, and set it as {}.",
            attributes.join(" and ")
        ),
    )]
}

/// Returns whether this is an image of the Feast project, or a mirror of it.
fn is_published(image: &str) -> bool {
    image.contains("feastdev/feature-server:") && feast_version(image).is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::warns_store;

    const PUBLISHED: &str = "mirror.example/feastdev/feature-server:0.67.0";
    const OURS: &str = "registry.example.com/feature-server:0.67.0-lineage";

    fn store(more: Json, services: Json) -> Json {
        let mut store = json!({"name": "demo", "feastProject": "p", "services": services});
        if let (Json::Object(store), Json::Object(more)) = (&mut store, more) {
            store.extend(more);
        }
        store
    }

    #[test]
    fn warns_about_images_without_the_openlineage_client() {
        let expected = [(
            "openlineage.enabled",
            "Feast sends no lineage events with its published image",
        )];
        let images = |init: &str, online: &str| json!({"initImage": init, "onlineStore": {"server": {"image": online}}});
        let disabled = |init: &str| {
            json!({
                "initImage": init,
                "onlineStore": {"disabled": true},
                "offlineStore": {"server": {}},
            })
        };
        for (services, expected) in [
            (json!({}), &expected[..]),
            (images(PUBLISHED, PUBLISHED), &expected),
            (images(OURS, PUBLISHED), &expected),
            (images(PUBLISHED, OURS), &expected),
            (images(OURS, OURS), &[]),
            (disabled(PUBLISHED), &expected),
            (disabled(OURS), &[]),
        ] {
            let settings = json!({"openlineage": {"enabled": true}});
            warns_store("openlineage-package", store(settings, services), expected);
        }
        let packaged = json!({
            "openlineage": {"enabled": true},
            "feastProjectDir": {"packaged": {"image": OURS, "featureRepoPath": "repo"}},
        });
        warns_store("openlineage-package", store(packaged, json!({})), &[]);
        let disabled = json!({"openlineage": {"enabled": false}});
        warns_store("openlineage-package", store(disabled, json!({})), &[]);
    }

    #[test]
    fn warns_about_images_without_mlflow() {
        let check = |settings: Json, expected: &[(&str, &str)]| {
            let settings = json!({"mlflow": settings});
            warns_store("mlflow-package", store(settings, json!({})), expected);
        };
        check(
            json!({"enabled": true, "logOperations": true}),
            &[(
                "mlflow.log_operations",
                "Feast does not log its operations with its published image",
            )],
        );
        check(json!({"enabled": true}), &[]);
        check(json!({"enabled": false, "logOperations": true}), &[]);
    }
}
