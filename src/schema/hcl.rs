//! Values in Terraform's language, formatted as `terraform fmt` formats them.

use std::collections::BTreeMap;

use super::Value;

/// The largest length of an object or a list on one line.
const LINE_LENGTH: usize = 60;

/// Returns a block with these attributes: `resource "feast_feature_store" "demo" { … }`. Null attributes are left out.
pub fn block(kind: &str, labels: &[&str], attributes: &BTreeMap<String, Value>) -> String {
    let mut text = kind.to_owned();
    for label in labels {
        text.push_str(&format!(" {}", quoted(label)));
    }
    text.push_str(" {\n");
    body(&mut text, 1, attributes);
    text.push_str("}\n");
    text
}

/// Returns an identifier made from `name`, for the label of a block.
pub fn identifier(name: &str) -> String {
    let mut text: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    if !text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        text.insert(0, '_');
    }
    text
}

/// Writes the attributes of an object or a block: `name` first, then those of one line with aligned `=`, then each of
/// the others after a blank line.
fn body(text: &mut String, depth: usize, attributes: &BTreeMap<String, Value>) {
    let mut items: Vec<(&String, &Value)> = attributes
        .iter()
        .filter(|(_, value)| !value.is_null())
        .collect();
    items.sort_by_key(|(name, _)| *name != "name");
    let margin = "  ".repeat(depth);
    let lines: Vec<(String, Option<String>, &Value)> = items
        .into_iter()
        .map(|(name, value)| (key(name), one_line(value), value))
        .collect();
    let short = lines.iter().filter(|(_, line, _)| line.is_some());
    let width = short.map(|(name, ..)| name.chars().count()).max();
    let mut first = true;
    for (name, line, _) in &lines {
        if let (Some(line), Some(width)) = (line, width) {
            text.push_str(&format!("{margin}{name:<width$} = {line}\n"));
            first = false;
        }
    }
    for (name, line, value) in &lines {
        if line.is_none() {
            if !first {
                text.push('\n');
            }
            first = false;
            text.push_str(&format!("{margin}{name} = "));
            several_lines(text, depth, value);
            text.push('\n');
        }
    }
}

fn several_lines(text: &mut String, depth: usize, value: &Value) {
    let margin = "  ".repeat(depth);
    match value {
        Value::Object(items) | Value::Map(items) => {
            text.push_str("{\n");
            body(text, depth + 1, items);
            text.push_str(&format!("{margin}}}"));
        }
        Value::List(items) => {
            text.push_str("[\n");
            for item in items {
                text.push_str(&format!("{margin}  "));
                match one_line(item) {
                    Some(line) => text.push_str(&line),
                    None => several_lines(text, depth + 1, item),
                }
                text.push_str(",\n");
            }
            text.push_str(&format!("{margin}]"));
        }
        scalar => text.push_str(&one_line(scalar).unwrap_or_default()),
    }
}

/// Returns a scalar, a short list or a short object of one attribute as one line; `None` for other values.
fn one_line(value: &Value) -> Option<String> {
    let line = match value {
        // A configuration from a manifest has no unknown values.
        Value::Null | Value::Unknown => return Some("null".to_owned()),
        Value::Bool(value) => return Some(value.to_string()),
        Value::Number(number) => return Some(number.to_string()),
        Value::String(text) => return Some(quoted(text)),
        Value::List(items) => {
            let items: Option<Vec<String>> = items.iter().map(one_line).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(items) | Value::Map(items) => {
            let mut items = items.iter().filter(|(_, value)| !value.is_null());
            match (items.next(), items.next()) {
                (None, _) => "{}".to_owned(),
                (Some((name, value)), None) => {
                    format!("{{ {} = {} }}", key(name), one_line(value)?)
                }
                _ => return None,
            }
        }
    };
    (line.chars().count() <= LINE_LENGTH).then_some(line)
}

/// Returns a key of an object or a map, quoted if it is not an identifier.
fn key(name: &str) -> String {
    let plain = name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !matches!(name, "for" | "null" | "true" | "false");
    if plain { name.to_owned() } else { quoted(name) }
}

/// Returns a string literal, with escapes for everything that Terraform would interpret.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if letters.peek() == Some(&'{') => {
                quoted.push(letter);
                quoted.push(letter);
            }
            control if control.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Number;

    fn object<const N: usize>(items: [(&str, Value); N]) -> Value {
        Value::Object(items.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn writes_short_attributes_first_and_aligned() {
        let value = object([
            ("annotations", Value::Null),
            ("feast_project", Value::string("p")),
            ("name", Value::string("demo")),
            (
                "labels",
                Value::Map(
                    [("a/b", "1"), ("team", "x")]
                        .map(|(key, word)| (key.to_owned(), Value::string(word)))
                        .into(),
                ),
            ),
            (
                "services",
                object([(
                    "online_store",
                    object([
                        ("disabled", Value::Bool(false)),
                        (
                            "env_from",
                            Value::List(vec![object([(
                                "secret_ref",
                                object([("name", Value::string("s"))]),
                            )])]),
                        ),
                        (
                            "metrics",
                            Value::List(vec![object([
                                ("type", Value::string("Resource")),
                                ("weight", Value::Number(Number::Float(0.5))),
                            ])]),
                        ),
                    ]),
                )]),
            ),
        ]);
        let Value::Object(attributes) = value else {
            unreachable!()
        };
        assert_eq!(
            block("resource", &["feast_feature_store", "demo"], &attributes),
            r#"resource "feast_feature_store" "demo" {
  name          = "demo"
  feast_project = "p"

  labels = {
    "a/b" = "1"
    team  = "x"
  }

  services = {
    online_store = {
      disabled = false
      env_from = [{ secret_ref = { name = "s" } }]

      metrics = [
        {
          type   = "Resource"
          weight = 0.5
        },
      ]
    }
  }
}
"#
        );
    }

    #[test]
    fn escapes_strings_and_identifiers() {
        assert_eq!(
            quoted("a\"\\\n${X} %{if} $${Y} 5% $HOME \u{1}é"),
            r#""a\"\\\n$${X} %%{if} $$${Y} 5% $HOME \u0001é""#
        );
        assert_eq!(identifier("my-store.1"), "my_store_1");
        assert_eq!(identifier("0store"), "_0store");
    }
}
