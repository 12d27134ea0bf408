//! The servers' containers: registry, online, offline.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, HTTPGetAction, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::mounts;
use crate::feast::names::{self, Endpoint};
use crate::feast::spec::{RegistryServer, Server, Store, join};

/// How Kubernetes sees that a server is well.
enum Health {
    Http(&'static str),
    Tcp,
}

pub(super) fn servers(store: &Store) -> Vec<Container> {
    let mut containers = Vec::new();
    if let Some(server) = store.registry_server() {
        containers.push(registry(store, server));
    }
    if let Some(server) = &store.online.server {
        let arguments = ["serve", "-h", "0.0.0.0", "-p", "6566"];
        let health = (Endpoint::Online, Health::Http("/health"));
        containers.push(container(
            store,
            server,
            &arguments,
            &[Endpoint::Online],
            health,
        ));
    }
    if let Some(server) = store.offline_server() {
        let arguments = ["serve_offline", "-h", "0.0.0.0", "-p", "8815"];
        let health = (Endpoint::Offline, Health::Tcp);
        containers.push(container(
            store,
            server,
            &arguments,
            &[Endpoint::Offline],
            health,
        ));
    }
    containers
}

fn registry(store: &Store, server: &RegistryServer) -> Container {
    let RegistryServer { common, grpc, rest } = server;
    let mut arguments = vec!["serve_registry", if *grpc { "--grpc" } else { "--no-grpc" }];
    if *rest {
        arguments.extend(["--rest-api", "--rest-port", "6572"]);
    }
    arguments.extend(["-p", "6570"]);
    let mut endpoints = Vec::new();
    if *grpc {
        endpoints.push(Endpoint::RegistryGrpc);
    }
    if *rest {
        endpoints.push(Endpoint::RegistryRest);
    }
    let health = if *grpc {
        (Endpoint::RegistryGrpc, Health::Tcp)
    } else {
        (Endpoint::RegistryRest, Health::Http("/"))
    };
    container(store, common, &arguments, &endpoints, health)
}

fn container(
    store: &Store,
    server: &Server,
    arguments: &[&str],
    endpoints: &[Endpoint],
    (checked, health): (Endpoint, Health),
) -> Container {
    let Server {
        image,
        env,
        env_from,
        image_pull_policy,
        resources,
        log_level,
    } = server;
    let mut command = vec!["feast"];
    if let Some(level) = log_level {
        command.extend(["--log-level", level]);
    }
    command.extend(arguments);
    let probe = |period: i32, failures: Option<i32>| Probe {
        period_seconds: Some(period),
        failure_threshold: failures,
        http_get: match health {
            Health::Http(path) => Some(HTTPGetAction {
                path: Some(path.to_owned()),
                port: IntOrString::Int(checked.target_port()),
                ..HTTPGetAction::default()
            }),
            Health::Tcp => None,
        },
        tcp_socket: match health {
            Health::Tcp => Some(TCPSocketAction {
                port: IntOrString::Int(checked.target_port()),
                ..TCPSocketAction::default()
            }),
            Health::Http(_) => None,
        },
        ..Probe::default()
    };
    Container {
        name: checked.service().as_str().to_owned(),
        image: Some(image.clone()),
        image_pull_policy: image_pull_policy.map(str::to_owned),
        command: Some(command.into_iter().map(str::to_owned).collect()),
        working_dir: Some(store.repository()),
        env: server_environment(store, env),
        env_from: some(env_from),
        ports: Some(endpoints.iter().copied().map(port).collect()),
        resources: resources.clone(),
        startup_probe: Some(probe(3, Some(40))),
        liveness_probe: Some(probe(20, Some(6))),
        readiness_probe: Some(probe(10, None)),
        volume_mounts: Some(mounts(store)),
        ..Container::default()
    }
}

/// The user's variables, and ours; the user's win.
fn server_environment(store: &Store, env: &[EnvVar]) -> Option<Vec<EnvVar>> {
    let mut env = env.to_vec();
    if store.project.protected {
        add(&mut env, names::PROTECTED_PROJECT, "true");
    }
    with_own_variables(store, with_mlflow(store, env))
}

/// Without init containers nobody links the configuration into the repository.
pub(super) fn with_own_variables(store: &Store, mut env: Vec<EnvVar>) -> Option<Vec<EnvVar>> {
    if store.project.without_init {
        let file = join(names::CONFIGURATION_DIRECTORY, names::FEATURE_STORE_YAML);
        add(&mut env, names::FEATURE_STORE_YAML_PATH, &file);
    }
    some(&env)
}

fn add(env: &mut Vec<EnvVar>, name: &str, value: &str) {
    if env.iter().all(|variable| variable.name != name) {
        env.push(EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        });
    }
}

fn port(endpoint: Endpoint) -> ContainerPort {
    ContainerPort {
        name: Some(endpoint.as_str().to_owned()),
        container_port: endpoint.target_port(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// What `feast apply` needs of the servers' environment: everything, and of two variables with one name
/// the later server's, in the order registry, online, offline.
pub(super) fn joint_environment(
    store: &Store,
) -> (Option<Vec<EnvVar>>, Option<Vec<EnvFromSource>>) {
    let servers = [
        store.registry_server().map(|server| &server.common),
        store.online.server.as_ref(),
        store.offline_server(),
    ];
    let mut env: Vec<EnvVar> = Vec::new();
    let mut env_from = Vec::new();
    for server in servers.into_iter().flatten() {
        for variable in &server.env {
            match env.iter_mut().find(|known| known.name == variable.name) {
                Some(known) => *known = variable.clone(),
                None => env.push(variable.clone()),
            }
        }
        env_from.extend(server.env_from.iter().cloned());
    }
    (some(&with_mlflow(store, env)), some(&env_from))
}

/// What MLflow's own client reads, where the user says nothing else.
fn with_mlflow(store: &Store, mut env: Vec<EnvVar>) -> Vec<EnvVar> {
    let Some(mlflow) = &store.mlflow else {
        return env;
    };
    let auth = mlflow.tracking_auth.as_deref();
    let variables = [
        (
            "MLFLOW_TRACKING_AUTH",
            Some(auth.unwrap_or(names::MLFLOW_TRACKING_AUTH)).filter(|auth| !auth.is_empty()),
        ),
        ("MLFLOW_TRACKING_URI", mlflow.tracking_uri.as_deref()),
    ];
    for (name, value) in variables {
        if let Some(value) = value {
            add(&mut env, name, value);
        }
    }
    env
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
