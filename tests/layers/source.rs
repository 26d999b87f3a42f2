//! Reads Rust text as far as it takes to know what a file names: words and signs, without comments and literals.

/// A word, a `::` or another sign, and the line it stands on, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// The root module that a path leads to, and the line of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import<'a> {
    pub module: &'a str,
    pub line: usize,
}

/// The words and signs of a file.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| string(rest)).or_else(|| quote(rest));
        let length = skipped.unwrap_or_else(|| match first {
            ':' if rest.starts_with("::") => 2,
            _ if is_word(first) => run_of(rest, is_word),
            _ => first.len_utf8(),
        });
        let (text, after) = rest.split_at(length);
        if skipped.is_none() && !first.is_whitespace() {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Bytes of the longest start of `text` that consists of such characters.
fn run_of(text: &str, such: impl Fn(char) -> bool) -> usize {
    text.find(|c| !such(c)).unwrap_or(text.len())
}

/// Bytes of the comment that `text` starts with.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(run_of(text, |c| c != '\n'));
    }
    text.strip_prefix("/*")?;
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(text.len())
}

/// Bytes of the string that `text` starts with: plain, byte, C, or raw.
fn string(text: &str) -> Option<usize> {
    let prefix = run_of(text, |c| matches!(c, 'b' | 'c' | 'r'));
    let (letters, body) = text.split_at(prefix);
    if !matches!(letters, "" | "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    if letters.ends_with('r') {
        let fence = &body[..run_of(body, |c| c == '#')];
        let inner = body[fence.len()..].strip_prefix('"')?;
        let close = format!("\"{fence}");
        let length = inner.find(&close).map_or(inner.len(), |at| at + close.len());
        return Some(prefix + fence.len() + 1 + length);
    }
    let inner = body.strip_prefix('"')?;
    Some(prefix + 1 + until_close(inner, '"'))
}

/// Bytes of the character literal or the lifetime that `text` starts with.
fn quote(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut characters = inner.chars();
    let first = characters.next()?;
    if first == '\\' || characters.next() == Some('\'') {
        return Some(1 + until_close(inner, '\''));
    }
    Some(1 + run_of(inner, is_word))
}

/// Bytes up to and with the closing sign, which a backslash before it hides.
fn until_close(inner: &str, close: char) -> usize {
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == close => return at + c.len_utf8(),
            _ => {}
        }
    }
    inner.len()
}

/// Every root module that the paths of a file lead to: `crate::x`, `crate::{x, y::z}`, and as many `super::` as reach
/// the root. `depth` is how far the file's module lies below the root, from 1.
pub fn imports<'a>(tokens: &[Token<'a>], depth: usize) -> Vec<Import<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    let mut braces = 0;
    // The brace depths outside each inline module that we are in.
    let mut inline = Vec::new();
    for at in 0..tokens.len() {
        match text(at) {
            "{" => {
                if at >= 2 && text(at - 2) == "mod" {
                    inline.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces -= 1;
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            "crate" if text(at + 1) == "::" => found.extend(heads(tokens, at + 2)),
            "super" if at < 2 || text(at - 2) != "super" => {
                let to_root = depth + inline.len();
                let steps =
                    (0..=to_root).take_while(|i| text(at + 2 * i) == "super" && text(at + 2 * i + 1) == "::").count();
                if steps == to_root {
                    found.extend(heads(tokens, at + 2 * steps));
                }
            }
            _ => {}
        }
    }
    found
}

/// The first words of what stands at `at`, a path or a group of paths in braces.
fn heads<'a>(tokens: &[Token<'a>], at: usize) -> Vec<Import<'a>> {
    let import = |token: &Token<'a>| Import { module: token.text, line: token.line };
    let Some(first) = tokens.get(at) else {
        return Vec::new();
    };
    if first.text != "{" {
        return vec![import(first)];
    }
    let mut found = Vec::new();
    let mut depth = 0;
    let mut begins = false;
    for token in &tokens[at..] {
        match token.text {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => {}
            _ if begins => found.push(import(token)),
            _ => {}
        }
        if depth == 0 {
            break;
        }
        begins = depth == 1 && matches!(token.text, "{" | ",");
    }
    found
}
