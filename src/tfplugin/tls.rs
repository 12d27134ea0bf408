//! Mutual TLS between host and plugin (go-plugin's AutoMTLS). Each side makes a certificate for one run, and the other
//! side gets it in the handshake. The plugin accepts only the host's certificate.

mod p521;

use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
};

/// The reason why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the host's certificate (PLUGIN_CLIENT_CERT) is not a PEM certificate")]
    ClientCertificate(#[source] rustls::pki_types::pem::Error),
    #[error("cannot create a certificate")]
    Certificate(#[source] rcgen::Error),
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The TLS configuration of the server, made for one run.
pub(super) struct Tls {
    pub config: Arc<ServerConfig>,
    /// The server's certificate, the only one that the host accepts.
    pub certificate: CertificateDer<'static>,
}

/// Makes a key and a certificate, and a configuration that accepts only the holder of `client_certificate` (PEM).
pub(super) fn for_client(client_certificate: &str) -> Result<Tls, Error> {
    let client = CertificateDer::from_pem_slice(client_certificate.as_bytes())
        .map_err(Error::ClientCertificate)?;

    // The server name that the host expects on every socket.
    let mut parameters =
        CertificateParams::new(vec!["localhost".to_owned()]).map_err(Error::Certificate)?;
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().map_err(Error::Certificate)?;
    let certificate = parameters.self_signed(&key).map_err(Error::Certificate)?;
    let certificate = certificate.der().clone();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());

    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(PinnedCertificate {
        certificate: client,
        provider: Arc::clone(&provider),
    });
    // Every host that supports protocol 6 supports TLS 1.3.
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(Error::Setup)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.clone()], key.into())
        .map_err(Error::Setup)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // No host resumes a session. Without tickets, a host that disconnects at once causes no write error.
    config.send_tls13_tickets = 0;
    Ok(Tls {
        config: Arc::new(config),
        certificate,
    })
}

/// A verifier that accepts one certificate, whose key the client has to hold.
#[derive(Debug)]
struct PinnedCertificate {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for PinnedCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = match signature.scheme {
            SignatureScheme::ECDSA_NISTP521_SHA512 => &p521::ALGORITHMS,
            _ => &self.provider.signature_verification_algorithms,
        };
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let mut schemes = algorithms.supported_schemes();
        schemes.push(SignatureScheme::ECDSA_NISTP521_SHA512);
        schemes
    }
}
