//! A queue whose length a real Prometheus scrapes.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::json;

use crate::lifecycle::lab;
use crate::lifecycle::store::until;
use crate::support::testbed::components::free_ports;
use crate::support::testbed::process::Service;
use crate::support::testbed::{TestRun, Tool, prometheus};

/// The length of the queue, also right after a scrape that a slow machine has missed.
pub const QUERY: &str = "sum(last_over_time(queue_length[1m]))";

/// The queue and its Prometheus, which ends with this value.
pub struct Queue {
    length: Arc<AtomicU64>,
    port: u16,
    prometheus: Service,
    run: TestRun,
}

impl Queue {
    pub fn start() -> Self {
        let length = Arc::new(AtomicU64::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let shared = length.clone();
        // The thread ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, shared.load(Ordering::Relaxed));
            }
        });

        let run = TestRun::start().unwrap();
        let folder = run.folder("prometheus").unwrap();
        let configuration = json!({"scrape_configs": [{
            "job_name": "queue",
            "scrape_interval": "2s",
            "scrape_timeout": "2s",
            "static_configs": [{"targets": [target]}],
        }]});
        let [port] = free_ports().unwrap();
        let mut command = Command::new(lab::tool_path(Tool::Prometheus));
        command.args(prometheus::flags(&folder, &configuration, port).unwrap());
        let prometheus = run.spawn("prometheus", command, &folder).unwrap();
        let queue = Self {
            length,
            port,
            prometheus,
            run,
        };
        queue.wait_for_prometheus();
        queue
    }

    fn wait_for_prometheus(&self) {
        until("Prometheus to listen", 120, || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    pub fn set_length(&self, length: u64) {
        self.length.store(length, Ordering::Relaxed);
    }

    /// Returns the address of Prometheus.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns a trigger for one pod for each ten elements, with `more` attributes.
    pub fn trigger(&self, more: &str) -> String {
        format!(
            "{{ type = \"prometheus\", metadata = {{ serverAddress = \"{}\", query = \"{QUERY}\", threshold = \"10\" }}, \
             {more} }}",
            self.address()
        )
    }

    pub fn stop_prometheus(&mut self) {
        self.prometheus.stop();
    }

    pub fn start_prometheus_again(&mut self) {
        self.prometheus.start_again().unwrap();
        self.run.record(&self.prometheus).unwrap();
        self.wait_for_prometheus();
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.prometheus.stop();
        self.run.stop();
    }
}

/// Answers one request. A client that has left is ignored.
fn serve(mut stream: TcpStream, length: u64) {
    let reader = BufReader::new(&stream);
    for line in reader.lines().map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
    }
    let body = format!("# TYPE queue_length gauge\nqueue_length {length}\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok();
}
