//! The proxy for requests: the configured one, or the one of the environment with the rules of Go's `net/http`
//! (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).

use std::fmt;
use std::net::IpAddr;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::ConnectionError;

const SOCKS_PORT: u16 = 1080;

/// A proxy and where it was configured. No text shows its credentials.
#[derive(Clone, Debug)]
pub struct Proxy {
    uri: Uri,
    intercept: Intercept,
    origin: String,
}

/// Writes the URL without credentials, and where it was configured.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.uri.to_string();
        write!(f, "{} ({})", url.trim_end_matches('/'), self.origin)
    }
}

impl Proxy {
    /// Parses the URL of a proxy.
    ///
    /// # Errors
    ///
    /// The URL is invalid. The error is a main clause about its required form.
    pub fn parse(text: &str, origin: String) -> Result<Self, String> {
        let proxy = match text.contains("://") {
            true => Self::read(text, origin),
            false => None,
        };
        proxy.ok_or_else(|| {
            "it must be a URL such as http://proxy.example.com:3128, with the scheme http, https or socks5"
                .to_owned()
        })
    }

    /// Returns the proxy of the environment for requests to `url`.
    pub fn from_environment(
        url: &Uri,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConnectionError> {
        let first = |names: [&'static str; 2]| {
            (names.into_iter())
                .find_map(|name| Some((name, lookup(name).filter(|text| !text.is_empty())?)))
        };
        let named = match url.scheme_str() {
            Some("http") => first(["HTTP_PROXY", "http_proxy"]),
            _ => first(["HTTPS_PROXY", "https_proxy"]),
        };
        let Some((variable, text)) = named else {
            return Ok(None);
        };
        let (_, exceptions) = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
        if is_bypassed(url, &exceptions) {
            return Ok(None);
        }
        let origin = format!("the environment variable {variable}");
        // As in Go, a URL without a scheme is that of an HTTP proxy.
        match Self::read(text.trim(), origin.clone()) {
            Some(proxy) => Ok(Some(proxy)),
            None => Err(ConnectionError::invalid(
                origin,
                "it must be the URL of a proxy such as http://proxy.example.com:3128",
            )),
        }
    }

    fn read(text: &str, origin: String) -> Option<Self> {
        let any = Uri::from_static("https://kubernetes");
        let intercept = Matcher::builder()
            .all(text.to_owned())
            .build()
            .intercept(&any)?;
        let uri = intercept.uri();
        let host = uri.host().filter(|host| !host.is_empty())?;
        let uri = match (uri.scheme_str()?, uri.port()) {
            ("socks5" | "socks5h", None) => Uri::builder()
                .scheme("socks5")
                .authority(format!("{host}:{SOCKS_PORT}"))
                .path_and_query("/")
                .build()
                .ok()?,
            ("http" | "https" | "socks5" | "socks5h", _) => uri.clone(),
            _ => return None,
        };
        Some(Self {
            uri,
            intercept,
            origin,
        })
    }

    /// Returns the address without credentials.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub fn is_socks(&self) -> bool {
        matches!(self.uri.scheme_str(), Some("socks5" | "socks5h"))
    }

    pub fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// Returns the value of the header `Proxy-Authorization`.
    pub fn basic_auth(&self) -> Option<&HeaderValue> {
        self.intercept.basic_auth()
    }

    /// Returns user and password for a SOCKS proxy.
    pub fn socks_auth(&self) -> Option<(&str, &str)> {
        self.intercept.raw_auth()
    }
}

/// Returns whether requests to `url` bypass the proxy of the environment. `NO_PROXY` has entries separated by commas,
/// each a host, a domain, an IP address (all with or without a port), a CIDR block, or `*`. Loopback addresses never
/// use the proxy. The rules are those of Go's `golang.org/x/net/http/httpproxy`.
fn is_bypassed(url: &Uri, no_proxy: &str) -> bool {
    let host = url.host().unwrap_or_default();
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    let default_port = match url.scheme_str() {
        Some("http") => 80,
        _ => 443,
    };
    let port = url.port_u16().unwrap_or(default_port);
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .any(|entry| entry == "*" || matches_entry(&entry, &host, address, port))
}

/// Returns whether an entry of `NO_PROXY`, in lower case, matches the host.
fn matches_entry(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if let Some((network, bits)) = cidr(entry) {
        return address.is_some_and(|address| contains(network, bits, address));
    }
    let (name, wanted_port) = split_port(entry);
    let port_matches = match wanted_port {
        None => true,
        Some(wanted) => wanted == port.to_string(),
    };
    if let Ok(wanted) = name.parse::<IpAddr>() {
        return port_matches && address == Some(wanted.to_canonical());
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    let (domain, is_host_itself) = match name.strip_prefix('.') {
        Some(domain) => (domain, false),
        None => (name, host == name),
    };
    let is_inside = || {
        let rest = host.strip_suffix(domain);
        rest.is_some_and(|rest| rest.ends_with('.'))
    };
    !domain.is_empty() && port_matches && (is_host_itself || is_inside())
}

/// Splits `host:port` and `[IPv6]:port`. An IPv6 address without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<&str>) {
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if name.starts_with('[') && name.ends_with(']') => (name, Some(port)),
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        _ => (entry, None),
    };
    (name.trim_matches(['[', ']']), port)
}

