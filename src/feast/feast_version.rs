//! The version of Feast in an image.

/// The major and minor version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeastVersion(pub u32, pub u32);

/// Returns the version in the tag of an image of Feast's feature server, from any registry. Returns `None` for other
/// images, whose tags can be versions of something else, for other tags and for digests.
pub fn feast_version(image: &str) -> Option<FeastVersion> {
    let (_, name) = image.rsplit_once('/').unwrap_or(("", image));
    let tag = name.strip_prefix("feature-server:")?;
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let number = |text: &str| text.parse::<u32>().ok();
    let (major, rest) = tag.split_once('.')?;
    let (minor, patch) = rest.split_once('.')?;
    // A digest can follow the tag.
    let digits = patch.split(|c: char| !c.is_ascii_digit()).next()?;
    number(digits)?;
    let is_digest = patch.contains('@');
    (!is_digest).then_some(FeastVersion(number(major)?, number(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_tags_of_the_feature_server() {
        for image in [
            "quay.io/feastdev/feature-server:0.66.0",
            "feature-server:v0.66.1",
            "mirror.example:5000/feast/feature-server:0.66.0-rc1",
            "feature-server:0.66.0.dev3",
        ] {
            assert_eq!(feast_version(image), Some(FeastVersion(0, 66)), "{image}");
        }
        for image in [
            "quay.io/feastdev/feature-server",
            "quay.io/feastdev/feature-server:latest",
            "quay.io/feastdev/feature-server:0.66",
            "quay.io/feastdev/feature-server:develop.0.66.0",
            "quay.io/feastdev/feature-server@sha256:0123",
            "quay.io/feastdev/feature-server:0.66.0@sha256:0123",
            "registry.example.com/ours:0.66.0",
            "registry.example.com/our-feature-server:0.66.0",
            "",
        ] {
            assert_eq!(feast_version(image), None, "{image}");
        }
        assert!(FeastVersion(0, 9) < FeastVersion(0, 67));
        assert!(FeastVersion(1, 0) > FeastVersion(0, 67));
    }
}
