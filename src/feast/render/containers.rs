//! The containers of the servers: registry, online, offline, UI.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvFromSource, EnvVar, ExecAction, Lifecycle, LifecycleHandler,
    Probe, SleepAction, VolumeMount,
};

use super::probes::Health;
use super::volumes::mounts;
use super::{non_empty_list, references, tls};
use crate::feast::config::WorkerConfigs;
use crate::feast::feast_version::{FeastVersion, feast_version};
use crate::feast::names::{self, Endpoint, ServerKind};
use crate::feast::spec::{Metrics, OnlineServer, RegistryServer, Server, Store, Termination, join};

/// The first version of Feast in which the UI and the lineage server can listen at IPv4 and IPv6 addresses.
const DUAL_STACK: FeastVersion = FeastVersion(0, 67);

/// The signal that stops a server. The first process of a container receives only the signals that it handles.
#[derive(Clone, Copy)]
pub(super) enum StopSignal {
    /// SIGTERM, which the kubelet sends.
    Terminate,
    /// SIGINT, which the hook sends to these processes: `1` for the server, `-1` for its child processes, whose end it
    /// awaits.
    Interrupt(&'static str),
}

pub(super) fn servers(store: &Store) -> Vec<Container> {
    let mut containers = Vec::new();
    if let Some(server) = store.registry_server() {
        containers.push(registry(store, server));
    }
    if let Some(server) = &store.online.server {
        containers.push(online(store, server));
    }
    if let Some(server) = store.offline_server() {
        let arguments = [
            "serve_offline",
            "-h",
            host(store, server, Endpoint::Offline),
        ];
        containers.push(container(
            store,
            server,
            &arguments,
            &[Endpoint::Offline],
            Health::Tcp,
        ));
    }
    if let Some(server) = &store.ui {
        let arguments = ["ui", "-h", host(store, server, Endpoint::Ui)];
        containers.push(container(
            store,
            server,
            &arguments,
            &[Endpoint::Ui],
            Health::Tcp,
        ));
    }
    containers
}

/// Returns the address at which a server listens: every IPv4 address of the pod, and every IPv6 address if the server
/// can without failing on a node that does not support IPv6.
pub(super) fn host(store: &Store, server: &Server, endpoint: Endpoint) -> &'static str {
    let falls_back = || feast_version(&server.image).is_some_and(|it| it >= DUAL_STACK);
    match endpoint {
        // Gunicorn needs brackets, and fails without IPv6.
        Endpoint::Online if store.ipv6 => "[::]",
        // From 0.67, these use IPv4 if there is no IPv6. Earlier versions would use IPv6 alone.
        Endpoint::Ui | Endpoint::Lineage if store.ipv6 || falls_back() => "::",
        // To gRPC, this means IPv6 too. The registry server has no such argument, and does the same.
        Endpoint::Offline | Endpoint::RegistryGrpc | Endpoint::RegistryRest => "0.0.0.0",
        Endpoint::Online | Endpoint::Ui | Endpoint::Lineage => "0.0.0.0",
    }
}

fn online(store: &Store, server: &OnlineServer) -> Container {
    let OnlineServer {
        common,
        metrics,
        workers,
    } = server;
    let mut arguments = vec!["serve"];
    if *metrics == Metrics::Argument {
        arguments.push("--metrics");
    }
    arguments.extend(["-h", host(store, common, Endpoint::Online)]);
    let workers = options(workers);
    arguments.extend(workers.iter().map(String::as_str));
    let health = Health::Http("/health");
    let mut container = container(store, common, &arguments, &[Endpoint::Online], health);
    if *metrics != Metrics::Off {
        container.ports.get_or_insert_default().push(ContainerPort {
            name: Some(names::METRICS_PORT_NAME.to_owned()),
            container_port: names::METRICS_PORT,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        });
    }
    container
}

/// Returns the options of `feast serve` for workers.
fn options(workers: &WorkerConfigs) -> Vec<String> {
    let WorkerConfigs {
        workers,
        worker_connections,
        max_requests,
        max_requests_jitter,
        keep_alive_timeout,
        registry_ttl_seconds,
    } = workers;
    [
        ("--workers", workers),
        ("--worker-connections", worker_connections),
        ("--max-requests", max_requests),
        ("--max-requests-jitter", max_requests_jitter),
        ("--keep-alive-timeout", keep_alive_timeout),
        // Feast spells this one with underscores.
        ("--registry_ttl_sec", registry_ttl_seconds),
    ]
    .into_iter()
    .filter_map(|(option, number)| Some([option.to_owned(), (*number)?.to_string()]))
    .flatten()
    .collect()
}

