use std::error::Error as _;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cluster::error::causes;
use crate::cluster::{Cluster, Connection, Options};
use crate::kubernetes::kind::{Key, Kind};

/// A certificate and its key.
struct Signed {
    certificate: Certificate,
    key: KeyPair,
}

fn parameters(name: &str, is_ca: bool) -> CertificateParams {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    if is_ca {
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    parameters
}

fn self_signed(parameters: &CertificateParams) -> Signed {
    let key = KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Signed { certificate, key }
}

/// Starts a server with this certificate, which answers every request with an empty object.
async fn serve(signed: &Signed) -> String {
    let key = PrivateKeyDer::try_from(signed.key.serialize_der()).unwrap();
    let chain = vec![signed.certificate.der().clone()];
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust the certificate closes the connection.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = [0; 4096];
                while stream.read(&mut head).await.is_ok_and(|read| read > 0) {
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    url
}

/// Sends a request with this root certificate. An error has the cause and the start of the hint.
async fn request(server: &Signed, root: &Certificate, name: Option<&str>) -> Result<(), String> {
    let connection = Connection {
        host: Some(serve(server).await),
        cluster_ca_certificate: Some(root.pem()),
        tls_server_name: name.map(str::to_owned),
        ..Connection::default()
    };
    let cluster = Cluster::new(&connection, Options::default()).unwrap();
    let key = Key::new(Kind::Service, "x");
    let got = cluster.get("ns", &key, &CancellationToken::new()).await;
    let error = got.map(|_| ()).err();
    error.map_or(Ok(()), |error| {
        let cause = causes(error.source().unwrap()).last().unwrap().to_string();
        let hint = error.hint().unwrap();
        let hint: Vec<&str> = hint.split(' ').take(5).collect();
        Err(format!("{cause} / {}", hint.join(" ")))
    })
}

#[tokio::test]
async fn a_server_can_present_a_configured_root() {
    let root = self_signed(&parameters("127.0.0.1", true));
    assert_eq!(request(&root, &root.certificate, None).await, Ok(()));
    // rustls itself accepts a certificate without CA:TRUE.
    let plain = self_signed(&parameters("127.0.0.1", false));
    assert_eq!(request(&plain, &plain.certificate, None).await, Ok(()));
    // A certificate that the root has issued is accepted.
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(parameters("127.0.0.1", true), root.key);
    let issued = parameters("127.0.0.1", false);
    let issued = issued.signed_by(&key, &issuer).unwrap();
    let issued = Signed {
        certificate: issued,
        key,
    };
    assert_eq!(request(&issued, &root.certificate, None).await, Ok(()));
}

#[tokio::test]
async fn the_name_and_validity_of_a_presented_root_are_checked() {
    let named = self_signed(&parameters("kubernetes.example", true));
    let refused = request(&named, &named.certificate, None).await.unwrap_err();
    assert!(
        refused
            .starts_with("invalid peer certificate: certificate not valid for name \"127.0.0.1\""),
        "{refused}"
    );
    let name = Some("kubernetes.example");
    assert_eq!(request(&named, &named.certificate, name).await, Ok(()));

    let mut old = parameters("127.0.0.1", true);
    old.not_before = date_time_ymd(2000, 1, 1);
    old.not_after = date_time_ymd(2001, 1, 1);
    let old = self_signed(&old);
    let refused = request(&old, &old.certificate, None).await.unwrap_err();
    assert!(
        refused.starts_with("invalid peer certificate: certificate expired"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_rejected() {
    let server = self_signed(&parameters("127.0.0.1", true));
    let other = self_signed(&parameters("127.0.0.1", true));
    let refused = request(&server, &other.certificate, None)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity)) / The API server presents a"
    );
}
