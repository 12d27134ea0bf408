//! An API server in memory. It stores objects as they are applied, without defaults, field managers or controllers.
//! Tests that depend on the behavior of Kubernetes use a real API server (`tests/lifecycle`).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value as Json, json};

use crate::feast::ownership::Ownership;

/// The time at which every object was created.
const CREATED: &str = "2026-01-01T00:00:00Z";

#[derive(Clone)]
pub struct ApiServer {
    pub host: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By path.
    objects: BTreeMap<String, Json>,
    version: u64,
    /// Method and path of each request, with the query of a dry run.
    requests: Vec<String>,
    /// Requests that are rejected, by the path of the object.
    rejected: BTreeMap<String, Rejected>,
    /// Warnings in the responses to writes, by the path of the object.
    warnings: BTreeMap<String, String>,
    /// Objects that another client writes just before the next write of their path.
    races: BTreeMap<String, Json>,
    /// True if each new Job has failed.
    jobs_fail: bool,
}

/// The requests about an object that are rejected.
enum Rejected {
    /// Writes, dry runs and deletions, as invalid.
    All,
    /// Writes, with this status code. Dry runs succeed.
    Writes(u16),
    /// Writes and dry runs, because of an invalid field.
    Field(String),
    /// Deletions, as invalid.
    Deletions,
}

struct Request {
    method: String,
    path: String,
    query: String,
    body: Json,
}

impl ApiServer {
    /// Starts a server with these namespaces. Each has every Secret and ConfigMap that a configuration names.
    pub fn start(namespaces: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            host: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::default(),
        };
        for namespace in namespaces {
            let namespace = json!({"metadata": {"name": namespace}, "status": {"phase": "Active"}});
            let name = namespace["metadata"]["name"].as_str().unwrap();
            server.put(&format!("/api/v1/namespaces/{name}"), namespace.clone());
        }
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Creates or replaces an object.
    pub fn put(&self, path: &str, object: Json) {
        let mut state = self.state.lock().unwrap();
        state.objects.insert(path.to_owned(), object);
    }

    pub fn get(&self, path: &str) -> Option<Json> {
        self.state.lock().unwrap().objects.get(path).cloned()
    }

    /// Deletes an object.
    pub fn remove(&self, path: &str) {
        self.state.lock().unwrap().objects.remove(path);
    }

    /// Changes an object.
    pub fn edit(&self, path: &str, edit: impl FnOnce(&mut Json)) {
        let mut state = self.state.lock().unwrap();
        edit(state.objects.get_mut(path).unwrap());
    }

    /// Writes the ownership of a feature store to its Secret, which has this path.
    pub fn set_ownership(&self, secret: &str, ownership: &Ownership) {
        let record = ownership.record().unwrap().to_string();
        self.edit(secret, |secret| {
            secret["data"]["creation.json"] = json!(BASE64.encode(record));
        });
    }

    /// Returns the paths of all objects.
    pub fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().objects.keys().cloned().collect()
    }

    /// From now on rejects every write, dry run and deletion of an object as invalid, or no request about it.
    pub fn reject(&self, path: &str, reject: bool) {
        let mut state = self.state.lock().unwrap();
        match reject {
            true => state.rejected.insert(path.to_owned(), Rejected::All),
            false => state.rejected.remove(path),
        };
    }

    /// From now on rejects writes of an object with this status code, but no dry runs.
    pub fn reject_writes(&self, path: &str, code: u16) {
        let mut state = self.state.lock().unwrap();
        (state.rejected).insert(path.to_owned(), Rejected::Writes(code));
    }

    /// From now on rejects writes of an object because of this field, in the notation of validation errors.
    pub fn reject_field(&self, path: &str, field: &str) {
        let mut state = self.state.lock().unwrap();
        (state.rejected).insert(path.to_owned(), Rejected::Field(field.to_owned()));
    }

    /// From now on each new Job has failed.
    pub fn fail_jobs(&self) {
        self.state.lock().unwrap().jobs_fail = true;
    }

    /// From now on rejects deletions of an object.
    pub fn reject_deletions(&self, path: &str) {
        let mut state = self.state.lock().unwrap();
        (state.rejected).insert(path.to_owned(), Rejected::Deletions);
    }

    /// From now on adds a warning to the responses to writes of an object.
    pub fn warn(&self, path: &str, text: &str) {
        let mut state = self.state.lock().unwrap();
        state.warnings.insert(path.to_owned(), text.to_owned());
    }

    /// Puts an object just before the next write of the path.
    pub fn race(&self, path: &str, object: Json) {
        let mut state = self.state.lock().unwrap();
        state.races.insert(path.to_owned(), object);
    }

    /// Returns the requests since the last call.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    fn serve(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(request) = read(&mut stream) {
            if request.query.contains("watch=") {
                // A watch without events, until the client hangs up.
                read(&mut stream);
                return;
            }
            let (code, body) = self.answer(&request);
            let body = body.to_string();
            let length = body.len();
            let warning = match request.method.as_str() {
                "PATCH" => self
                    .state
                    .lock()
                    .unwrap()
                    .warnings
                    .get(&request.path)
                    .cloned(),
                _ => None,
            };
            let warning = warning.map(|text| format!("warning: 299 - \"{text}\"\r\n"));
            let head = format!(
                "HTTP/1.1 {code} Answer\r\n{}content-length: {length}\r\n\r\n",
                warning.unwrap_or_default()
            );
            // The client may have hung up.
            stream.get_mut().write_all((head + &body).as_bytes()).ok();
        }
    }

    fn answer(&self, request: &Request) -> (u16, Json) {
        let Request {
            method,
            path,
            query,
            body,
        } = request;
        let mut state = self.state.lock().unwrap();
        let dry = query.contains("dryRun=All");
        let suffix = if dry { "?dryRun=All" } else { "" };
        state.requests.push(format!("{method} {path}{suffix}"));
        let missing = namespace_of(path).filter(|namespace| {
            !state
                .objects
                .contains_key(&format!("/api/v1/namespaces/{namespace}"))
        });
        match (method.as_str(), missing) {
            ("PATCH", Some(namespace)) => (404, status(404, "NotFound", "namespaces", namespace)),
            ("PATCH", None) => state.apply(path, body, dry),
            ("GET", _) if path.ends_with('s') && is_collection(path) => {
                (200, state.list(path, query))
            }
            ("GET", _) => match state
                .objects
                .get(path)
                .cloned()
                .or_else(|| of_the_user(path))
            {
                Some(object) => (200, object),
                None => (404, status(404, "NotFound", "objects", path)),
            },
            ("DELETE", _)
                if matches!(
                    state.rejected.get(path),
                    Some(Rejected::All | Rejected::Deletions)
                ) =>
            {
                (422, status(422, "Invalid", "", path))
            }
            ("DELETE", _) => match state.objects.remove(path) {
                Some(object) => (200, object),
                None => (404, status(404, "NotFound", "objects", path)),
            },
            // The account has every permission, and every pod is admitted.
            ("POST", _) if path.ends_with("/selfsubjectaccessreviews") => {
                (201, json!({"status": {"allowed": true}}))
            }
            ("POST", _) if path.ends_with("/pods") && dry => (201, body.clone()),
            _ => (405, status(405, "MethodNotAllowed", "", path)),
        }
    }
}

