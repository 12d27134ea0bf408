//! Checks that no file in `src/` is too long.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};

use super::sources::{assert_none, files};

/// The maximum lines of code in one file, without comments, blank lines and tests.
const BUDGET: usize = 400;

#[test]
fn files_stay_within_their_budget() {
    let mut findings = Vec::new();
    for file in files("src", "rs") {
        let lines = lines_of_code(&file.text);
        if lines > BUDGET {
            findings.push(format!(
                "{}: {lines} lines of code, budget {BUDGET}",
                file.path
            ));
        }
    }
    assert_none(
        &findings,
        "Split the file by subject: foo.rs next to foo/ with its parts.",
    );
}

/// Returns the number of lines with a token that is not part of a doc comment or a `#[cfg(test)]` item.
fn lines_of_code(text: &str) -> usize {
    let mut lines = BTreeSet::new();
    let tokens = text
        .parse()
        .unwrap_or_else(|error| panic!("not Rust: {error}\n{text}"));
    count(tokens, &mut lines);
    lines.len()
}

fn count(stream: TokenStream, lines: &mut BTreeSet<usize>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match attribute(&tokens[at..]).as_deref() {
            Some("doc") => {
                at += if is_punct(tokens.get(at + 1), '!') {
                    3
                } else {
                    2
                }
            }
            Some("cfg(test)") => at += length_of_item(&tokens[at..]),
            _ => {
                let span = tokens[at].span();
                if let TokenTree::Group(group) = &tokens[at] {
                    lines.insert(group.span_open().start().line);
                    lines.insert(group.span_close().end().line);
                    count(group.stream(), lines);
                } else {
                    lines.extend(span.start().line..=span.end().line);
                }
                at += 1;
            }
        }
    }
}

/// Returns the attribute at this position, without spaces, or `doc` for a doc comment.
fn attribute(tokens: &[TokenTree]) -> Option<String> {
    if !is_punct(tokens.first(), '#') {
        return None;
    }
    let skip = if is_punct(tokens.get(1), '!') { 2 } else { 1 };
    let Some(TokenTree::Group(group)) = tokens.get(skip) else {
        return None;
    };
    let first = group.stream().into_iter().next()?.to_string();
    if first == "doc" {
        return Some(first);
    }
    Some(group.stream().to_string().replace(' ', ""))
}

/// Returns the length of the item, up to its `;` or `{…}`.
fn length_of_item(tokens: &[TokenTree]) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == proc_macro2::Delimiter::Brace,
        _ => false,
    };
    tokens
        .iter()
        .position(ends)
        .map_or(tokens.len(), |end| end + 1)
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

#[test]
fn counts_only_code() {
    let text = "//! Module.\n\n/// Item.\n#[derive(Debug)]\nstruct A;\n// why\nconst T: &str = \"a\nb\";\n\
                #[cfg(test)]\nmod tests {\n    fn f() {}\n}\n";
    assert_eq!(lines_of_code(text), 4);
}
