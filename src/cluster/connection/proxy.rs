//! `HTTPS_PROXY` and `NO_PROXY`, for when neither the block nor the kubeconfig names a proxy.

/// Whether requests to this host go past the proxy of the environment, as `NO_PROXY` says (a
/// comma-separated list of hosts, domains, addresses, or `*`). Loopback never goes through it, as with
/// every Go program.
pub(super) fn is_bypassed(host: &str, no_proxy: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let address: Option<std::net::IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" || entry == host {
                return true;
            }
            if let (Some(address), Some((network, bits))) = (address, entry.split_once('/')) {
                return contains(network, bits, address);
            }
            let domain = entry.trim_start_matches("*.").trim_start_matches('.');
            address.is_none()
                && host
                    .strip_suffix(domain)
                    .is_some_and(|rest| rest.ends_with('.') || (rest.is_empty() && entry == domain))
        })
}

/// Whether the network, such as `10.0.0.0` and `8`, holds the address.
fn contains(network: &str, bits: &str, address: std::net::IpAddr) -> bool {
    use std::net::IpAddr::{V4, V6};
    let (Ok(network), Ok(bits)) = (network.parse(), bits.parse::<u32>()) else {
        return false;
    };
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
    use super::is_bypassed;

    #[test]
    fn past_the_proxy() {
        for (host, list) in [
            ("127.0.0.1", ""),
            ("localhost", ""),
            ("[::1]", ""),
            ("k8s.example.com", "other, example.com"),
            ("k8s.example.com", ".example.com"),
            ("k8s.example.com", "*.example.com"),
            ("example.com", "EXAMPLE.com"),
            ("10.1.2.3", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3"),
            ("anything", "*"),
        ] {
            assert!(is_bypassed(host, list), "{host} {list}");
        }
        for (host, list) in [
            ("k8s.example.com", ""),
            ("notexample.com", "example.com"),
            ("example.com", ".example.com"),
            ("11.1.2.3", "10.0.0.0/8"),
            ("k8s.example.com", "/,,a/b"),
        ] {
            assert!(!is_bypassed(host, list), "{host} {list}");
        }
    }
}
