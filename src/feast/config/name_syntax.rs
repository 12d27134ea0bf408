//! The syntax of the names that identify a feature store or another object, wherever a user writes them.

use crate::kubernetes::validation::metadata::DNS_LABEL_LENGTH;

/// The pattern of a DNS label, such as the name of a feature store and of a namespace.
pub const DNS_LABEL_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// The pattern of a DNS subdomain, such as the name of a Secret.
pub const DNS_SUBDOMAIN_PATTERN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// The maximum length of the name of a feature store: the object name `feast-<name>` must be a DNS label.
pub const NAME_LENGTH: usize = DNS_LABEL_LENGTH - "feast-".len();
/// The maximum length of the name of a namespace.
pub const NAMESPACE_LENGTH: usize = DNS_LABEL_LENGTH;
