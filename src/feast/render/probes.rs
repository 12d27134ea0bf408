//! The probes of the servers.

use k8s_openapi::api::core::v1::{ExecAction, HTTPGetAction, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Seconds for a command, which shares the CPU limit with the server. Kubernetes' default is 1.
const COMMAND_TIMEOUT_SECONDS: i32 = 5;

/// How Kubernetes probes a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Health {
    /// An HTTP request for this path of the first port.
    Http(&'static str),
    /// A connection to the first port.
    Tcp,
    /// A connection to each port. Only a command can check several ports.
    EachPort,
}

impl Health {
    /// Returns a probe of a server that listens on these ports, without period and threshold.
    pub fn probe(self, ports: &[i32], tls: bool) -> Probe {
        let first = IntOrString::Int(ports.first().copied().unwrap_or_default());
        match self {
            Self::Http(path) => Probe {
                http_get: Some(HTTPGetAction {
                    path: Some(path.to_owned()),
                    port: first,
                    scheme: tls.then(|| "HTTPS".to_owned()),
                    ..HTTPGetAction::default()
                }),
                ..Probe::default()
            },
            Self::Tcp => Probe {
                tcp_socket: Some(TCPSocketAction {
                    port: first,
                    ..TCPSocketAction::default()
                }),
                ..Probe::default()
            },
            Self::EachPort => Probe {
                exec: Some(ExecAction {
                    command: Some(vec!["bash".to_owned(), "-c".to_owned(), connect(ports)]),
                }),
                timeout_seconds: Some(COMMAND_TIMEOUT_SECONDS),
                ..Probe::default()
            },
        }
    }
}

/// Returns a command of bash that connects to each port, and fails if one of the connections does.
fn connect(ports: &[i32]) -> String {
    let connections = ports.iter().zip(3..);
    let connections = connections.map(|(port, file)| format!(" {file}<>/dev/tcp/127.0.0.1/{port}"));
    format!("exec{}", connections.collect::<String>())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::feast::render::render;
    use crate::feast::spec::{Defaults, Store};
    use crate::kubernetes::{Key, Kind};

    /// Returns the probes of the registry server, which differ only in their period and threshold.
    fn probe(server: Json) -> Json {
        let config = json!({
            "name": "x", "feastProject": "p", "services": {"registry": {"local": {"server": server}}},
        });
        let config = serde_json::from_value(config).unwrap();
        let objects = render(&Store::new(&config, &Defaults::default()));
        let deployment = &objects.manifests[&Key::new(Kind::Deployment, "feast-x")];
        let registry = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(registry["name"], "registry");
        let probes = ["startupProbe", "readinessProbe", "livenessProbe"].map(|name| {
            let mut probe = registry[name].clone();
            let fields = probe.as_object_mut().unwrap();
            fields.remove("periodSeconds");
            fields.remove("failureThreshold");
            probe
        });
        let [first, others @ ..] = &probes;
        assert!(others.iter().all(|other| other == first), "{probes:?}");
        first.clone()
    }

    #[test]
    fn probes_of_a_registry_server_check_each_protocol() {
        let both = |script: &str| {
            let command = ["bash", "-c", script];
            json!({"exec": {"command": command}, "timeoutSeconds": 5})
        };
        let tls = json!({"secretRef": {"name": "s"}});
        assert_eq!(probe(json!({})), json!({"tcpSocket": {"port": 6570}}));
        assert_eq!(
            probe(json!({"restAPI": true})),
            both("exec 3<>/dev/tcp/127.0.0.1/6570 4<>/dev/tcp/127.0.0.1/6572")
        );
        assert_eq!(
            probe(json!({"restAPI": true, "tls": tls})),
            both("exec 3<>/dev/tcp/127.0.0.1/6571 4<>/dev/tcp/127.0.0.1/6573")
        );
        assert_eq!(
            probe(json!({"restAPI": true, "grpc": false})),
            json!({"httpGet": {"path": "/", "port": 6572}})
        );
        assert_eq!(
            probe(json!({"restAPI": true, "grpc": false, "tls": tls})),
            json!({"httpGet": {"path": "/", "port": 6573, "scheme": "HTTPS"}})
        );
    }
}
