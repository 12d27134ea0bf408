//! Splits YAML flow mappings into their entries.

/// An entry of a flow mapping. The value is empty if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub key: String,
    pub value: String,
}

/// Splits a document that is one flow mapping (`{a: 1, b: [2]}`); `None` for any other text. Comments are dropped. The
/// scanner handles only quotes and brackets, so the caller must verify that the entries still have the same meaning.
pub(super) fn entries(text: &str) -> Option<Vec<Entry>> {
    let mut lines = text.lines();
    let is_form = |line: &&str| {
        let line = line.trim();
        line.is_empty() || line == "---" || line.starts_with('#')
    };
    let head = lines.clone().take_while(is_form).count();
    let body = lines.by_ref().skip(head).collect::<Vec<_>>().join("\n");
    let mut scanner = Scanner::new(body.trim_start().strip_prefix('{')?);
    let mut found = Vec::new();
    loop {
        let (entry, end) = scanner.entry()?;
        if entry != Entry::default() {
            found.push(entry);
        }
        if end == '}' {
            break;
        }
    }
    let rest = scanner.rest();
    (rest.lines().all(|line| is_form(&line))).then_some(found)
}

struct Scanner<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            letters: text.chars().peekable(),
        }
    }

    fn rest(self) -> String {
        self.letters.collect()
    }

    /// Reads the next entry, and the `,` or `}` after it.
    fn entry(&mut self) -> Option<(Entry, char)> {
        let mut key = None;
        let mut written = String::new();
        let mut depth = 0_usize;
        // Whether a scalar can begin here, and whether a quoted one has just ended.
        let (mut fresh, mut quoted) = (true, false);
        loop {
            let letter = self.letters.next()?;
            match letter {
                '\'' | '"' if fresh => {
                    self.quoted(letter, &mut written)?;
                    (fresh, quoted) = (false, true);
                    continue;
                }
                '#' if written.is_empty() || written.ends_with(char::is_whitespace) => {
                    while self.letters.next_if(|letter| *letter != '\n').is_some() {}
                    continue;
                }
                '{' | '[' => {
                    depth += 1;
                    fresh = true;
                }
                ',' | '}' if depth == 0 => {
                    let (key, value) = match key {
                        Some(key) => (key, written),
                        None => (written, String::new()),
                    };
                    let [key, value] = [key, value].map(|it| it.trim().to_owned());
                    return Some((Entry { key, value }, letter));
                }
                '}' | ']' => {
                    depth = depth.checked_sub(1)?;
                    fresh = false;
                }
                ',' => fresh = true,
                ':' if quoted || self.ends_a_key() => {
                    fresh = true;
                    if depth == 0 && key.is_none() {
                        key = Some(std::mem::take(&mut written));
                        quoted = false;
                        continue;
                    }
                }
                letter if letter.is_whitespace() => {
                    written.push(letter);
                    continue;
                }
                _ => fresh = false,
            }
            quoted = false;
            written.push(letter);
        }
    }

    /// Returns whether the `:` that was just read separates a key from its value.
    fn ends_a_key(&mut self) -> bool {
        let next = self.letters.peek();
        next.is_none_or(|next| next.is_whitespace() || matches!(next, ',' | '[' | ']' | '{' | '}'))
    }

    fn quoted(&mut self, quote: char, written: &mut String) -> Option<()> {
        written.push(quote);
        loop {
            let letter = self.letters.next()?;
            written.push(letter);
            if letter == '\\' && quote == '"' {
                written.push(self.letters.next()?);
            } else if letter == quote {
                // Two single quotes are an escaped one.
                match self.letters.next_if(|next| quote == '\'' && *next == quote) {
                    Some(second) => written.push(second),
                    None => return Some(()),
                }
            }
        }
    }
}