fn registry(store: &Store, server: &RegistryServer) -> Container {
    let RegistryServer {
        common,
        grpc,
        rest,
        // The Services have this.
        rest_service: _,
        // This is in `feature_store.yaml`.
        mcp: _,
    } = server;
    let tls = common.tls.is_some();
    let rest_port = Endpoint::RegistryRest.target_port(tls).to_string();
    let mut arguments = vec!["serve_registry", if *grpc { "--grpc" } else { "--no-grpc" }];
    if *rest {
        arguments.extend(["--rest-api", "--rest-port", &rest_port]);
    }
    let served = [
        (Endpoint::RegistryGrpc, *grpc),
        (Endpoint::RegistryRest, *rest),
    ];
    let served = served.into_iter().filter(|(_, served)| *served);
    let endpoints: Vec<Endpoint> = served.map(|(endpoint, _)| endpoint).collect();
    let health = match (*grpc, *rest) {
        // Each is a process of its own, and the container runs as long as one of them does.
        (true, true) => Health::EachPort,
        (true, false) => Health::Tcp,
        (false, _) => Health::Http("/"),
    };
    container(store, common, &arguments, &endpoints, health)
}

/// Returns the container of a server with these endpoints.
fn container(
    store: &Store,
    server: &Server,
    arguments: &[&str],
    endpoints: &[Endpoint],
    health: Health,
) -> Container {
    let first = endpoints.first().copied().unwrap_or(Endpoint::Online);
    let kind = first.server();
    // The registry server gets the port of gRPC even if it serves only REST.
    let main = match kind {
        ServerKind::Registry => Endpoint::RegistryGrpc,
        ServerKind::Offline | ServerKind::Online | ServerKind::Ui | ServerKind::Lineage => first,
    };
    let mut settings = settings(kind, server, mounts(store, Some(kind)));
    let tls = server.tls.is_some();
    let command = settings.command.get_or_insert_default();
    command.extend(arguments.iter().copied().map(str::to_owned));
    command.extend(tls::arguments(kind, server.tls.as_ref()));
    command.extend(["-p".to_owned(), main.target_port(tls).to_string()]);
    let ports: Vec<i32> = endpoints.iter().map(|it| it.target_port(tls)).collect();
    let probe = |period: i32, failures: Option<i32>| Probe {
        period_seconds: Some(period),
        failure_threshold: failures,
        ..health.probe(&ports, tls)
    };
    Container {
        working_dir: Some(store.repository()),
        env: server_environment(store, &server.env),
        ports: Some(endpoints.iter().map(|it| port(*it, tls)).collect()),
        lifecycle: lifecycle(store.termination, stop_signal(kind, endpoints)),
        // Five minutes: several servers that start together on a small node take minutes.
        startup_probe: Some(probe(3, Some(100))),
        liveness_probe: Some(probe(20, Some(6))),
        readiness_probe: Some(probe(10, None)),
        ..settings
    }
}

/// Returns the signal that ends a server with these endpoints. gRPC servers in Python do not handle SIGTERM.
fn stop_signal(kind: ServerKind, endpoints: &[Endpoint]) -> StopSignal {
    match (kind, endpoints) {
        (ServerKind::Registry, [Endpoint::RegistryGrpc, Endpoint::RegistryRest]) => {
            StopSignal::Interrupt("-1")
        }
        (ServerKind::Registry, [Endpoint::RegistryGrpc]) | (ServerKind::Offline, _) => {
            StopSignal::Interrupt("1")
        }
        (ServerKind::Registry | ServerKind::Online | ServerKind::Ui | ServerKind::Lineage, _) => {
            StopSignal::Terminate
        }
    }
}

/// Returns the preStop hook, during which the Services stop sending requests to the pod.
pub(super) fn lifecycle(termination: Termination, signal: StopSignal) -> Option<Lifecycle> {
    let seconds = i64::from(termination.pre_stop_sleep_seconds);
    let hook = match signal {
        StopSignal::Terminate if seconds == 0 => return None,
        StopSignal::Terminate => LifecycleHandler {
            sleep: Some(SleepAction { seconds }),
            ..LifecycleHandler::default()
        },
        StopSignal::Interrupt(processes) => {
            let script = match seconds {
                0 => format!("kill -INT {processes}"),
                _ => format!("sleep {seconds}; kill -INT {processes}"),
            };
            let command = ["sh", "-c", &script].map(str::to_owned);
            LifecycleHandler {
                exec: Some(ExecAction {
                    command: Some(command.to_vec()),
                }),
                ..LifecycleHandler::default()
            }
        }
    };
    Some(Lifecycle {
        pre_stop: Some(hook),
        ..Lifecycle::default()
    })
}

