//! Writes that the API server has carried out, but whose answers never arrive.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::lifecycle::store::{DATABASES, StoreUnderTest, configuration};

/// A way to the API server on which one answer is lost, after which the API server stays away for a while. Before it
/// stands `kubectl proxy`, so that here everything is plain HTTP.
struct Way {
    address: SocketAddr,
    state: Arc<State>,
    kubectl: Child,
}

struct State {
    upstream: SocketAddr,
    /// The beginning of the request whose answer is to be lost.
    lose: Mutex<Option<String>>,
    away: AtomicBool,
    /// How many attempts to connect are turned away before the API server is back.
    patience: usize,
    turned_away: AtomicUsize,
    connections: Mutex<Vec<TcpStream>>,
}

impl Way {
    fn losing(test: &StoreUnderTest, lost: &Lost, patience: usize) -> Self {
        let mut kubectl = (test.namespace)
            .kubectl_command(&["proxy", "--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // "Starting to serve on 127.0.0.1:<port>"
        let mut said = Vec::new();
        let output = kubectl.stdout.as_mut().unwrap();
        while !said.ends_with(b"\n") {
            let mut byte = [0];
            output.read_exact(&mut byte).unwrap();
            said.extend(byte);
        }
        let said = String::from_utf8(said).unwrap();
        let upstream = said.split_whitespace().last().unwrap().parse().unwrap();

        let namespace = test.namespace.name();
        let Lost { api, object, .. } = lost;
        let lose = format!("PATCH /{api}/namespaces/{namespace}/{object}?");
        let state = Arc::new(State {
            upstream,
            lose: Mutex::new(Some(lose)),
            away: AtomicBool::new(false),
            patience,
            turned_away: AtomicUsize::new(0),
            connections: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.accept(client);
            }
        });
        Self {
            address,
            state,
            kubectl,
        }
    }

    fn has_lost(&self) -> bool {
        self.state.lose.lock().unwrap().is_none()
    }

    fn come_back(&self) {
        self.state.away.store(false, Ordering::Relaxed);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.kubectl.kill().ok();
        self.kubectl.wait().ok();
    }
}

impl State {
    fn accept(self: &Arc<Self>, client: TcpStream) {
        if self.away.load(Ordering::Relaxed) {
            let turned_away = self.turned_away.fetch_add(1, Ordering::Relaxed);
            if turned_away < self.patience {
                return;
            }
            self.away.store(false, Ordering::Relaxed);
        }
        let server = TcpStream::connect(self.upstream).unwrap();
        let mut known = self.connections.lock().unwrap();
        if self.away.load(Ordering::Relaxed) {
            // It has left meanwhile, and has not hung up on this one.
            return;
        }
        known.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let lost = Arc::new(AtomicBool::new(false));
        let (state, losing) = (self.clone(), lost.clone());
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || {
            copy(from, to, |bytes| {
                if state.is_to_be_lost(bytes) {
                    losing.store(true, Ordering::Relaxed);
                }
                true
            });
        });
        let state = self.clone();
        thread::spawn(move || {
            copy(server, client, |_| {
                let lost = lost.load(Ordering::Relaxed);
                if lost {
                    state.leave();
                }
                !lost
            });
        });
    }

    /// Of one connection's requests each waits for the answer to the one before, so a request begins what is read.
    fn is_to_be_lost(&self, bytes: &[u8]) -> bool {
        let mut lose = self.lose.lock().unwrap();
        let found = (lose.as_ref()).is_some_and(|start| bytes.starts_with(start.as_bytes()));
        if found {
            *lose = None;
        }
        found
    }

    fn leave(&self) {
        let mut connections = self.connections.lock().unwrap();
        self.away.store(true, Ordering::Relaxed);
        for connection in connections.drain(..) {
            connection.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Passes on what is read, as long as `pass` lets it.
fn copy(mut from: TcpStream, mut to: TcpStream, mut pass: impl FnMut(&[u8]) -> bool) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if !pass(&bytes[..count]) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
    from.shutdown(Shutdown::Both).ok();
}

struct Lost {
    api: &'static str,
    object: &'static str,
    named: &'static str,
    /// What is there when its answer is lost, and must be in the state.
    there: &'static [&'static str],
}

/// First and last of what is written before the pods come.
const WRITES: [Lost; 2] = [
    Lost {
        api: "api/v1",
        object: "secrets/feast-demo",
        named: "Secret/feast-demo",
        there: &["Secret/feast-demo"],
    },
    Lost {
        api: "apis/apps/v1",
        object: "deployments/feast-demo",
        named: "Deployment/feast-demo",
        there: &[
            "ConfigMap/feast-demo-client",
            "Deployment/feast-demo",
            "Secret/feast-demo",
            "Service/feast-demo-online",
            "ServiceAccount/feast-demo",
        ],
    },
];

/// By way of `way`, and by no other.
fn configure(test: &StoreUnderTest, way: &Way) {
    let text = configuration(DATABASES, "").replace(
        "config_path = var.kubeconfig",
        &format!("host = \"http://{}\"", way.address),
    );
    test.terraform.write("main.tf", &text).unwrap();
}

pub fn a_write_is_repeated_when_the_api_server_is_back() {
    for lost in &WRITES {
        let test = StoreUnderTest::new("lost-answer");
        let way = Way::losing(&test, lost, 3);
        configure(&test, &way);
        test.apply();
        assert!(way.has_lost(), "{}", lost.named);
        assert!(way.state.turned_away.load(Ordering::Relaxed) >= 3);
        assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
        test.destroy();
    }
}

pub fn an_api_server_that_stays_away_ends_the_apply_and_the_next_makes_it_good() {
    thread::scope(|scope| {
        for lost in &WRITES {
            scope.spawn(move || stays_away(lost));
        }
    });
}

fn stays_away(lost: &Lost) {
    let test = StoreUnderTest::new("stays-away");
    let way = Way::losing(&test, lost, usize::MAX);
    configure(&test, &way);
    let apply = test.terraform.apply().unwrap();
    assert_eq!(apply.status, Some(1), "{apply}");
    assert!(way.has_lost(), "{}", lost.named);
    let said = apply.said();
    for words in [
        &format!("Cannot apply {}", lost.named),
        "The API server could not be reached",
        "the API server may also be restarting",
    ] {
        assert!(said.contains(words), "{words:?} is not in {apply}");
    }
    let state = test.state();
    let known = state["objects"].as_object().unwrap().keys();
    assert_eq!(known.collect::<Vec<_>>(), lost.there);

    way.come_back();
    test.apply();
    assert_eq!(test.deployment()["status"]["readyReplicas"], 1);
    test.destroy();
}
