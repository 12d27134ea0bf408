//! Finds the paths (`crate::schema::Path`, `kube::Client`) that a Rust file mentions, in `use` declarations, in code,
//! in attributes and in the bodies of macros. The scanner works on tokens, so comments, strings, grouped imports and
//! line breaks do not affect it. It does not parse the grammar around a path.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A path that a file mentions, from its first segment (with `crate`, `self` and `super` resolved).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
    /// Whether the path is inside an item that is compiled only for tests.
    pub in_test: bool,
}

/// A module declaration without a body: `mod name;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The inline modules around the declaration.
    pub inside: Vec<String>,
    pub name: String,
    /// The value of `#[path = "…"]`.
    pub path: Option<String>,
}

/// The contents of one file.
#[derive(Debug, Default)]
pub struct Scan {
    pub mentions: Vec<Mention>,
    pub declarations: Vec<Declaration>,
}

/// Scans a file that is the module `module` of its crate (empty for the crate's root).
pub fn scan(text: &str, module: &[&str]) -> Result<Scan, String> {
    let tokens: TokenStream = text
        .parse()
        .map_err(|error| format!("is not Rust: {error}"))?;
    let mut scanner = Scanner {
        file: module.iter().map(|&name| name.to_owned()).collect(),
        inline: Vec::new(),
        in_test: false,
        scan: Scan::default(),
    };
    scanner.walk(tokens);
    Ok(scanner.scan)
}

struct Scanner {
    file: Vec<String>,
    inline: Vec<String>,
    in_test: bool,
    scan: Scan,
}

/// The attributes of an item that the scanner interprets.
#[derive(Default)]
struct Attributes {
    /// The value of `#[path = "…"]`.
    path: Option<String>,
    /// True if the item has `#[cfg(test)]`.
    for_tests: bool,
}

impl Attributes {
    fn add(&mut self, attribute: &Group) {
        if let Some(path) = value_of_path(attribute) {
            self.path = Some(path);
        }
        self.for_tests |= attribute.stream().to_string().replace(' ', "") == "cfg(test)";
    }
}

impl Scanner {
    fn walk(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut attributes = Attributes::default();
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            if let [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] = rest
                && hash.as_char() == '#'
                && attribute.delimiter() == Delimiter::Bracket
            {
                attributes.add(attribute);
                self.walk(attribute.stream());
                at += 2;
                continue;
            }
            at += self.item(&tokens[..at], rest, &attributes);
            if !matches!(rest.first(), Some(TokenTree::Ident(word)) if word == "pub") {
                attributes = Attributes::default();
            }
        }
    }

    /// Scans the item, path or token at the start of `rest`, which follows the tokens `before`. Returns its number of
    /// tokens.
    fn item(&mut self, before: &[TokenTree], rest: &[TokenTree], attributes: &Attributes) -> usize {
        match rest {
            [
                TokenTree::Ident(word),
                TokenTree::Ident(name),
                TokenTree::Group(body),
                ..,
            ] if word == "mod" && body.delimiter() == Delimiter::Brace => {
                self.inline_module(name.to_string(), body, attributes);
                3
            }
            [TokenTree::Ident(word), TokenTree::Ident(name), end, ..]
                if word == "mod" && is(end, ';') =>
            {
                self.scan.declarations.push(Declaration {
                    inside: self.inline.clone(),
                    name: name.to_string(),
                    path: attributes.path.clone(),
                });
                3
            }
            [TokenTree::Ident(word), next, ..] if word == "use" && !is(next, '<') => {
                let end = rest.iter().position(|token| is(token, ';'));
                let end = end.unwrap_or(rest.len());
                self.imports(&[], &rest[1..end]);
                end
            }
            [TokenTree::Ident(first), ..] => {
                let (segments, used) = segments(rest);
                if segments.len() > 1 && !is_in_path(before) {
                    self.mention(segments, first.span().start().line);
                }
                used
            }
            [TokenTree::Group(group), ..] => {
                self.walk(group.stream());
                1
            }
            _ => 1,
        }
    }

    fn inline_module(&mut self, name: String, body: &Group, attributes: &Attributes) {
        let outside = self.in_test;
        self.in_test |= attributes.for_tests;
        self.inline.push(name);
        self.walk(body.stream());
        self.inline.pop();
        self.in_test = outside;
    }

    /// Adds the paths of a `use` declaration below `prefix`.
    fn imports(&mut self, prefix: &[String], tree: &[TokenTree]) {
        for branch in tree.split(|token| is(token, ',')) {
            let mut path = prefix.to_vec();
            let mut line = 0;
            for token in branch {
                match token {
                    TokenTree::Ident(word) if word == "as" => break,
                    TokenTree::Ident(word) if word == "self" && !path.is_empty() => {
                        line = word.span().start().line;
                    }
                    TokenTree::Ident(word) => {
                        line = word.span().start().line;
                        path.push(word.to_string());
                    }
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.imports(&path, &inner);
                        line = 0;
                    }
                    TokenTree::Punct(star) if star.as_char() == '*' => path.push("*".to_owned()),
                    _ => {}
                }
            }
            if line > 0 {
                self.mention(path, line);
            }
        }
    }

    fn mention(&mut self, path: Vec<String>, line: usize) {
        let mut module: Vec<String> = [self.file.as_slice(), &self.inline].concat();
        let mut relative = false;
        let mut rest = path.as_slice();
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => module.clear(),
                "self" => {}
                "super" => {
                    module.pop();
                }
                _ => break,
            }
            relative = true;
            rest = others;
        }
        let path = if relative {
            let root = std::iter::once("crate".to_owned());
            root.chain(module).chain(rest.iter().cloned()).collect()
        } else {
            path
        };
        self.scan.mentions.push(Mention {
            path,
            line,
            in_test: self.in_test,
        });
    }
}

