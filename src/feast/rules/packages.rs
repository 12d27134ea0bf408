//! Packages that Feast's image does not contain. The image is built with `feast[minimal]`
//! (`feast/infra/feature_servers/multicloud/requirements.txt` in the package of Feast 0.66 and 0.67).

use super::Violation;
use super::accessors::{
    CRON_JOB, OFFLINE, ONLINE, PROJECT_DIR, ServerConfig, offline, online, online_disabled,
    pod_servers, server, services,
};
use crate::feast::config::{FeatureStore, OfflineStoreType, OnlineStoreType, StoreType as _};
use crate::feast::feast_version::feast_version;
use crate::feast::names::{self, ServerKind};
use crate::schema::Path;

/// Warns that Feast sends no events: it ignores the section silently.
pub(super) fn openlineage(store: &FeatureStore) -> Vec<Violation> {
    let is_enabled = store.openlineage.as_ref().is_some_and(|it| it.enabled);
    ignored(
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
    ignored(
        store,
        logs.then(|| Path::of("mlflow.log_operations")),
        "mlflow",
        "Feast does not log its operations with its published image",
    )
}

/// Warns that Feast cannot use a store. Every process of Feast imports the packages of both stores.
pub(super) fn stores(store: &FeatureStore) -> Vec<Violation> {
    let online = online(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let offline = offline(store).and_then(|it| it.persistence.as_ref()?.store.as_ref());
    let used = [
        online.and_then(|it| Some((ONLINE, it.r#type.as_str(), online_extra(&it.r#type)?))),
        offline.and_then(|it| Some((OFFLINE, it.r#type.as_str(), offline_extra(&it.r#type)?))),
    ];
    let servers = pod_servers(store);
    (used.into_iter().flatten())
        .filter_map(|(block, kind, extra)| {
            let needed = Needed {
                path: Path::of(block).attribute("persistence.store.type"),
                extra,
                summary: format!("Feast's published image has no packages for {kind:?}"),
                consequence: "Feast fails without them, when it starts or when it first uses the store",
            };
            missing(store, needed, servers.iter().collect())
        })
        .collect()
}

/// Returns the extra of an online store's packages, unless the image contains them.
fn online_extra(kind: &OnlineStoreType) -> Option<&'static str> {
    use OnlineStoreType as T;
    match kind {
        T::Cassandra => Some("cassandra"),
        T::Hazelcast => Some("hazelcast"),
        T::Singlestore => Some("singlestore"),
        T::Hbase => Some("hbase"),
        T::Elasticsearch => Some("elasticsearch"),
        T::Qdrant => Some("qdrant"),
        T::CouchbaseOnline => Some("couchbase"),
        T::Mongodb => Some("mongodb"),
        T::Aerospike => Some("aerospike"),
        T::Scylladb => Some("scylladb"),
        T::SnowflakeOnline
        | T::Redis
        | T::Datastore
        | T::Dynamodb
        | T::Bigtable
        | T::Postgres
        | T::Mysql
        | T::Milvus
        | T::Hybrid
        | T::Chronon
        | T::Class(_) => None,
    }
}

/// Returns the extra of an offline store's packages, unless the image contains them.
fn offline_extra(kind: &OfflineStoreType) -> Option<&'static str> {
    use OfflineStoreType as T;
    match kind {
        T::Spark => Some("spark"),
        T::Trino => Some("trino"),
        T::Mssql => Some("mssql"),
        T::CouchbaseOffline => Some("couchbase"),
        T::Clickhouse => Some("clickhouse"),
        T::Ray => Some("ray"),
        T::Oracle => Some("oracle"),
        T::SnowflakeOffline
        | T::Bigquery
        | T::Redshift
        | T::Postgres
        | T::Athena
        | T::Hybrid
        | T::Chronon
        | T::Class(_) => None,
    }
}

/// Returns a warning about a section that Feast ignores without the packages of `extra`. They are needed by
/// `feast apply`, and by the server in which commands run: the CronJob materializes there.
fn ignored(
    store: &FeatureStore,
    path: Option<Path>,
    extra: &'static str,
    summary: &str,
) -> Vec<Violation> {
    let Some(path) = path else {
        return Vec::new();
    };
    let needed = Needed {
        path,
        extra,
        summary: summary.to_owned(),
        consequence: "Feast ignores the section without them",
    };
    let servers = pod_servers(store);
    let online = servers.iter().find(|it| it.kind == ServerKind::Online);
    let is_scheduled = (store.cron_job.as_ref()).is_some_and(|it| it.schedule.is_some());
    let used = online.or_else(|| servers.first().filter(|_| is_scheduled));
    missing(store, needed, used.into_iter().collect())
        .into_iter()
        .collect()
}

/// Packages that the configuration needs.
struct Needed {
    /// The attribute that needs them.
    path: Path,
    extra: &'static str,
    summary: String,
    consequence: &'static str,
}

/// Returns a violation if the image of `feast apply` or of one of the servers does not contain the packages.
fn missing(
    store: &FeatureStore,
    needed: Needed,
    servers: Vec<&ServerConfig<'_>>,
) -> Option<Violation> {
    let Needed {
        path,
        extra,
        summary,
        consequence,
    } = needed;
    let directory = store.feast_project_dir.as_ref();
    let default = directory.and_then(|it| it.packaged.as_ref()?.image.as_deref());
    let default = default.unwrap_or(names::DEFAULT_IMAGE);
    let init = services(store).and_then(|it| it.init_image.as_deref());
    let mut images = vec![(Path::of("services.init_image"), init)];
    images.extend(servers.into_iter().map(|server| {
        let configured = server.settings.and_then(|it| it.image);
        (server.path.attribute("image"), configured)
    }));
    let without: Vec<(&Path, &str)> = (images.iter())
        .map(|(attribute, configured)| (attribute, configured.unwrap_or(default)))
        .filter(|(_, image)| is_published(image))
        .collect();
    let &(_, image) = without.first()?;
    let attributes: Vec<String> = (without.iter())
        .map(|(attribute, _)| format!("`{attribute}`"))
        .collect();
    let detail = format!(
        "The image {image:?} does not contain the packages of `feast[{extra}]`. {consequence}. Build an image from it \
         with `uv pip install 'feast[{extra}]'`, and set it as {}.",
        list(&attributes)
    );
    let mut reads = vec![
        path.clone(),
        Path::of(PROJECT_DIR).attribute("packaged.image"),
        Path::of(ONLINE).attribute("disabled"),
    ];
    reads.extend(images.iter().map(|(attribute, _)| attribute.clone()));
    if online_disabled(store) {
        // A server that is absent may only be unknown, and another one would be the first.
        reads.extend(ServerKind::ALL.map(|kind| server(kind).attribute("image")));
        reads.push(Path::of(CRON_JOB).attribute("schedule"));
    }
    Some(Violation::new(path, reads, summary, detail))
}

/// Joins words: `a`, `b` and `c`.
fn list(words: &[String]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => words.concat(),
    }
}

/// Returns whether this is an image of the Feast project, or a mirror of it. A tag with a suffix names another image.
fn is_published(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let is_version = tag
        .chars()
        .all(|c| c.is_ascii_digit() || c == '.' || c == 'v');
    image.contains("feastdev/feature-server:") && is_version && feast_version(image).is_some()
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
    fn commands_run_in_another_server_without_the_online_server() {
        let check = |services: Json, cron_job: Json, expected: &[(&str, &str)]| {
            let more = json!({"openlineage": {"enabled": true}, "cronJob": cron_job});
            warns_store("openlineage-package", store(more, services), expected);
        };
        let services = |registry: &str| {
            json!({
                "initImage": OURS,
                "onlineStore": {"disabled": true},
                "offlineStore": {"server": {}},
                "registry": {"local": {"server": {"image": registry}}},
            })
        };
        let daily = json!({"schedule": "@daily"});
        let expected = [(
            "openlineage.enabled",
            "Feast sends no lineage events with its published image",
        )];
        check(services(PUBLISHED), daily.clone(), &expected);
        check(services(OURS), daily, &[]);
        check(services(PUBLISHED), json!({}), &[]);
    }

    #[test]
    fn warns_about_images_without_the_packages_of_a_store() {
        let check = |online: &str, offline: &str, images: &str, expected: &[(&str, &str)]| {
            let database =
                |kind: &str| json!({"store": {"type": kind, "secretRef": {"name": "s"}}});
            let server = json!({"image": images});
            let services = json!({
                "initImage": images,
                "onlineStore": {"persistence": database(online), "server": server},
                "offlineStore": {"persistence": database(offline)},
                "registry": {"local": {"server": server}},
            });
            warns_store("store-packages", store(json!({}), services), expected);
        };
        check("redis", "bigquery", PUBLISHED, &[]);
        check("cassandra", "spark", OURS, &[]);
        check("cassandra", "spark", &format!("{PUBLISHED}-cassandra"), &[]);
        check(
            "ours.OurOnlineStore",
            "ours.OurOfflineStore",
            PUBLISHED,
            &[],
        );
        check(
            "couchbase.online",
            "spark",
            PUBLISHED,
            &[
                (
                    "services.online_store.persistence.store.type",
                    "Feast's published image has no packages for \"couchbase.online\"",
                ),
                (
                    "services.offline_store.persistence.store.type",
                    "Feast's published image has no packages for \"spark\"",
                ),
            ],
        );
    }

    #[test]
    fn the_warning_names_every_image_without_the_packages() {
        let database = json!({"store": {"type": "qdrant", "secretRef": {"name": "s"}}});
        let services = json!({
            "initImage": OURS,
            "onlineStore": {"persistence": database},
            "offlineStore": {"server": {"image": OURS}},
            "registry": {"local": {"server": {"image": PUBLISHED}}},
            "ui": {},
        });
        let store = serde_json::from_value(store(json!({}), services)).unwrap();
        let [violation] = super::stores(&store).try_into().unwrap();
        assert_eq!(
            violation.detail,
            "The image \"mirror.example/feastdev/feature-server:0.67.0\" does not contain the packages of \
             `feast[qdrant]`. Feast fails without them, when it starts or when it first uses the store. Build an image \
             from it with `uv pip install 'feast[qdrant]'`, and set it as `services.registry.local.server.image`, \
             `services.online_store.server.image` and `services.ui.image`."
        );
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
