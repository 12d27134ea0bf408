//! The reference of a block in Markdown, in the layout of the Terraform registry: required, optional and read-only
//! attributes, then a section for each nested object, outer before inner. Objects with the same attributes, such as
//! types of Kubernetes, share one section.

use std::collections::BTreeMap;

use super::{Attribute, Block, Check, Kind, Nesting, Type};

/// Returns the `## Schema` section of a block's page.
pub fn schema_section(block: &Block) -> String {
    let mut page = Page::default();
    page.text.push_str("## Schema\n");
    page.attributes("###", &[], &block.attributes);
    page.blocks(&block.blocks);
    page.print_sections()
}

/// Returns a description on one line, because a paragraph would end its list item.
fn on_one_line(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The section of a nested object.
struct Section {
    anchor: String,
    names: Vec<String>,
    attributes: BTreeMap<String, Attribute>,
}

#[derive(Default)]
struct Page {
    text: String,
    /// The sections that have a link and are not printed yet, in reverse order.
    pending: Vec<Section>,
    /// The attributes, title and anchor of every object that has a section.
    sections: Vec<(BTreeMap<String, Attribute>, String, String)>,
}

impl Page {
    fn blocks(&mut self, blocks: &BTreeMap<String, Block>) {
        if blocks.is_empty() {
            return;
        }
        self.text.push_str("\n### Blocks\n\n");
        for (name, block) in blocks {
            let link = self.link("nestedblock", vec![name.clone()], &block.attributes);
            let description = on_one_line(&block.description);
            self.text.push_str(&format!(
                "- `{name}` (Block, at most one) {description} {link}\n"
            ));
        }
    }

    /// Prints the sections depth first, so that nested objects follow their parent.
    fn print_sections(mut self) -> String {
        self.pending.reverse();
        while let Some(Section {
            anchor,
            names,
            attributes,
        }) = self.pending.pop()
        {
            let title = names.join(".");
            self.text
                .push_str(&format!("\n<a id=\"{anchor}\"></a>\n### `{title}`\n"));
            let outer = std::mem::take(&mut self.pending);
            self.attributes("####", &names, &attributes);
            let inner = std::mem::replace(&mut self.pending, outer);
            self.pending.extend(inner.into_iter().rev());
        }
        self.text
    }

    fn attributes(
        &mut self,
        heading: &str,
        names: &[String],
        attributes: &BTreeMap<String, Attribute>,
    ) {
        type Belongs = fn(&Attribute) -> bool;
        let groups: [(&str, Belongs); 3] = [
            ("Required", |attribute| attribute.required),
            ("Optional", |attribute| attribute.optional),
            ("Read-Only", |attribute| {
                attribute.computed && !attribute.optional
            }),
        ];
        for (title, belongs) in groups {
            let mut members = attributes
                .iter()
                .filter(|(_, attribute)| belongs(attribute))
                .peekable();
            if members.peek().is_none() {
                continue;
            }
            self.text.push_str(&format!("\n{heading} {title}\n\n"));
            for (name, attribute) in members {
                self.line(names, name, attribute);
            }
        }
    }

    fn line(&mut self, names: &[String], name: &str, attribute: &Attribute) {
        let mut parts = vec![
            format!("- `{name}` ({})", notes(attribute)),
            on_one_line(&attribute.description),
        ];
        parts.extend(attribute.deprecated.clone());
        parts.extend(
            attribute
                .checks
                .iter()
                .filter_map(|check| bound(check, &attribute.description)),
        );
        if let Kind::Nested(_, inner) = &attribute.kind {
            let names = names.iter().cloned().chain([name.to_owned()]).collect();
            parts.push(self.link("nestedatt", names, inner));
        }
        self.text.push_str(&parts.join(" "));
        self.text.push('\n');
    }

    /// Returns a link to the section of an object. Adds the section unless there is one with the same attributes.
    fn link(
        &mut self,
        kind: &str,
        names: Vec<String>,
        attributes: &BTreeMap<String, Attribute>,
    ) -> String {
        let same = self.sections.iter().find(|(other, ..)| other == attributes);
        if let Some((_, title, anchor)) = same.filter(|_| is_worth_sharing(attributes)) {
            return format!("(see [`{title}`](#{anchor}), which has the same attributes)");
        }
        let anchor = format!("{kind}--{}", names.join("--"));
        self.sections
            .push((attributes.clone(), names.join("."), anchor.clone()));
        let link = format!("(see [below](#{anchor}))");
        self.pending.push(Section {
            anchor,
            names,
            attributes: attributes.clone(),
        });
        link
    }
}

fn notes(attribute: &Attribute) -> String {
    let mut notes = vec![kind_name(&attribute.kind)];
    let flags = [
        (attribute.sensitive, "Sensitive"),
        (attribute.write_only, "Write-only"),
        (attribute.requires_replace, "Forces replacement"),
        (attribute.deprecated.is_some(), "Deprecated"),
    ];
    notes.extend(
        flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, note)| (*note).to_owned()),
    );
    notes.join(", ")
}