impl State {
    fn apply(&mut self, path: &str, body: &Json, dry: bool) -> (u16, Json) {
        match self.rejected.get(path) {
            Some(Rejected::All) => return (422, status(422, "Invalid", "", path)),
            Some(Rejected::Field(field)) => {
                let mut status = status(422, "Invalid", "", path);
                status["details"]["causes"] = json!([{"reason": "FieldValueInvalid", "field": field, "message": "is invalid"}]);
                return (422, status);
            }
            Some(Rejected::Writes(code)) if !dry => {
                return (*code, status(*code, "Rejected", "", path));
            }
            _ => {}
        }
        if let Some(object) = self.races.remove(path) {
            self.objects.insert(path.to_owned(), object);
        }
        let existing = self.objects.get(path);
        let version = &body["metadata"]["resourceVersion"];
        if let Some(existing) = existing
            && !version.is_null()
            && *version != existing["metadata"]["resourceVersion"]
        {
            return (409, status(409, "Conflict", "", path));
        }
        self.version += 1;
        let mut object = body.clone();
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(self.version.to_string());
        metadata["uid"] = json!(path);
        metadata["creationTimestamp"] = json!(CREATED);
        if object["kind"] == "Job" {
            // There is no controller, and a Job without a pod would be created again.
            object["status"] = match self.jobs_fail {
                true => json!({"conditions": [{
                    "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m",
                }]}),
                false => json!({"active": 1}),
            };
        }
        if !dry {
            self.objects.insert(path.to_owned(), object.clone());
        }
        (200, object)
    }

    fn list(&self, path: &str, query: &str) -> Json {
        let prefix = format!("{path}/");
        let selector = query
            .split('&')
            .find_map(|part| part.strip_prefix("labelSelector="));
        let selector = selector.unwrap_or_default().replace("%2F", "/");
        let selector = selector.replace("%3D", "=").replace("%2C", ",");
        let selected = |object: &&Json| {
            let mut parts = selector.split(',').filter_map(|part| part.split_once('='));
            parts.all(|(label, value)| object["metadata"]["labels"][label] == value)
        };
        let objects = self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix));
        let items: Vec<&Json> = objects.map(|(_, object)| object).filter(selected).collect();
        json!({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
    }
}

/// `/api/v1/namespaces/n/secrets` and `/apis/apps/v1/namespaces/n/deployments`, but not their objects.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let resource = parts
        .iter()
        .position(|part| *part == "namespaces")
        .map(|at| at + 3);
    resource == Some(parts.len())
}

fn namespace_of(path: &str) -> Option<&str> {
    path.split_once("/namespaces/")?.1.split('/').next()
}

/// A Secret or ConfigMap with every key that the configurations name.
fn of_the_user(path: &str) -> Option<Json> {
    let mut parts = path.rsplit('/');
    let (name, resource) = (parts.next()?, parts.next()?);
    if !["secrets", "configmaps"].contains(&resource) || name.starts_with("feast-") {
        return None;
    }
    let keys = [
        "postgres",
        "redis",
        "sql",
        "config",
        "k",
        "api_key",
        "connection_string",
        "client_id",
        "client_secret",
        "tls.crt",
        "tls.key",
        "ca.crt",
        "ca-bundle.crt",
        "x",
        "y",
    ];
    // "path: x" in base64, and a batch engine.
    let text = match resource {
        "secrets" => "cGF0aDogeA==",
        _ => "type: spark_application",
    };
    let data: BTreeMap<&str, &str> = keys.into_iter().map(|key| (key, text)).collect();
    Some(json!({"metadata": {"name": name, "uid": path, "resourceVersion": "1"}, "data": data}))
}

fn status(code: u16, reason: &str, kind: &str, name: &str) -> Json {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": format!("{reason}: {kind} {name}"), "details": {"kind": kind, "name": name},
    })
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line);
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    let mut words = head.first()?.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
