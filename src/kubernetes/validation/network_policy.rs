//! Peers and rules of a NetworkPolicy.

use std::net::IpAddr;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::selector::label_selector;
use super::{Violation, below, each, supported};
use crate::schema::Path;

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

pub fn egress_rule(rule: &NetworkPolicyEgressRule) -> Vec<Violation> {
    let NetworkPolicyEgressRule { ports, to } = rule;
    let ports = each(
        &Path::of("ports"),
        ports.as_deref().unwrap_or_default(),
        port,
    );
    let peers = each(&Path::of("to"), to.as_deref().unwrap_or_default(), peer);
    [ports, peers].concat()
}

pub fn peer(peer: &NetworkPolicyPeer) -> Vec<Violation> {
    let NetworkPolicyPeer {
        ip_block,
        namespace_selector,
        pod_selector,
    } = peer;
    let mut violations =
        label_selector(&Path::of("namespace_selector"), namespace_selector.as_ref());
    violations.extend(label_selector(
        &Path::of("pod_selector"),
        pod_selector.as_ref(),
    ));
    let block = Path::of("ip_block");
    let selectors = ["namespace_selector", "pod_selector"].map(Path::of);
    match (ip_block, namespace_selector.is_some() || pod_selector.is_some()) {
        (Some(_), true) => violations.push(Violation::new(
            block.clone(),
            [block.clone()].into_iter().chain(selectors),
            "`ip_block` conflicts with `namespace_selector` and `pod_selector`",
            "Use two list elements, one with the addresses and one with the selectors.",
        )),
        (None, false) => violations.push(Violation::new(
            Path::root(),
            [block.clone()].into_iter().chain(selectors),
            "The peer is empty",
            "Set `namespace_selector`, `pod_selector` or `ip_block`. `namespace_selector = {}` is every pod of the \
             cluster.",
        )),
        _ => {}
    }
    violations.extend(below(&block, ip_block.iter().flat_map(addresses)));
    violations
}

fn addresses(block: &IPBlock) -> Vec<Violation> {
    let IPBlock { cidr, except } = block;
    let path = Path::of("cidr");
    let mut violations = Vec::new();
    let outer = Cidr::parse(cidr);
    if outer.is_none() {
        violations.push(not_a_cidr(path.clone(), cidr));
    }
    for (index, text) in except.iter().flatten().enumerate() {
        let place = Path::of("except").index(index);
        match (Cidr::parse(text), &outer) {
            (None, _) => violations.push(not_a_cidr(place, text)),
            (Some(inner), Some(outer)) if !inner.is_strictly_within(outer) => {
                violations.push(Violation::new(
                    place.clone(),
                    [place, path.clone()],
                    format!("{text:?} is not a part of {cidr:?}"),
                    "Set addresses within `cidr`, but not all of them.",
                ));
            }
            _ => {}
        }
    }
    violations
}

pub(super) fn not_a_cidr(path: Path, text: &str) -> Violation {
    Violation::at(
        path,
        format!("{text:?} is not a valid CIDR block"),
        "Set an address and the length of the network's prefix, such as `10.0.0.0/8` or `10.1.2.3/32` for a single \
         address. The bits after the prefix are 0.",
    )
}

/// A range of addresses.
pub(super) struct Cidr {
    is_v6: bool,
    /// The first address, aligned to the left.
    bits: u128,
    prefix: u32,
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let is_canonical = length == "0" || !length.starts_with('0');
        let is_number = !length.is_empty() && length.bytes().all(|it| it.is_ascii_digit());
        let prefix: u32 = length.parse().ok().filter(|_| is_number && is_canonical)?;
        let (is_v6, bits, width) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(address.to_bits()) << 96, 32),
            // The API server rejects these, because programs read them differently.
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => return None,
            IpAddr::V6(address) => (true, address.to_bits(), 128),
        };
        let cidr = Self {
            is_v6,
            bits,
            prefix,
        };
        (prefix <= width && cidr.network(prefix) == bits).then_some(cidr)
    }

    /// Returns the first bits of the address.
    fn network(&self, prefix: u32) -> u128 {
        let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
        self.bits & mask
    }

    fn is_strictly_within(&self, outer: &Self) -> bool {
        self.is_v6 == outer.is_v6
            && self.prefix > outer.prefix
            && self.network(outer.prefix) == outer.bits
    }
}