/// Returns the parts of a container that follow from the settings of a server, with `mounts` before the user's. The
/// command has no subcommand yet.
pub(super) fn settings(kind: ServerKind, server: &Server, mounts: Vec<VolumeMount>) -> Container {
    let Server {
        image,
        env,
        env_from,
        image_pull_policy,
        resources,
        log_level,
        // The pod has this.
        node_selector: _,
        volume_mounts,
        // This is in arguments, ports and probes.
        tls: _,
        tls_disabled: _,
        // The Services have this.
        service: _,
    } = server;
    let mut command = vec!["feast"];
    command.extend(log_level.iter().flat_map(|level| ["--log-level", level]));
    Container {
        name: kind.as_str().to_owned(),
        image: Some(image.clone()),
        image_pull_policy: image_pull_policy.map(str::to_owned),
        command: Some(command.into_iter().map(str::to_owned).collect()),
        env: non_empty_list(env),
        env_from: non_empty_list(env_from),
        resources: resources.clone(),
        volume_mounts: Some([mounts, volume_mounts.clone()].concat()),
        ..Container::default()
    }
}

/// Returns the user's variables, and those of the provider that the user does not set.
fn server_environment(store: &Store, env: &[EnvVar]) -> Option<Vec<EnvVar>> {
    let mut env = env.to_vec();
    if store.project.protected {
        add(&mut env, names::PROTECTED_PROJECT, "true");
    }
    with_own_variables(store, with_mlflow(store, env))
}

/// Adds the path of the configuration if there are no init containers that link it into the repository.
pub(super) fn with_own_variables(store: &Store, mut env: Vec<EnvVar>) -> Option<Vec<EnvVar>> {
    if store.project.without_init {
        env = with_configuration(&env);
    }
    non_empty_list(&env)
}

/// Adds the path of the configuration unless the user sets it.
pub(super) fn with_configuration(env: &[EnvVar]) -> Vec<EnvVar> {
    let mut env = env.to_vec();
    let file = join(names::CONFIGURATION_DIRECTORY, names::FEATURE_STORE_YAML);
    add(&mut env, names::FEATURE_STORE_YAML_PATH, &file);
    env
}

/// Adds a variable unless there is one of this name.
pub(super) fn add(env: &mut Vec<EnvVar>, name: &str, value: &str) {
    if env.iter().all(|variable| variable.name != name) {
        env.push(EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..EnvVar::default()
        });
    }
}

fn port(endpoint: Endpoint, tls: bool) -> ContainerPort {
    ContainerPort {
        name: Some(endpoint.as_str().to_owned()),
        container_port: endpoint.target_port(tls),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// Returns the environment of `feast apply`: that of all servers in the order registry, online, offline. The last value
/// of a variable applies.
pub(super) fn joint_environment(
    store: &Store,
) -> (Option<Vec<EnvVar>>, Option<Vec<EnvFromSource>>) {
    let mut env: Vec<EnvVar> = Vec::new();
    let mut env_from = Vec::new();
    for server in for_apply(store) {
        for variable in &server.env {
            match env.iter_mut().find(|known| known.name == variable.name) {
                Some(known) => *known = variable.clone(),
                None => env.push(variable.clone()),
            }
        }
        env_from.extend(server.env_from.iter().cloned());
    }
    (
        non_empty_list(&with_mlflow(store, env)),
        non_empty_list(&env_from),
    )
}

/// Returns the servers whose settings `feast apply` has, with increasing precedence.
fn for_apply(store: &Store) -> Vec<&Server> {
    let mut servers = store.servers();
    servers.retain(|(kind, _)| *kind != ServerKind::Ui);
    servers.sort_by_key(|(kind, _)| (*kind == ServerKind::Offline, *kind));
    servers.into_iter().map(|(_, server)| server).collect()
}

/// Returns the mounts of `feast apply`: those of all servers. Of two mounts with the same path, that of the first
/// server applies.
pub(super) fn joint_mounts(store: &Store) -> Vec<VolumeMount> {
    let mut joint: Vec<VolumeMount> = Vec::new();
    for mount in for_apply(store).iter().flat_map(|it| &it.volume_mounts) {
        if joint.iter().all(|it| it.mount_path != mount.mount_path) {
            joint.push(mount.clone());
        }
    }
    joint
}

/// Adds the variables of the MLflow client unless the user sets them.
fn with_mlflow(store: &Store, mut env: Vec<EnvVar>) -> Vec<EnvVar> {
    let Some(mlflow) = &store.mlflow else {
        return env;
    };
    let auth = mlflow.tracking_auth.as_deref();
    let variables = [
        (
            names::MLFLOW_TRACKING_AUTH,
            auth.filter(|auth| !auth.is_empty()),
        ),
        ("MLFLOW_TRACKING_URI", mlflow.tracking_uri.as_deref()),
    ];
    for (name, value) in variables {
        if let Some(value) = value {
            add(&mut env, name, &references::escape(value));
        }
    }
    env
}
