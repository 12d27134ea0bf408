//! The control plane's certificate authority, and the one identity that it signs.
//!
//! The API server and its clients share one certificate: the cluster exists for minutes on a loopback address, and the
//! tests are about what happens after authentication.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedKey, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::error::{Doing, Result};

/// The paths of the PEM files.
pub struct Pki {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    /// The key also signs the service accounts' tokens.
    pub key: PathBuf,
    /// Kubernetes cannot read the public key from `key` in the format that rcgen writes.
    pub public_key: PathBuf,
}

impl Pki {
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            ca: folder.join("ca.crt"),
            certificate: folder.join("admin.crt"),
            key: folder.join("admin.key"),
            public_key: folder.join("admin.pub"),
        }
    }
}

/// Creates the files. The certificate is valid for 127.0.0.1 and for `further_names`.
pub fn create(folder: &Path, further_names: &[&str]) -> Result<Pki> {
    let doing = || "creating the control plane's certificates".to_owned();
    let ca_key = KeyPair::generate().doing(doing)?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "testbed-ca");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let ca_certificate = ca.self_signed(&ca_key).doing(doing)?;
    let issuer = Issuer::new(ca, ca_key);

    let admin_key = KeyPair::generate().doing(doing)?;
    let names = ["localhost", "127.0.0.1", "kubernetes.default.svc"];
    let names = names
        .iter()
        .chain(further_names)
        .copied()
        .map(str::to_owned);
    let mut admin = CertificateParams::new(names.collect::<Vec<_>>()).doing(doing)?;
    admin
        .distinguished_name
        .push(DnType::CommonName, "testbed-admin");
    admin
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    admin.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let admin_certificate = admin.signed_by(&admin_key, &issuer).doing(doing)?;

    let pki = Pki::in_folder(folder);
    write_private(&pki.ca, &ca_certificate.pem())?;
    write_private(&pki.certificate, &admin_certificate.pem())?;
    write_private(&pki.key, &admin_key.serialize_pem())?;
    write_private(&pki.public_key, &admin_key.public_key_pem())?;
    Ok(pki)
}

/// Returns the configuration of a TLS server with a new certificate for `name`, and the certificate in PEM format. The
/// certificate is its own authority.
pub fn self_signed(name: &str) -> Result<(ServerConfig, String)> {
    let doing = || format!("creating a certificate for {name}");
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([name.to_owned()]).doing(doing)?;
    let private = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .doing(doing)?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private.into())
        .doing(doing)?;
    Ok((server, cert.pem()))
}

/// Writes a kubeconfig whose only user is the admin.
pub fn write_kubeconfig(path: &Path, server: &str, pki: &Pki) -> Result<()> {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "testbed",
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "testbed"}}],
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": pki.ca}}],
        "users": [{
            "name": "testbed",
            "user": {"client-certificate": pki.certificate, "client-key": pki.key},
        }],
    });
    // JSON is also valid YAML.
    write_private(path, &format!("{config:#}\n"))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .doing(|| format!("writing {}", path.display()))
}