fn port(port: &NetworkPolicyPort) -> Vec<Violation> {
    let NetworkPolicyPort {
        end_port,
        port,
        protocol,
    } = port;
    let mut violations = Vec::new();
    let protocol = protocol.as_deref();
    violations.extend(protocol.and_then(|it| supported(Path::of("protocol"), it, &PROTOCOLS)));
    let number = match port {
        None => None,
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(text)) => text.parse().ok(),
    };
    let is_port = |number: i32| (1..=65535).contains(&number);
    let is_valid = match (port, number) {
        (None, _) => true,
        (_, Some(number)) => is_port(number),
        (Some(IntOrString::String(name)), None) => is_port_name(name),
        (Some(IntOrString::Int(_)), None) => false,
    };
    if !is_valid {
        violations.push(Violation::at(
            Path::of("port"),
            "Not a port",
            "Set a number from 1 to 65535, or the name of a port: at most 15 lower-case letters, digits and `-`.",
        ));
    }
    if let Some(end) = *end_port
        && number.is_none_or(|start| end < start || !is_port(end))
    {
        let path = Path::of("end_port");
        violations.push(Violation::new(
            path.clone(),
            [path, Path::of("port")],
            "`end_port` must be a number from `port` to 65535",
            "A range has numbers in both `port` and `end_port`.",
        ));
    }
    violations
}

/// Returns whether a name is valid for a port (`IANA_SVC_NAME`).
fn is_port_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && (name.bytes()).all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
        && name.bytes().any(|it| it.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::kubernetes::validation::testing::check;

    #[test]
    fn a_peer_has_selectors_or_addresses() {
        check(&json!({"namespaceSelector": {}}), peer, &[]);
        let both = json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "x"}}});
        check(&both, peer, &[]);
        check(&json!({}), peer, &[("", "The peer is empty")]);
        check(
            &json!({"podSelector": {}, "ipBlock": {"cidr": "10.0.0.0/8"}}),
            peer,
            &[(
                "ip_block",
                "`ip_block` conflicts with `namespace_selector` and `pod_selector`",
            )],
        );
        let expression = json!({"key": "a", "operator": "In", "values": []});
        check(
            &json!({"podSelector": {"matchExpressions": [expression]}}),
            peer,
            &[(
                "pod_selector.match_expressions[0].values",
                "The operator In needs at least one value",
            )],
        );
    }

    #[test]
    fn addresses_are_networks() {
        for cidr in [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.1.2.3/32",
            "::/0",
            "2001:db8::/32",
        ] {
            check(&json!({"ipBlock": {"cidr": cidr}}), peer, &[]);
        }
        for cidr in [
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "010.0.0.0/8",
            "::ffff:10.0.0.0/104",
            "2001:db8::1/32",
            "x/8",
        ] {
            let summary = format!("{cidr:?} is not a valid CIDR block");
            let expected = [("ip_block.cidr", summary.as_str())];
            check(&json!({"ipBlock": {"cidr": cidr}}), peer, &expected);
        }
    }

    #[test]
    fn exceptions_are_a_part_of_the_block() {
        let except = json!(["10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/16", "::/96", "x"]);
        check(
            &json!({"ipBlock": {"cidr": "10.0.0.0/8", "except": except}}),
            peer,
            &[
                (
                    "ip_block.except[1]",
                    "\"10.0.0.0/8\" is not a part of \"10.0.0.0/8\"",
                ),
                (
                    "ip_block.except[2]",
                    "\"11.0.0.0/16\" is not a part of \"10.0.0.0/8\"",
                ),
                (
                    "ip_block.except[3]",
                    "\"::/96\" is not a part of \"10.0.0.0/8\"",
                ),
                ("ip_block.except[4]", "\"x\" is not a valid CIDR block"),
            ],
        );
    }

    #[test]
    fn ports_are_numbers_names_or_ranges() {
        let rule = |port: Json| json!({"ports": [port]});
        for port in [
            json!({}),
            json!({"port": 443, "protocol": "TCP"}),
            json!({"port": "https"}),
            json!({"port": 32000, "endPort": 32768}),
        ] {
            check(&rule(port), egress_rule, &[]);
        }
        for port in [
            json!(0),
            json!(65536),
            json!("HTTPS"),
            json!("a--b"),
            json!(""),
        ] {
            let expected = [("ports[0].port", "Not a port")];
            check(&rule(json!({"port": port})), egress_rule, &expected);
        }
        let summary = "`end_port` must be a number from `port` to 65535";
        for (port, end) in [
            (json!(5), 4),
            (json!("https"), 500),
            (Json::Null, 500),
            (json!(5), 65536),
        ] {
            let expected = [("ports[0].end_port", summary)];
            let port = json!({"port": port, "endPort": end});
            check(&rule(port), egress_rule, &expected);
        }
        check(
            &rule(json!({"protocol": "tcp"})),
            egress_rule,
            &[("ports[0].protocol", "Unsupported value \"tcp\"")],
        );
    }
}
