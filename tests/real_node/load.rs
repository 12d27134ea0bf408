//! Clients that ask for features all the time, and count what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use tokio::runtime::Builder;

use crate::support::feast::features::{expected_response, features_request, values};

const WORKERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than any answer of a server that is alive.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub answered: usize,
    /// Each failure, with the time since the load began.
    pub failures: Vec<String>,
    pub slowest: Duration,
}

/// Clients with a new connection for each request, and as many with one that they keep.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

impl Load {
    /// Begins to ask the online server at `address` (host and port).
    pub fn on(address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = [false, true].map(|keeps| {
            let (address, stop) = (address.to_owned(), Arc::clone(&stop));
            std::thread::spawn(move || ask(&address, keeps, &stop))
        });
        Self {
            stop,
            clients: clients.into(),
        }
    }

    /// Ends the load; one report for new connections, one for those that are kept.
    pub fn end(self) -> [Report; 2] {
        self.stop.store(true, Ordering::Relaxed);
        let reports = self
            .clients
            .into_iter()
            .map(|client| client.join().expect("a report"));
        let reports: Vec<Report> = reports.collect();
        reports.try_into().expect("two reports")
    }
}

fn ask(address: &str, keeps: bool, stop: &AtomicBool) -> Report {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let began = Instant::now();
    runtime.block_on(async {
        let workers = (0..WORKERS).map(|_| worker(address, keeps, stop, began));
        let reports = futures::future::join_all(workers).await;
        reports
            .into_iter()
            .fold(Report::default(), |mut all, report| {
                all.answered += report.answered;
                all.failures.extend(report.failures);
                all.slowest = all.slowest.max(report.slowest);
                all
            })
    })
}

async fn worker(address: &str, keeps: bool, stop: &AtomicBool, began: Instant) -> Report {
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(usize::from(keeps))
        // A client that asks again by itself would hide what is lost.
        .retry_canceled_requests(false)
        .build(HttpConnector::new());
    let mut report = Report::default();
    while !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let outcome = tokio::time::timeout(TIMEOUT, once(&client, address)).await;
        let outcome =
            outcome.unwrap_or_else(|_| Err(format!("no answer in {} s", TIMEOUT.as_secs())));
        match outcome {
            Ok(()) => report.answered += 1,
            Err(why) => report
                .failures
                .push(format!("{:.1} s: {why}", began.elapsed().as_secs_f32())),
        }
        report.slowest = report.slowest.max(asked.elapsed());
        tokio::time::sleep(PAUSE).await;
    }
    report
}

async fn once(client: &Client<HttpConnector, Full<Bytes>>, address: &str) -> Result<(), String> {
    let request = Request::post(format!("http://{address}/get-online-features"))
        .header("content-type", "application/json")
        .body(Full::from(features_request().to_string()));
    let response = client.request(request.expect("a request")).await;
    let response = response.map_err(|error| chain(&error))?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| chain(&error))?
        .to_bytes();
    let text = String::from_utf8_lossy(&body);
    let found = serde_json::from_str::<Json>(&text).map(|json| values(&json));
    match found {
        Ok(found) if status.is_success() && found == expected_response() => Ok(()),
        _ => Err(format!("{status}: {text}")),
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
