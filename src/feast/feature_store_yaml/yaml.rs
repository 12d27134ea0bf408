//! YAML as Feast parses it.
//!
//! Feast first replaces environment references in the whole text, and then parses it as YAML 1.1 (PyYAML). So the type
//! of a parameter can depend on how it is written: `port: ${PORT}` is a number, and `port: "${PORT}"` is a string.
//! Therefore, the user's text is embedded verbatim, and parsed only to verify that it still has the same meaning.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::environment_references::Masked;
use super::flow::{Entry, entries};
use crate::feast::yaml_syntax_error::YamlSyntaxError;

/// Writes a mapping as block YAML. Strings that YAML 1.1 would parse as another type are quoted.
pub(super) fn emit(mapping: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { indent_step: 4, prefer_block_scalars: false };
    // The keys are strings and the values are JSON, which YAML can always represent.
    serde_saphyr::to_string_with_options(mapping, options).unwrap_or_default()
}

/// Parses a mapping; `None` for any other text.
pub(in crate::feast) fn parse(text: &str) -> Option<Map<String, Json>> {
    match value(text) {
        Ok(Json::Object(mapping)) => Some(mapping),
        Ok(_) | Err(_) => None,
    }
}

/// Parses a single string; `None` for any other text.
pub(super) fn scalar(text: &str) -> Option<String> {
    match value(text) {
        Ok(Json::String(word)) => Some(word),
        Ok(_) | Err(_) => None,
    }
}

/// Parses a text with environment references, each of which is a part of a string, whatever its value will be.
pub(in crate::feast) fn value(text: &str) -> Result<Json, YamlSyntaxError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
    };
    let masked = Masked::new(text);
    match serde_saphyr::from_str_with_options(&masked.text, options) {
        Ok(json) => Ok(masked.restore_json(json)),
        Err(error) => Err(YamlSyntaxError::from(&error)),
    }
}

/// Returns the mapping `text` as the lines of a section that begins with the entries `first`, without the entries of
/// the keys `own`; `None` if it would have another meaning there.
pub(super) fn embed(text: &str, first: &[(&str, Json)], own: &[&str]) -> Option<String> {
    let mut expected = parse(text)?;
    for name in own {
        expected.remove(*name);
    }
    let entry = |(key, value): &(&str, Json)| ((*key).to_owned(), value.clone());
    expected.extend(first.iter().map(entry));
    let lines = first.iter().map(|it| emit(&Map::from_iter([entry(it)])));
    let first: String = lines.collect();
    [block(text, own), flow(text, own)]
        .into_iter()
        .flatten()
        .map(|rest| indent(&format!("{first}{rest}")))
        .find(|section| parse(section).as_ref() == Some(&expected))
}

/// Returns a block mapping without its indentation.
fn block(text: &str, own: &[&str]) -> Option<String> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.trim_end() != "---")
        .collect();
    let first = lines
        .iter()
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let margin = first.map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
    let mut result = String::new();
    for line in lines {
        let line = if line.trim().is_empty() {
            ""
        } else {
            line.get(margin..)?
        };
        let name = line.split(':').next().unwrap_or_default();
        if line.contains(':') && own.contains(&name.trim_matches(['"', '\''])) {
            continue;
        }
        result.push_str(line);
        result.push('\n');
    }
    Some(result)
}

/// Returns a flow mapping (`{a: 1}`, including JSON) with each entry on its own line.
fn flow(text: &str, own: &[&str]) -> Option<String> {
    let masked = Masked::new(text);
    let mut result = String::new();
    for Entry { key, value } in entries(&masked.text)? {
        let name = scalar(&key);
        if name.is_some_and(|name| own.contains(&name.as_str())) {
            continue;
        }
        let value = value.lines().map(str::trim).collect::<Vec<_>>();
        result.push_str(format!("{key}: {}", value.join("\n    ")).trim_end());
        result.push('\n');
    }
    Some(masked.restore(&result))
}

