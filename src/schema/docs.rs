//! The reference of a block in Markdown, in the layout of the Terraform registry: required, optional and
//! read-only attributes, then one section for each nested object.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Attribute, Block, Kind, Nesting, Type};

/// The `## Schema` section of a block's page.
pub fn schema_section(block: &Block) -> String {
    let mut page = Page::default();
    let mut text = String::from("## Schema\n");
    page.attributes(&mut text, "###", &[], &block.attributes);
    if !block.blocks.is_empty() {
        text.push_str("\n### Blocks\n\n");
        for (name, inner) in &block.blocks {
            let anchor = format!("nestedblock--{name}");
            let description = one_line(&inner.description);
            let line =
                format!("- `{name}` (Block List, Max: 1) {description} (see [below](#{anchor}))\n");
            text.push_str(&line);
            page.section(anchor, vec![name.clone()], inner.attributes.clone());
        }
    }
    page.finish(text)
}

/// One nested object that still has to be printed.
struct Section {
    anchor: String,
    names: Vec<String>,
    attributes: BTreeMap<String, Attribute>,
}

#[derive(Default)]
struct Page {
    sections: Vec<Section>,
}

impl Page {
    fn section(
        &mut self,
        anchor: String,
        names: Vec<String>,
        attributes: BTreeMap<String, Attribute>,
    ) {
        self.sections.push(Section {
            anchor,
            names,
            attributes,
        });
    }

    /// Prints the sections depth first, so that a block's parts follow it.
    fn finish(mut self, mut text: String) -> String {
        let mut waiting: Vec<Section> = std::mem::take(&mut self.sections);
        waiting.reverse();
        while let Some(section) = waiting.pop() {
            let Section {
                anchor,
                names,
                attributes,
            } = section;
            let title = names.join(".");
            // Writing to a String cannot fail.
            write!(
                text,
                "\n<a id=\"{anchor}\"></a>\n### Nested Schema for `{title}`\n"
            )
            .unwrap_or_default();
            self.attributes(&mut text, "####", &names, &attributes);
            waiting.extend(std::mem::take(&mut self.sections).into_iter().rev());
        }
        text
    }

    fn attributes(
        &mut self,
        text: &mut String,
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
            let mut members = attributes.iter().filter(|(_, it)| belongs(it)).peekable();
            if members.peek().is_none() {
                continue;
            }
            write!(text, "\n{heading} {title}\n\n").unwrap_or_default();
            for (name, attribute) in members {
                self.line(text, names, name, attribute);
            }
        }
    }

    fn line(&mut self, text: &mut String, names: &[String], name: &str, attribute: &Attribute) {
        let mut notes = vec![kind_name(&attribute.kind)];
        if attribute.sensitive {
            notes.push("Sensitive".to_owned());
        }
        if attribute.write_only {
            notes.push("Write-only".to_owned());
        }
        if attribute.requires_replace {
            notes.push("Forces replacement".to_owned());
        }
        if attribute.deprecated {
            notes.push("Deprecated".to_owned());
        }
        let description = one_line(&attribute.description);
        write!(text, "- `{name}` ({}) {description}", notes.join(", ")).unwrap_or_default();
        if let Kind::Nested(_, inner) = &attribute.kind {
            let mut names = names.to_vec();
            names.push(name.to_owned());
            let anchor = format!("nestedatt--{}", names.join("--"));
            write!(text, " (see [below](#{anchor}))").unwrap_or_default();
            self.section(anchor, names, inner.clone());
        }
        text.push('\n');
    }
}

/// A description on one line: paragraphs and lists inside a list item would end it.
fn one_line(description: &str) -> String {
    description.split_whitespace().collect::<Vec<_>>().join(" ")
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

fn type_name(plain: &Type) -> String {
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
