//! The description of an attribute, as the registry shows it.

use serde_json::Value as Json;

use crate::schema::Check;

/// The largest length of a description of Kubernetes, in bytes.
const KUBERNETES_LENGTH: usize = 400;

/// Returns the first sentences of a description of Kubernetes: as many as [`KUBERNETES_LENGTH`] allows, at least one.
pub(super) fn brief(description: &str) -> &str {
    let text = description.trim();
    let mut end = 0;
    for (at, _) in text
        .match_indices(char::is_whitespace)
        .chain([(text.len(), "")])
    {
        if end > 0 && at > KUBERNETES_LENGTH {
            break;
        }
        if ends_a_sentence(text, at) {
            end = at;
        }
    }
    if end == 0 { text } else { &text[..end] }
}

/// Returns whether a sentence ends before `at`. Abbreviations end no sentence.
fn ends_a_sentence(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let after = text[at..].trim_start();
    before.ends_with(['.', ':', ')', '`'])
        && before.trim_end_matches([')', '`']).ends_with('.')
        && !["e.g.", "i.e.", "etc."]
            .iter()
            .any(|short| before.ends_with(short))
        && !after.starts_with(|letter: char| letter.is_lowercase())
}

/// Returns the description of a file mode, for a property of Kubernetes that is one. The description of Kubernetes is
/// about the octal numbers of YAML, which Terraform does not have.
pub(super) fn file_mode(key: &str, description: &str) -> Option<&'static str> {
    let is_directory = description.contains("between 0000 and 01777");
    let is_file = description.contains("between 0000 and 0777");
    match key {
        "mode" if is_directory => Some(
            "Mode of the directory, as a decimal number from 0 to 1023, because Terraform has no octal numbers: 1023 \
             is 01777, 511 is 0777, 493 is 0755. `parseint(\"0755\", 8)` converts. With `fs_group`, the permissions of \
             that group override it. Requires the feature gate `EmptyDirVolumeMode`. Default: 511 (0777).",
        ),
        "mode" if is_file => Some(
            "Mode of the file, as a decimal number from 0 to 511, because Terraform has no octal numbers: 420 is 0644, \
             292 is 0444, 256 is 0400. `parseint(\"0400\", 8)` converts. Default: the `default_mode` of the volume.",
        ),
        "defaultMode" if is_file => Some(
            "Mode of the files, as a decimal number from 0 to 511, because Terraform has no octal numbers: 420 is \
             0644, 292 is 0444, 256 is 0400. `parseint(\"0400\", 8)` converts. Default: 420 (0644).",
        ),
        _ => None,
    }
}

/// Returns the description with a sentence for each check and for the default, unless it mentions them itself.
pub(super) fn describe(description: &str, checks: &[Check], default: Option<&Json>) -> String {
    let mut text = description.trim().to_owned();
    let has_default = text.contains("Default:");
    let mut add = |sentence: String| {
        text.push(' ');
        text.push_str(&sentence);
    };
    for check in checks {
        match check {
            Check::OneOf(words) | Check::OneOfOrPattern(words, _)
                if words.iter().all(|word| description.contains(word)) => {}
            Check::OneOf(words) | Check::OneOfOrPattern(words, _) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                add(format!("One of {}.", words.join(", ")));
            }
            check if check.is_integer_range() => {}
            // Every unsigned number has a minimum of 0, which needs no mention.
            Check::AtLeast(bound) if *bound != 0.0 => add(format!("At least {bound}.")),
            Check::AtMost(bound) if *bound < 1e6 => add(format!("At most {bound}.")),
            _ => {}
        }
    }
    match default {
        None | Some(Json::Null) => {}
        Some(_) if has_default => {}
        Some(Json::String(word)) => add(format!("Default: `{word}`.")),
        Some(other) => add(format!("Default: `{other}`.")),
    }
    text
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::schema::{Kind, Nesting, lower};

    #[test]
    fn cuts_long_descriptions_after_a_sentence() {
        let long = format!("Word{}.", " word".repeat(100));
        assert_eq!(
            brief(&format!("First, e.g. this.\n\nSecond one. {long}")),
            "First, e.g. this.\n\nSecond one."
        );
        assert_eq!(brief(&format!("{long} Then another.")), long);
        assert_eq!(brief("No full stop"), "No full stop");
    }

    fn sentences(count: usize) -> String {
        vec!["These are four words."; count].join(" ")
    }

    /// A type of Kubernetes.
    enum Foreign {}

    impl JsonSchema for Foreign {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "io.k8s.api.core.v1.Foreign".into()
        }

        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({
                "type": "object",
                "properties": {
                    "mode": {"type": "string", "description": sentences(30), "enum": ["Always"]},
                },
            })
        }
    }

    #[test]
    fn cuts_only_descriptions_of_kubernetes() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "only its schema is used")]
        struct Own {
            #[schemars(extend("description" = sentences(30), "default" = 1))]
            size: Option<i32>,
            #[schemars(extend("description" = sentences(30)))]
            foreign: Option<Foreign>,
        }
        let block = lower::<Own>().unwrap();
        let expected = format!("{} Default: `1`.", sentences(30));
        assert_eq!(block.attributes["size"].description, expected);
        let foreign = &block.attributes["foreign"];
        assert_eq!(foreign.description, sentences(30));
        let Kind::Nested(Nesting::Single, inner) = &foreign.kind else {
            panic!("{:?}", foreign.kind);
        };
        // What the provider adds to the text of Kubernetes is not cut.
        let expected = format!("{} One of `Always`.", sentences(18));
        assert_eq!(inner["mode"].description, expected);
    }
}