fn indent(text: &str) -> String {
    let mut result = String::new();
    for line in text.lines() {
        if !line.is_empty() {
            result.push_str("    ");
            result.push_str(line);
        }
        result.push('\n');
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn online(text: &str) -> Option<String> {
        let first = [("type", json!("postgres"))];
        embed(text, &first, &["type", "registry_type"])
    }

    #[test]
    fn quotes_ambiguous_strings() {
        let words = [
            "yes",
            "no",
            "on",
            "null",
            "~",
            "1e3",
            "012",
            "1:30",
            "1_000",
            "2001-01-01",
            "0x1f",
            "",
            ": ",
            "a: b",
            "a #b",
            "- x",
            "*a",
            "&a",
            "!t",
            "%d",
            "@x",
            "{a}",
            "[b]",
            " lead",
            "trail ",
            "two\nlines",
            "it's",
            "\"q\"",
            "=",
            "<<",
            "é",
        ];
        for word in words {
            let text = emit(&json!({"key": word}));
            assert_eq!(
                parse(&text),
                json!({"key": word}).as_object().cloned(),
                "{text}"
            );
        }
        // Keys too.
        for word in [
            "no",
            "y",
            "null",
            "012",
            "1:30",
            "2001-01-01",
            "<<",
            "=",
            "",
        ] {
            assert_eq!(emit(&json!({word: 1})), format!("\"{word}\": 1\n"));
        }
        let plain = emit(&json!({"path": "/feast-data/${X}.db"}));
        assert_eq!(plain, "path: /feast-data/${X}.db\n");
    }

    #[test]
    fn embeds_a_block_verbatim() {
        let text = "# who\nhost: ${HOST}\nport: ${PORT}\nssl: yes\npassword: \"p: #'w\"\ncert: |\n  a\n\n  b\n";
        let section = "    type: postgres\n    # who\n    host: ${HOST}\n    port: ${PORT}\n    ssl: yes\n    password: \"p: #'w\"\n    cert: |\n      a\n\n      b\n";
        assert_eq!(online(text).as_deref(), Some(section));
        // Indentation, line ends and document markers have no meaning.
        let other = format!(
            "---\r\n{}",
            text.replace("# who\n", "").replace('\n', "\r\n  ")
        );
        let other = other.replacen("host", "  host", 1);
        assert_eq!(
            online(other.trim_end()).as_deref(),
            Some(section.replace("    # who\n", "").as_str())
        );
    }

    #[test]
    fn drops_the_type_and_unfolds_json() {
        let section = "    type: postgres\n    host: h\n";
        assert_eq!(
            online("host: h\ntype: postgres\nregistry_type: postgres").as_deref(),
            Some(section)
        );
        assert_eq!(
            online(r#"{"host": "${HOST}", "port": 5432, "type": "postgres"}"#).as_deref(),
            Some("    type: postgres\n    \"host\": \"${HOST}\"\n    \"port\": 5432\n")
        );
    }

    #[test]
    fn keeps_environment_references() {
        for text in [
            "hosts: [${H0}, ${H1}]",
            "hosts: [$H0, '${H1}', \"$H2\"]",
            "args: {pool_size: ${POOL}, ${KEY}: {a: [$B]}}",
            "${KEY}: v",
            "port: ${PORT}${SUFFIX}",
            "hosts: [\n  ${H0},\n  ${H1}\n]",
            "script: |\n  ${A}",
        ] {
            let section = indent(&format!("type: postgres\n{text}"));
            assert_eq!(online(text), Some(section), "{text}");
        }
        for (text, lines) in [
            ("{pool_size: ${POOL}}", "pool_size: ${POOL}\n"),
            (
                "---\n# who\n{ hosts: [${H0}, $H1], 'a': \"x, ${B}\", type: postgres, c }  # end\n",
                "hosts: [${H0}, $H1]\n'a': \"x, ${B}\"\nc:\n",
            ),
            (
                "{\n  url: http://h:1/#x,  # why, {\n  args: {\n    a: 1,\n    ${K}: it's\n  },\n}",
                "url: http://h:1/#x\nargs: {\n    a: 1,\n    ${K}: it's\n    }\n",
            ),
            (
                r#"{"a":"\"}, \\","b":[{"c":"]"}]}"#,
                "\"a\": \"\\\"}, \\\\\"\n\"b\": [{\"c\":\"]\"}]\n",
            ),
        ] {
            let section = indent(&format!("type: postgres\n{lines}"));
            assert_eq!(online(text), Some(section), "{text}");
        }
        assert_eq!(
            parse("a: [${H0}, $H1]\n${K}: x-${V}"),
            json!({"a": ["${H0}", "$H1"], "${K}": "x-${V}"})
                .as_object()
                .cloned()
        );
        // No variable has such a name, so Feast does not replace these.
        for text in ["a: [${A:-x}]", "a: [${}]", "${A}: 1\n${A}: 2", "${A}"] {
            assert_eq!(online(text), None, "{text}");
        }
        assert_eq!(
            online("a: ${A:-x}"),
            Some(indent("type: postgres\na: ${A:-x}"))
        );
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["- a", "word", "", "a: [", "a: 1\na: 2"] {
            assert_eq!(online(text), None, "{text:?}");
        }
    }
}
