//! The Kubernetes Services inside one pod's network: names, addresses and ports as rendered.

use std::fs;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::Pod;
use crate::support::testbed::error::{Doing, Result};

const FORWARD: &str = include_str!("services.py");

impl Pod<'_> {
    /// Gives each Service an address in this pod's network, by its host name in the cluster, that forwards to the
    /// pod's servers. Containers that were started before do not know the names.
    pub fn make_services(&mut self, services: &[Service]) -> Result<()> {
        let path = self.folder().join("hosts");
        let mut hosts =
            fs::read_to_string(&path).doing(|| format!("reading {}", path.display()))?;
        let mut command = self.enter();
        command
            .arg(self.python().programs().join("python"))
            .args(["-I", "-c", FORWARD]);
        let mut first = None;
        for (number, service) in services.iter().enumerate() {
            let address = format!("127.0.1.{}", number + 1);
            let metadata = &service.metadata;
            let name = metadata.name.as_deref().unwrap_or_default();
            let namespace = metadata.namespace.as_deref().unwrap_or_default();
            hosts.push_str(&format!("{address} {name}.{namespace}.svc.cluster.local\n"));
            for port in service
                .spec
                .iter()
                .flat_map(|spec| spec.ports.iter().flatten())
            {
                let Some(IntOrString::Int(target)) = &port.target_port else {
                    panic!("only numbers are known: {port:?}");
                };
                command.arg(format!("{address}:{}:{target}", port.port));
                first.get_or_insert((address.clone(), port.port));
            }
        }
        fs::write(&path, hosts).doing(|| format!("writing {}", path.display()))?;
        self.start_beside("services", command)?;
        match first {
            Some((address, port)) => self.wait_for_port(&address, port),
            None => Ok(()),
        }
    }
}
