//! TLS settings of kube, extended by trust in server certificates that are configured roots.

use std::sync::Arc;

use kube::client::ConfigExt;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

/// Returns the TLS settings of the connection.
pub(super) fn client_config(config: &kube::Config) -> Result<ClientConfig, kube::Error> {
    let mut tls = config.rustls_client_config()?;
    // kube reloads the root certificates of a pod from a file.
    let is_reloaded = config.root_cert_file.is_some();
    if let Some(roots) = &config.root_cert
        && !config.accept_invalid_certs
        && !is_reloaded
        && let Some(verifier) = RootOrIssued::new(roots)
    {
        tls.dangerous().set_certificate_verifier(Arc::new(verifier));
    }
    Ok(tls)
}

/// Accepts server certificates that a root has issued, and the root certificates themselves. Some Kubernetes
/// distributions and local proxies present self-signed certificates with `CA:TRUE`, which kubectl accepts and rustls
/// rejects.
#[derive(Debug)]
struct RootOrIssued {
    roots: Vec<Vec<u8>>,
    issued: Arc<WebPkiServerVerifier>,
}

impl RootOrIssued {
    fn new(roots: &[Vec<u8>]) -> Option<Self> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned().map(CertificateDer::from));
        Some(Self {
            roots: roots.to_vec(),
            issued: WebPkiServerVerifier::builder(Arc::new(store))
                .build()
                .ok()?,
        })
    }
}

impl ServerCertVerifier for RootOrIssued {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.issued.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The validity period was checked before this error.
            Err(error) if is_of_an_authority(&error) => {
                if !self.roots.iter().any(|root| root == end_entity.as_ref()) {
                    return Err(error);
                }
                let certificate = ParsedCertificate::try_from(end_entity)?;
                verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        (self.issued).verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        (self.issued).verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.issued.supported_verify_schemes()
    }
}

/// Returns whether a server was rejected because its certificate is that of a certificate authority.
pub(in crate::cluster) fn is_of_an_authority(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(source))) = error
    else {
        return false;
    };
    matches!(
        source.downcast_ref::<webpki::Error>(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

#[cfg(test)]
mod tests;
