//! Images of Feast that lack what the configuration needs. `tests/real_feast` verifies the behavior of Feast.

use super::Violation;
use super::accessors::{
    CRON_JOB, LOCAL, OFFLINE, ONLINE, PROJECT_DIR, REGISTRY, cron_job_containers, local, offline,
    online, online_disabled, registry, scaled_by,
};
use crate::feast::config::{FeatureStore, RegistryStoreType};
use crate::feast::feast_version::{FeastVersion, feast_version};
use crate::feast::names;
use crate::feast::spec::commands_or_default;
use crate::schema::Path;

/// The first version that rejects requests for a feature view while it is materialized, and the first with a setting
/// against it.
const REJECTS: FeastVersion = FeastVersion(0, 64);
const FIXED: FeastVersion = FeastVersion(0, 67);

/// An image that the configuration sets, and the attribute.
struct Image<'a> {
    path: Path,
    name: &'a str,
    /// The absent attributes that decide that the image is used.
    reads: Vec<Path>,
}

/// Returns the image of a server, or else that of the packaged feature repository.
fn image<'a>(
    store: &'a FeatureStore,
    server: Path,
    configured: Option<&'a str>,
) -> Option<Image<'a>> {
    let path = server.attribute("image");
    if let Some(name) = configured {
        return Some(Image {
            path,
            name,
            reads: Vec::new(),
        });
    }
    let packaged = store.feast_project_dir.as_ref()?.packaged.as_ref()?;
    Some(Image {
        path: Path::of(PROJECT_DIR).attribute("packaged.image"),
        name: packaged.image.as_deref()?,
        reads: vec![path],
    })
}

