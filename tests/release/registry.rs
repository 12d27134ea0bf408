//! A registry with one provider, as the provider registry protocol describes it:
//! <https://developer.hashicorp.com/terraform/internals/provider-registry-protocol>.

use std::fs;

use serde_json::json;

use super::dist::{self, VERSION};
use super::program::PLATFORMS;
use super::server::{Content, Files};
use crate::support::terraform::PROVIDER;

/// The paths of the registry's files; `address` is that of its server.
pub fn files(address: &str) -> Files {
    let root = format!("https://{address}");
    let provider = format!("/v1/providers/{PROVIDER}");
    let manifest: serde_json::Value =
        serde_json::from_str(include_str!("../../terraform-registry-manifest.json")).unwrap();
    let protocols = &manifest["metadata"]["protocol_versions"];
    let sums = dist::file_name("SHA256SUMS");
    let checksums = dist::checksums();
    let platforms = PLATFORMS.map(|platform| platform.name.split_once('_').unwrap());

    let versions = json!({"versions": [{
        "version": VERSION,
        "protocols": protocols,
        "platforms": platforms.map(|(os, arch)| json!({"os": os, "arch": arch})),
    }]});
    let mut files = Files::from([
        (
            "/.well-known/terraform.json".to_owned(),
            Content::Json(json!({"providers.v1": "/v1/providers/"})),
        ),
        (format!("{provider}/versions"), Content::Json(versions)),
    ]);
    let key = json!({
        "key_id": dist::key_id(),
        "ascii_armor": fs::read_to_string(dist::path("key.asc")).unwrap(),
    });
    let mut serve = |file: &str| {
        let content = Content::File(dist::path(file));
        files.insert(format!("/{file}"), content);
        format!("{root}/{file}")
    };
    let sums_url = serve(&sums);
    let signature_url = serve(&format!("{sums}.sig"));
    let downloads = platforms.map(|(os, arch)| {
        let zip = dist::file_name(&format!("{os}_{arch}.zip"));
        let (_, sum) = checksums.iter().find(|(file, _)| *file == zip).unwrap();
        let download = json!({
            "protocols": protocols,
            "os": os,
            "arch": arch,
            "filename": zip,
            "download_url": serve(&zip),
            "shasum": sum,
            "shasums_url": sums_url,
            "shasums_signature_url": signature_url,
            "signing_keys": {"gpg_public_keys": [key]},
        });
        (
            format!("{provider}/{VERSION}/download/{os}/{arch}"),
            Content::Json(download),
        )
    });
    files.extend(downloads);
    files
}
