//! The names by which the requests of one operation are identified.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

/// A request of an operation. The name identifies the same request in every run of the operation, although the
/// provider sends requests concurrently. It is printed as `PATCH services/feast-demo-online #1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestName {
    /// The verb and the object: `PATCH services/feast-demo-online`, `LIST pods`, `WATCH pods`.
    pub target: String,
    /// The position among the requests with this target, starting at 1.
    pub nth: usize,
}

impl RequestName {
    /// Returns whether the request is a write.
    pub fn is_write(&self) -> bool {
        let reads = ["GET ", "LIST ", "WATCH ", "DRY-RUN "];
        !reads.iter().any(|verb| self.target.starts_with(verb))
    }

    /// Returns whether the request is part of a wait. An operation does not send it if the awaited condition is
    /// already met at the first read.
    pub fn is_part_of_wait(&self) -> bool {
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
        parts.ok_or_else(|| format!("{text:?} is not a request name"))
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
    let has = |wanted: &str| {
        let query = uri.query().unwrap_or_default();
        query.split('&').any(|pair| pair == wanted)
    };
    let watches = has("watch=true");
    let verb = match (method, path.len()) {
        ("PATCH", _) if has("dryRun=All") => "DRY-RUN",
        ("GET", 1) if watches => "WATCH",
        ("GET", 1) => "LIST",
        _ => method,
    };
    // Some names differ between runs: the name of a cluster-scoped object contains the namespace, a Job's ends with
    // a keyed hash, and a pod's with random characters.
    if let [resource @ ("jobs" | "pods"), name, ..] = path.as_slice() {
        let stable = match *resource {
            "jobs" => name.rsplit_once('-').map_or(*name, |(start, _)| start),
            _ => "",
        };
        return format!("{verb} {resource}/{stable}*");
    }
    if let [
        resource @ ("clusterroles" | "clusterrolebindings"),
        name,
        ..,
    ] = path.as_slice()
    {
        let name = name.replace("%3A", ":");
        let mut parts: Vec<&str> = name.split(':').collect();
        if let [_, namespace, ..] = parts.as_mut_slice() {
            *namespace = "*";
        }
        return format!("{verb} {resource}/{}", parts.join(":"));
    }
    format!("{verb} {}", path.join("/"))
}

/// Tests the naming of requests. It needs no cluster.
pub fn requests_have_stable_names() {
    for (method, uri, expected) in [
        (
            "PATCH",
            "/api/v1/namespaces/ns/services/feast-demo-online?fieldManager=m",
            "PATCH services/feast-demo-online",
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/ns/deployments/feast-demo?&dryRun=All&fieldManager=m",
            "DRY-RUN deployments/feast-demo",
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
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/feast%3Ans%3Ademo%3Atoken-review",
            "PATCH clusterroles/feast:*:demo:token-review",
        ),
    ] {
        assert_eq!(target(method, &uri.parse().unwrap()), expected, "{uri}");
    }
    let name = RequestName {
        target: "LIST pods".to_owned(),
        nth: 2,
    };
    assert_eq!(name.to_string(), "LIST pods #2");
    assert!(name.is_part_of_wait() && !name.is_write());
    assert_eq!("LIST pods #2".parse(), Ok(name));
}