/// Warns that requests fail while the CronJob materializes.
pub(super) fn materialization(store: &FeatureStore) -> Vec<Violation> {
    let Some(cron_job) = &store.cron_job else {
        return Vec::new();
    };
    let commands = cron_job_containers(store).and_then(|it| it.commands.clone());
    let commands = commands_or_default(commands);
    let materializes = commands.iter().any(|it| it.contains("materialize"));
    let is_scheduled = cron_job.schedule.is_some() && cron_job.suspend != Some(true);
    let wanted = registry(store).and_then(|it| it.serve_features_while_materializing);
    // Feast does not store the state of a feature view alone in such a registry.
    let database = local(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let is_sql = database.is_some_and(|it| it.r#type == RegistryStoreType::Sql);
    let is_wanted = wanted != Some(false) && !is_sql;
    if !is_scheduled || !materializes || online_disabled(store) || !is_wanted {
        return Vec::new();
    }
    let server = online(store).and_then(|it| it.server.as_ref());
    let configured = server.and_then(|server| server.image.as_deref());
    let image = image(store, Path::of(ONLINE).attribute("server"), configured);
    let Some(image) = image.filter(|image| {
        feast_version(image.name).is_some_and(|version| (REJECTS..FIXED).contains(&version))
    }) else {
        return Vec::new();
    };
    let cron_job = Path::of(CRON_JOB);
    let mut reads = image.reads;
    reads.extend([
        image.path.clone(),
        cron_job.attribute("suspend"),
        cron_job.attribute("container_configs.commands"),
        Path::of(ONLINE).attribute("disabled"),
        Path::of(REGISTRY).attribute(names::SERVE_WHILE_MATERIALIZING),
        Path::of(LOCAL).attribute("persistence.store.type"),
    ]);
    vec![Violation::new(
        image.path,
        reads,
        "The online server rejects requests while the CronJob materializes",
        format!(
            "While a feature view is materialized, servers and clients of Feast 0.64 to 0.66 answer requests for it with \
             \"Feature view is in state 'MATERIALIZING' and cannot serve features\", unless the registry is a SQL \
             database. {:?} is such a version. Set an image of Feast 0.67 or later, or remove `image` to use the default. Alternatively, set \
             `services.registry.{} = false` if such errors are intended.",
            image.name,
            names::SERVE_WHILE_MATERIALIZING
        ),
    )]
}

/// Warns that a client of several offline servers can lose its results.
pub(super) fn offline_servers(store: &FeatureStore) -> Vec<Violation> {
    let server = offline(store).and_then(|it| it.server.as_ref());
    let (Some(server), Some(scaled_by)) = (server, scaled_by(store)) else {
        return Vec::new();
    };
    let path = Path::of(OFFLINE).attribute("server");
    let image = image(store, path, server.image.as_deref());
    let Some(image) =
        image.filter(|image| feast_version(image.name).is_some_and(|version| version < FIXED))
    else {
        return Vec::new();
    };
    let mut reads = image.reads;
    reads.extend([
        image.path.clone(),
        scaled_by.clone(),
        Path::of("services.scaling"),
    ]);
    vec![Violation::new(
        image.path,
        reads,
        "Requests to several offline servers can fail",
        format!(
            "Before Feast 0.67, a retrieval is several requests to one process, and `{scaled_by}` makes several pods: if \
             the requests reach different pods, the retrieval fails with \"Flight not found\". {:?} is such a version. \
             Set an image of Feast 0.67 or later, or remove `image` to use the default.",
            image.name
        ),
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::rules::testing::warns_store;

    const OLD: &str = "mirror.example/feastdev/feature-server:0.66.0";
    const NEW: &str = "mirror.example/feastdev/feature-server:0.67.0";

    fn online(image: &str) -> Json {
        json!({"onlineStore": {"server": {"image": image}}})
    }

    #[test]
    fn warns_about_requests_that_fail_during_materialization() {
        let check = |cron_job: Json, services: Json, expected: &[&str]| {
            let summary = "The online server rejects requests while the CronJob materializes";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            let store = json!({
                "name": "demo", "feastProject": "p", "cronJob": cron_job, "services": services,
            });
            warns_store("materialization-requests", store, &expected);
        };
        let image = &["services.online_store.server.image"];
        let hourly = json!({"schedule": "@hourly"});
        check(hourly.clone(), online(OLD), image);
        check(hourly.clone(), online(NEW), &[]);
        check(hourly.clone(), online("feature-server:0.63.0"), &[]);
        check(hourly.clone(), online("feature-server:latest"), &[]);
        check(hourly.clone(), json!({}), &[]);
        check(json!({}), online(OLD), &[]);
        let suspended = json!({"schedule": "@hourly", "suspend": true});
        check(suspended, online(OLD), &[]);
        let commands = |command: &str| json!({"schedule": "@hourly", "containerConfigs": {"commands": [command]}});
        check(commands("feast apply"), online(OLD), &[]);
        check(
            commands("feast materialize 2026-01-01T00:00:00 2026-02-01T00:00:00"),
            online(OLD),
            image,
        );
        let disabled = json!({
            "onlineStore": {"disabled": true, "server": {"image": OLD}}, "ui": {},
        });
        check(hourly.clone(), disabled, &[]);
        let mut in_a_database = online(OLD);
        let database = json!({"store": {"type": "sql", "secretRef": {"name": "s"}}});
        in_a_database["registry"] = json!({"local": {"persistence": database}});
        check(hourly.clone(), in_a_database, &[]);
        let mut intended = online(OLD);
        intended["registry"] = json!({"local": {}, "serveFeaturesWhileMaterializing": false});
        check(hourly, intended, &[]);
    }

    #[test]
    fn a_packaged_image_is_that_of_the_server() {
        let check = |services: Json, expected: &[(&str, &str)]| {
            let store = json!({
                "name": "demo", "feastProject": "p", "cronJob": {"schedule": "@hourly"},
                "feastProjectDir": {"packaged": {"image": OLD, "featureRepoPath": "/app/features"}},
                "services": services,
            });
            warns_store("materialization-requests", store, expected);
        };
        check(
            json!({}),
            &[(
                "feast_project_dir.packaged.image",
                "The online server rejects requests while the CronJob materializes",
            )],
        );
        check(online(NEW), &[]);
    }

    #[test]
    fn warns_about_several_old_offline_servers() {
        let check = |image: &str, scaling: Json, expected: &[&str]| {
            let database =
                |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
            let store = json!({"name": "demo", "feastProject": "p", "services": {
                "scaling": scaling,
                "onlineStore": {"persistence": database("postgres")},
                "offlineStore": {"persistence": database("postgres"), "server": {"image": image}},
                "registry": {"local": {"persistence": database("sql")}},
            }});
            let summary = "Requests to several offline servers can fail";
            let expected: Vec<_> = expected.iter().map(|path| (*path, summary)).collect();
            warns_store("offline-servers", store, &expected);
        };
        let keda =
            json!({"keda": {"maxReplicas": 3, "triggers": [{"type": "cron", "metadata": {}}]}});
        let image = &["services.offline_store.server.image"];
        check(OLD, json!({"replicas": 2}), image);
        check(OLD, keda, image);
        check("feature-server:0.50.0", json!({"replicas": 2}), image);
        check(OLD, json!({"replicas": 1}), &[]);
        check(NEW, json!({"replicas": 2}), &[]);
    }
}
