//! The measured providers, and their configurations, which always have the same objects.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::terraform::Terraform;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Feast,
    /// Another version of this provider.
    OtherFeast,
    Typed,
    Manifest,
    Kubectl,
    Helm,
    /// This provider's schemas, configuration and state with a provider that does nothing ([`crate::idle`]).
    TerraformAlone,
    /// The requests of this provider from a bare client, without Terraform ([`crate::alone`]).
    ApiServerAlone,
    /// The same number of `terraform_data` resources, which measures Terraform without a provider process.
    TerraformData,
}

impl Kind {
    /// Returns whether this measures only a part of the work instead of a complete provider.
    pub fn is_limit(self) -> bool {
        matches!(
            self,
            Self::TerraformAlone | Self::ApiServerAlone | Self::TerraformData
        )
    }

    /// Returns whether the start of the provider's process is measured. [`Kind::Manifest`] is the same program as
    /// [`Kind::Typed`].
    pub fn is_started(self) -> bool {
        !self.is_limit() && self != Self::Manifest
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Feast => "feast",
            Self::OtherFeast => "feast, other version",
            Self::Typed => "kubernetes, typed",
            Self::Manifest => "kubernetes_manifest",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::TerraformAlone => "Terraform alone",
            Self::ApiServerAlone => "API server alone",
            Self::TerraformData => "terraform_data",
        })
    }
}

pub struct Provider {
    pub kind: Kind,
    /// The provider's binary; `None` for resources that are built into Terraform, and without Terraform.
    pub binary: Option<PathBuf>,
}

/// Returns this provider's binary.
pub fn feast() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_terraform-provider-feast");
    crate::path("FEAST_BENCH_FEAST").unwrap_or_else(|| PathBuf::from(built))
}

/// Returns this provider and those that environment variables name.
pub fn all() -> Vec<Provider> {
    let peers = [
        (Kind::OtherFeast, "FEAST_BENCH_OTHER_FEAST"),
        (Kind::Typed, "FEAST_BENCH_KUBERNETES"),
        (Kind::Manifest, "FEAST_BENCH_KUBERNETES"),
        (Kind::Kubectl, "FEAST_BENCH_KUBECTL"),
        (Kind::Helm, "FEAST_BENCH_HELM"),
    ];
    let mut all = vec![Provider {
        kind: Kind::Feast,
        binary: Some(feast()),
    }];
    for (kind, variable) in peers {
        if let Some(binary) = crate::path(variable) {
            assert!(binary.is_file(), "{variable}: no file {}", binary.display());
            let binary = Some(binary);
            all.push(Provider { kind, binary });
        }
    }
    // The benchmark itself is the idle provider, if Terraform starts it.
    let itself = std::env::current_exe().unwrap();
    for (kind, binary) in [
        (Kind::TerraformAlone, Some(itself)),
        (Kind::ApiServerAlone, None),
        (Kind::TerraformData, None),
    ] {
        all.push(Provider { kind, binary });
    }
    all
}

/// The image tag to which the first store changes.
pub const OTHER_TAG: &str = "0.65.0";
const TAG: &str = "0.67.0";

impl Provider {
    /// Returns the address in `required_providers`.
    pub fn source(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Feast | Kind::OtherFeast | Kind::TerraformAlone => Some("feast-dev/feast"),
            Kind::Typed | Kind::Manifest => Some("hashicorp/kubernetes"),
            Kind::Kubectl => Some("gavinbunney/kubectl"),
            Kind::Helm => Some("hashicorp/helm"),
            Kind::ApiServerAlone | Kind::TerraformData => None,
        }
    }

    /// Writes the configuration of `stores` feature stores. `objects` are the manifests of the store `bench-0`.
    pub fn configure(&self, terraform: &Terraform, stores: usize, objects: &[Json]) {
        let mut text = self.head();
        text += &match self.kind {
            Kind::Feast | Kind::OtherFeast | Kind::TerraformAlone => {
                format!("{PROVIDER_FEAST}\n{STORE}")
            }
            Kind::Typed => format!("{PROVIDER_KUBERNETES}\n{TYPED}"),
            Kind::Manifest => {
                let block = |object: &Json| {
                    (
                        "kubernetes_manifest",
                        format!("manifest = jsondecode({})", template(object)),
                    )
                };
                format!("{PROVIDER_KUBERNETES}\n{}", resources(objects, block))
            }
            Kind::Kubectl => {
                let block = |object: &Json| {
                    (
                        "kubectl_manifest",
                        format!(
                            "yaml_body = {}\n  wait_for_rollout = false",
                            template(object)
                        ),
                    )
                };
                format!("{PROVIDER_KUBECTL}\n{}", resources(objects, block))
            }
            Kind::Helm => {
                write_chart(terraform.folder(), objects);
                format!("{PROVIDER_HELM}\n{RELEASE}")
            }
            Kind::TerraformData => TERRAFORM_DATA.to_owned(),
            Kind::ApiServerAlone => return,
        };
        let text = text.replace("@stores@", &stores.to_string());
        terraform.write("main.tf", &text).unwrap();
    }

    fn head(&self) -> String {
        let required = match (self.source(), self.kind) {
            (Some(source), kind) => {
                let name = if kind == Kind::Manifest {
                    "kubernetes"
                } else {
                    source.rsplit('/').next().unwrap()
                };
                format!(
                    "terraform {{\n  required_providers {{\n    {name} = {{ source = {source:?} }}\n  }}\n}}\n"
                )
            }
            (None, _) => String::new(),
        };
        format!(
            "{required}\nvariable \"kubeconfig\" {{ type = string }}\nvariable \"namespace\" {{ type = string }}\n\
             variable \"tag\" {{\n  type    = string\n  default = {TAG:?}\n}}\n\n"
        )
    }
}

