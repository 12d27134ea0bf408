//! A web server of files on a loopback address, as Terraform requires it: with HTTPS.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::support::testbed::pki;

/// A server that runs as long as this value exists.
pub struct Server {
    /// `localhost:<port>`.
    pub address: String,
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

/// The files of a server by path. Everything else is not found.
pub type Files = BTreeMap<String, Content>;

pub enum Content {
    Json(serde_json::Value),
    File(PathBuf),
}

impl Server {
    /// Serves the files that `files` returns for the server's address, `localhost:<port>`.
    pub fn start(files: impl FnOnce(&str) -> Files) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, certificate) = pki::self_signed("localhost").unwrap();
        fs::write(folder.path().join("ca.crt"), certificate).unwrap();

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let files = Arc::new(files(&address));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        runtime.spawn(serve(listener, acceptor, files, requests.clone()));
        Self {
            address,
            folder,
            requests,
            _runtime: runtime,
        }
    }

    /// Returns the certificate of the server in a PEM file, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Returns the paths that clients have requested since the last call.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    files: Arc<Files>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, files, requests) = (acceptor.clone(), files.clone(), requests.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|request: Request<Incoming>| {
                let path = request.uri().path().to_owned();
                let response = respond(&files, &path);
                requests.lock().unwrap().push(path);
                async move { Ok::<_, Infallible>(response) }
            });
            // A client can close its connection at any time.
            auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await
                .ok();
        });
    }
}

fn respond(files: &Files, path: &str) -> Response<Full<Bytes>> {
    let (content_type, body) = match files.get(path) {
        Some(Content::Json(json)) => ("application/json", json.to_string().into_bytes()),
        Some(Content::File(file)) => (content_type(file), fs::read(file).unwrap()),
        None => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        }
    };
    let response = Response::builder().header(header::CONTENT_TYPE, content_type);
    response.body(Full::from(body)).unwrap()
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}