/// Returns whether an object is large enough to link to an equal one instead of repeating it.
fn is_worth_sharing(attributes: &BTreeMap<String, Attribute>) -> bool {
    attributes.len() > 2
        || attributes
            .values()
            .any(|attribute| matches!(attribute.kind, Kind::Nested(..)))
}

/// Returns a sentence for a check that the description does not mention.
fn bound(check: &Check, description: &str) -> Option<String> {
    let limit = |words: String| (!description.contains(&words[1..])).then(|| format!("{words}."));
    match check {
        check if check.is_integer_range() => None,
        Check::AtLeast(least) => limit(format!("At least {least}")),
        Check::AtMost(most) => limit(format!("At most {most}")),
        Check::MaxLength(most) => limit(format!("At most {most} characters")),
        // The description has the words.
        Check::OneOf(_)
        | Check::OneOfOrPattern(..)
        | Check::Whole
        | Check::Pattern(_)
        | Check::MinLength(_)
        | Check::MinItems(_)
        | Check::Each(_) => None,
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Plain(plain) => type_name(plain),
        Kind::Nested(Nesting::Single, _) => "Attributes".to_owned(),
        Kind::Nested(Nesting::List, _) => "Attributes List".to_owned(),
        Kind::Nested(Nesting::Set, _) => "Attributes Set".to_owned(),
        Kind::Nested(Nesting::Map, _) => "Attributes Map".to_owned(),
    }
}

/// Returns the name of a type on a reference page.
pub fn type_name(plain: &Type) -> String {
    match plain {
        Type::Bool => "Boolean".to_owned(),
        Type::Number => "Number".to_owned(),
        Type::String => "String".to_owned(),
        Type::Dynamic => "Dynamic".to_owned(),
        Type::List(inner) => format!("List of {}", type_name(inner)),
        Type::Set(inner) => format!("Set of {}", type_name(inner)),
        Type::Map(inner) => format!("Map of {}", type_name(inner)),
        Type::Object(_) => "Object".to_owned(),
        Type::Tuple(_) => "Tuple".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::schema::lower;

    #[test]
    fn a_description_of_paragraphs_is_one_line() {
        assert_eq!(on_one_line("First.\n\nSecond\none."), "First. Second one.");
    }

    /// A store with an attribute that is not needed any more.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Deprecating {
        /// Size.
        #[schemars(extend("x-terraform" = {"deprecated": "Use `weight`."}))]
        size: Option<i32>,
    }

    #[test]
    fn a_deprecated_attribute_says_what_to_use_instead() {
        let block = lower::<Deprecating>().unwrap();
        let size = &block.attributes["size"];
        assert_eq!(size.deprecated.as_deref(), Some("Use `weight`."));
        let section = schema_section(&block);
        assert!(
            section.contains("- `size` (Number, Deprecated) Size. Use `weight`.\n"),
            "{section}"
        );
    }
}
