//! Names of requests: how the requests of one operation are told apart.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// One request of an operation, named so that the name means the same request in every run of that operation, even
/// though the provider sends requests in parallel. Printed as `PATCH services/feast-demo-online #1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestName {
    /// What is asked and of which object: `PATCH services/feast-demo-online`, `LIST pods`, `WATCH pods`.
    pub target: String,
    /// The position among the requests with this target, from 1.
    pub nth: usize,
}

impl RequestName {
    /// Returns whether it asks for a change.
    pub fn is_write(&self) -> bool {
        let reads = ["GET ", "LIST ", "WATCH "];
        !reads.iter().any(|verb| self.target.starts_with(verb))
    }

    /// Returns whether it belongs to a wait, so that an operation can do without it when what it waits for is there at
    /// the first look.
    pub fn is_of_a_wait(&self) -> bool {
        let of_waits = ["LIST pods", "LIST events", "GET pods/*"];
        self.target.starts_with("WATCH ") || of_waits.contains(&self.target.as_str())
    }
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} #{}", self.target, self.nth)
    }
}

impl FromStr for RequestName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(" #").and_then(|(target, nth)| {
            Some(Self {
                target: target.to_owned(),
                nth: nth.parse().ok()?,
            })
        });
        parts.ok_or_else(|| format!("{text:?} is not the name of a request"))
    }
}

/// Returns the target of a request to the API server.
pub fn target(method: &str, uri: &Uri) -> String {
    let mut segments = uri.path().trim_matches('/').split('/');
    match segments.next() {
        Some("api") => drop(segments.next()),
        Some("apis") => drop((segments.next(), segments.next())),
        _ => return format!("{method} {}", uri.path()),
    }
    let mut path: Vec<&str> = segments.collect();
    if path.len() > 2 && path[0] == "namespaces" {
        path.drain(..2);
    }
    let watches = uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    let verb = match (method, path.len()) {
        ("GET", 1) if watches => "WATCH",
        ("GET", 1) => "LIST",
        _ => method,
    };
    // Names that differ from run to run: a Job's ends with a keyed hash, a pod's with random letters.
    if let [resource @ ("jobs" | "pods"), name, ..] = path.as_slice() {
        let stable = match *resource {
            "jobs" => name.rsplit_once('-').map_or(*name, |(start, _)| start),
            _ => "",
        };
        return format!("{verb} {resource}/{stable}*");
    }
    format!("{verb} {}", path.join("/"))
}

/// Checks the naming of requests; it needs no cluster.
pub fn requests_have_stable_names() {
    for (method, uri, expected) in [
        (
            "PATCH",
            "/api/v1/namespaces/ns/services/feast-demo-online?fieldManager=m",
            "PATCH services/feast-demo-online",
        ),
        (
            "GET",
            "/apis/apps/v1/namespaces/ns/deployments?labelSelector=a",
            "LIST deployments",
        ),
        (
            "GET",
            "/api/v1/namespaces/ns/pods?&watch=true&resourceVersion=0",
            "WATCH pods",
        ),
        (
            "GET",
            "/api/v1/namespaces/ns/pods/feast-demo-x7/log?tailLines=9",
            "GET pods/*",
        ),
        (
            "GET",
            "/api/v1/namespaces/kube-system",
            "GET namespaces/kube-system",
        ),
        (
            "DELETE",
            "/apis/batch/v1/namespaces/ns/jobs/feast-demo-apply-1f2e",
            "DELETE jobs/feast-demo-apply*",
        ),
        (
            "PATCH",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/feast:ns:demo:token-review",
            "PATCH clusterroles/feast:ns:demo:token-review",
        ),
    ] {
        assert_eq!(target(method, &uri.parse().unwrap()), expected, "{uri}");
    }
    let name = RequestName {
        target: "LIST pods".to_owned(),
        nth: 2,
    };
    assert_eq!(name.to_string(), "LIST pods #2");
    assert!(name.is_of_a_wait() && !name.is_write());
    assert_eq!("LIST pods #2".parse(), Ok(name));
}