fn cidr(entry: &str) -> Option<(IpAddr, u32)> {
    let (network, bits) = entry.split_once('/')?;
    Some((network.parse().ok()?, bits.parse().ok()?))
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    use IpAddr::{V4, V6};
    match (network, address) {
        (V4(network), V4(address)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (V6(network), V6(address)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_follows_the_rules_of_go() {
        for (url, list) in [
            ("https://127.0.0.1", ""),
            ("https://127.8.0.1:6443", ""),
            ("https://localhost:6443", ""),
            ("https://[::1]:6443", ""),
            ("https://k8s.example.com", "other, example.com"),
            ("https://k8s.example.com", ".example.com"),
            ("https://k8s.example.com", "*.example.com"),
            ("https://example.com", "EXAMPLE.com"),
            ("https://K8S.example.com", "k8s.Example.com"),
            ("https://10.1.2.3", "10.0.0.0/8"),
            ("https://10.1.2.3", "10.1.2.3"),
            ("https://anything", "*"),
            ("https://anything", "other , *"),
            ("https://k8s.example.com:6443", "k8s.example.com:6443"),
            ("https://k8s.example.com:6443", "example.com:6443"),
            ("https://k8s.example.com:6443", ".example.com:6443"),
            ("https://k8s.example.com:6443", "*.example.com:6443"),
            ("https://k8s.example.com", "k8s.example.com:443"),
            ("http://k8s.example.com", "k8s.example.com:80"),
            ("https://10.1.2.3:6443", "10.1.2.3:6443"),
            ("https://10.1.2.3:6443", " a b ,10.1.2.3:6443"),
            ("https://[2001:db8::1]:6443", "[2001:db8::1]:6443"),
            ("https://[2001:db8::1]:6443", "2001:db8::1"),
            ("https://[2001:db8::1]:6443", "[2001:db8::1]"),
            ("https://[2001:db8::1]:6443", "2001:db8::/32"),
            ("https://[::ffff:10.1.2.3]", "10.0.0.0/8"),
        ] {
            assert!(is_bypassed(&url.parse().unwrap(), list), "{url} {list}");
        }
        for (url, list) in [
            ("https://k8s.example.com", ""),
            ("https://notexample.com", "example.com"),
            ("https://example.com", ".example.com"),
            ("https://example.com", "*.example.com"),
            ("https://11.1.2.3", "10.0.0.0/8"),
            ("https://k8s.example.com", "/,,a/b,:443,."),
            ("https://k8s.example.com:6443", "k8s.example.com:443"),
            ("https://k8s.example.com:6443", ".example.com:443"),
            ("https://10.1.2.3:6443", "10.1.2.3:443"),
            // Blanks do not separate entries.
            ("https://k8s.example.com", "k8s.example.com other"),
            ("https://k8s.example.com", "other k8s.example.com"),
            // An asterisk must be alone or precede a dot.
            ("https://k8s.example.com", "k8s.*"),
            ("https://k8s.example.com", "*example.com"),
        ] {
            assert!(!is_bypassed(&url.parse().unwrap(), list), "{url} {list}");
        }
    }

    fn named(url: &str, variables: &[(&str, &str)]) -> String {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match Proxy::from_environment(&url.parse().unwrap(), lookup) {
            Ok(None) => String::new(),
            Ok(Some(proxy)) => proxy.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_environment_has_a_proxy_for_each_scheme() {
        let (https, http) = (
            ("HTTPS_PROXY", "http://user:hunter2@secure:3128"),
            ("http_proxy", "plain:3128"),
        );
        let secure = "http://secure:3128 (the environment variable HTTPS_PROXY)";
        for (url, variables, expected) in [
            ("https://k8s.example.com", &[https, http][..], secure),
            (
                "http://k8s.example.com",
                &[https, http],
                "http://plain:3128 (the environment variable http_proxy)",
            ),
            ("http://k8s.example.com", &[https], ""),
            // An empty variable counts as absent.
            (
                "https://k8s.example.com",
                &[("HTTPS_PROXY", ""), ("https_proxy", "socks5://s")],
                "socks5://s:1080 (the environment variable https_proxy)",
            ),
            (
                "https://k8s.example.com",
                &[https, ("NO_PROXY", ""), ("no_proxy", ".example.com")],
                "",
            ),
            (
                "https://k8s.example.com",
                &[https, ("NO_PROXY", "a,,b:c,/,k8s.example.com:1")],
                secure,
            ),
            ("https://127.0.0.1:6443", &[https], ""),
            (
                "https://k8s.example.com",
                &[("HTTPS_PROXY", "ftp://p")],
                "the environment variable HTTPS_PROXY is not valid: it must be the URL of a proxy such as http://proxy.example.com:3128",
            ),
        ] {
            assert_eq!(named(url, variables), expected, "{url} {variables:?}");
        }
    }

    #[test]
    fn a_proxy_shows_no_credentials() {
        let proxy = Proxy::parse("http://me:hunter%402@p:3128", "`proxy_url`".into()).unwrap();
        assert_eq!(proxy.to_string(), "http://p:3128 (`proxy_url`)");
        assert!(!format!("{proxy:?}").contains("hunter"), "{proxy:?}");
        // me:hunter@2
        assert_eq!(proxy.basic_auth().unwrap(), "Basic bWU6aHVudGVyQDI=");
        let proxy = Proxy::parse("socks5://me:p%3Aw@p", String::new()).unwrap();
        assert_eq!(proxy.socks_auth(), Some(("me", "p:w")));
    }
}