/// Returns the manifest as an expression for the store of `count.index`.
fn template(object: &Json) -> String {
    let text = object.to_string();
    assert!(!text.contains("EOT"), "{text}");
    let escaped = text.replace("${", "$${").replace("%{", "%%{");
    format!(
        "replace(replace(<<-EOT\n{escaped}\nEOT\n, \"bench-0\", \"bench-${{count.index}}\"), \"feature-server:{TAG}\", \
         \"feature-server:${{count.index == 0 ? var.tag : {TAG:?}}}\")"
    )
}

fn resources(objects: &[Json], block: impl Fn(&Json) -> (&'static str, String)) -> String {
    let mut text = String::new();
    for (position, object) in objects.iter().enumerate() {
        let (kind, body) = block(object);
        text += &format!(
            "resource {kind:?} \"object_{position}\" {{\n  count = @stores@\n  {body}\n}}\n\n"
        );
    }
    text
}

fn write_chart(folder: &Path, objects: &[Json]) {
    let chart = folder.join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: bench\nversion: 0.1.0\n",
    )
    .unwrap();
    let objects: Vec<String> = objects.iter().map(Json::to_string).collect();
    let text = objects.join("\n---\n");
    let text = text.replace("bench-0", "{{ .Values.name }}");
    let text = text.replace(
        &format!("feature-server:{TAG}"),
        "feature-server:{{ .Values.tag }}",
    );
    fs::write(chart.join("templates/objects.yaml"), text).unwrap();
}

/// Returns the manifests of the store `bench-0` in a form that other providers accept.
pub fn objects(planned: &Json) -> Vec<Json> {
    let objects = planned["resource_changes"][0]["change"]["after"]["objects"]
        .as_object()
        .unwrap();
    (objects.values())
        .map(|text| {
            let mut object: Json = serde_json::from_str(text.as_str().unwrap()).unwrap();
            if object["kind"] == "Secret" {
                // kubernetes_manifest does not support fields that the API server does not return.
                object.as_object_mut().unwrap().remove("stringData");
                object["data"] = json!({"feature_store.yaml": "cHJvamVjdDogYmVuY2gK"});
            }
            object
        })
        .collect()
}

const PROVIDER_FEAST: &str =
    "provider \"feast\" {\n  config_path = var.kubeconfig\n  namespace   = var.namespace\n}\n";
const PROVIDER_KUBERNETES: &str = "provider \"kubernetes\" {\n  config_path = var.kubeconfig\n}\n";
const PROVIDER_KUBECTL: &str =
    "provider \"kubectl\" {\n  config_path = var.kubeconfig\n  load_config_file = true\n}\n";
const PROVIDER_HELM: &str =
    "provider \"helm\" {\n  kubernetes = {\n    config_path = var.kubeconfig\n  }\n}\n";

const STORE: &str = include_str!("store.tf");
const TYPED: &str = include_str!("typed.tf");

const RELEASE: &str = r#"
resource "helm_release" "store" {
  count     = @stores@
  name      = "bench-${count.index}"
  namespace = var.namespace
  chart     = "${path.module}/chart"
  wait      = false
  set = [
    { name = "name", value = "bench-${count.index}" },
    { name = "tag", value = count.index == 0 ? var.tag : "0.67.0", type = "string" },
  ]
}
"#;

const TERRAFORM_DATA: &str = r#"
resource "terraform_data" "store" {
  count = @stores@
  input = count.index == 0 ? "${var.namespace} ${var.tag}" : "bench-${count.index}"
}
"#;