/// Returns the segments of the path at the start of `tokens`, and its number of tokens.
fn segments(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    let mut used = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(used) {
        segments.push(word.to_string());
        used += 1;
        match tokens.get(used..) {
            Some(rest)
                if is_separator(rest) && matches!(rest.get(2), Some(TokenTree::Ident(_))) =>
            {
                used += 2;
            }
            _ => break,
        }
    }
    (segments, used)
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is(first, ':') && is(second, ':'))
}

/// Returns whether `before` ends with a segment of a path and `::`, so that the next token continues the path.
fn is_in_path(before: &[TokenTree]) -> bool {
    match before {
        [.., segment, first, second] if is(first, ':') && is(second, ':') => {
            matches!(segment, TokenTree::Ident(_) | TokenTree::Group(_)) || is(segment, '>')
        }
        _ => false,
    }
}

/// Returns `src/x.rs` for `[path = "src/x.rs"]`.
fn value_of_path(attribute: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = attribute.stream().into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(word), sign, TokenTree::Literal(value)]
            if word == "path" && is(sign, '=') =>
        {
            Some(value.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let scan = scan(text, &["feast", "render"]).expect("the sample is Rust");
        scan.mentions
            .into_iter()
            .map(|mention| mention.path.join("::"))
            .collect()
    }

    #[test]
    fn finds_all_import_forms() {
        let text = "
            use crate::{schema::{Path, Step as Way}, cluster::*};
            pub(crate) use super::names::{self, Service};
            use ::tokio::time;
            use super::super::provider;
            use kube as k;
            mod inner { use super::deployment; }
        ";
        assert_eq!(
            paths(text),
            [
                "crate::schema::Path",
                "crate::schema::Step",
                "crate::cluster::*",
                "crate::feast::names",
                "crate::feast::names::Service",
                "tokio::time",
                "crate::provider",
                "kube",
                "crate::feast::render::deployment",
            ]
        );
    }

    #[test]
    fn finds_paths_in_code_attributes_and_macros() {
        let text = "
            #[tokio::main]
            async fn main() -> Result<kube::Client, anyhow::Error> {
                let now = vec![std::time::Instant::now()];
                <T as http::Body>::poll(a::b::<tonic::Status>());
                ::rand::random()
            }
            macro_rules! m { () => { $crate::schema::lower() } }
        ";
        assert_eq!(
            paths(text),
            [
                "tokio::main",
                "kube::Client",
                "anyhow::Error",
                "std::time::Instant::now",
                "http::Body",
                "a::b",
                "tonic::Status",
                "rand::random",
                "crate::schema::lower",
            ]
        );
    }

    #[test]
    fn ignores_comments_and_strings() {
        let text = "
            //! See [`crate::cluster`] and kube::Client.
            /* use kube::Client; */
            /// `use tokio::spawn;`
            fn f(kube: u8) -> &'static str { let _ = kube; \"use kube::Client;\" }
            fn g() -> impl Sized + use<'static> {}
        ";
        assert_eq!(paths(text), Vec::<String>::new());
    }

    #[test]
    fn recognizes_test_only_items() {
        let text =
            "use serde::Serialize; #[cfg(test)] mod tests { use kube::Client; } use http::Uri;";
        let scan = scan(text, &[]).expect("the sample is Rust");
        let in_test: Vec<bool> = scan.mentions.iter().map(|it| it.in_test).collect();
        assert_eq!(in_test, [false, true, false]);
    }

    #[test]
    fn finds_module_declarations() {
        let text = "
            pub mod plan;
            mod support { #[path = \"../other/tools.rs\"] pub mod tools; mod inline {} }
        ";
        let declaration = |inside: &[&str], name: &str, path: Option<&str>| Declaration {
            inside: inside.iter().map(|&it| it.to_owned()).collect(),
            name: name.to_owned(),
            path: path.map(str::to_owned),
        };
        let found = scan(text, &[]).expect("the sample is Rust").declarations;
        assert_eq!(
            found,
            [
                declaration(&[], "plan", None),
                declaration(&["support"], "tools", Some("../other/tools.rs")),
            ]
        );
    }
}
