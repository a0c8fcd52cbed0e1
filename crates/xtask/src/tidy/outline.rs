//! A Rust source seen from above: its functions with their lengths, and its `mod` declarations.
//!
//! It reads tokens, not grammar: strings and comments cannot mislead it, and functions inside macro calls are seen,
//! which a syntax tree would hide.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// What [`outline`] finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) functions: Vec<Function>,
    pub(super) modules: Vec<Module>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Where `fn` stands.
    pub(super) line: usize,
    /// From `fn` to the closing brace.
    pub(super) lines: usize,
}

/// A module declaration, with or without a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) line: usize,
    /// Inline modules around it, outermost first.
    pub(super) around: Vec<String>,
    /// From `#[path = "..."]`.
    pub(super) path: Option<String>,
    /// Whether its body stands in another file.
    pub(super) is_file: bool,
}

/// Reads a source. None when it is not made of Rust tokens.
pub(super) fn outline(source: &str) -> Option<Outline> {
    let mut outline = Outline::default();
    outline.walk(TokenStream::from_str(source).ok()?, &[]);
    Some(outline)
}

impl Outline {
    fn walk(&mut self, tokens: TokenStream, around: &[String]) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut inner = around.to_vec();
        let mut path = None;
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "fn" => self.functions.extend(function(&tokens[at..])),
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(module) = module(&tokens[at..], around, path.take()) {
                        inner = around.to_vec();
                        inner.push(module.name.clone());
                        self.modules.push(module);
                    }
                }
                TokenTree::Group(group) => {
                    path = path_attribute(group).or(path);
                    self.walk(group.stream(), &inner);
                    if group.delimiter() == Delimiter::Brace {
                        inner = around.to_vec();
                    }
                }
                TokenTree::Punct(mark) if mark.as_char() == ';' => {
                    inner = around.to_vec();
                    path = None;
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

fn function(tokens: &[TokenTree]) -> Option<Function> {
    let [TokenTree::Ident(keyword), TokenTree::Ident(name), rest @ ..] = tokens else {
        return None;
    };
    let body = rest.iter().take_while(|token| !is_semicolon(token)).find_map(braces)?;
    let line = keyword.span().start().line;
    let lines = (body.span_close().end().line + 1).saturating_sub(line);
    Some(Function { name: name.to_string(), line, lines })
}

fn module(tokens: &[TokenTree], around: &[String], path: Option<String>) -> Option<Module> {
    let [TokenTree::Ident(keyword), TokenTree::Ident(name), next, ..] = tokens else {
        return None;
    };
    let is_file = is_semicolon(next);
    (is_file || braces(next).is_some()).then(|| Module {
        name: name.to_string(),
        line: keyword.span().start().line,
        around: around.to_vec(),
        path,
        is_file,
    })
}

fn is_semicolon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == ';')
}

fn braces(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
        TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    }
}

/// The file named by the inside of `#[path = "..."]`.
fn path_attribute(group: &Group) -> Option<String> {
    if group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let text = group.stream().to_string();
    let value = text.strip_prefix("path")?.trim_start().strip_prefix('=')?.trim();
    Some(value.strip_prefix('"')?.strip_suffix('"')?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let source = "/// Words: fn no() {}\nfn a() {\n    let s = \"}\";\n}\ntrait T { fn b(&self); fn c(&self) {} }\n\
            m! {\n    fn d(x in 0..9) {\n\n\n    }\n}\ntype F = fn(u8) -> u8;\n";
        let outline = outline(source).unwrap();
        let seen: Vec<_> = outline.functions.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(seen, [("a", 2, 3), ("c", 5, 1), ("d", 7, 4)]);
    }

    #[test]
    fn modules_know_what_is_around_them() {
        let source = "mod a;\nmod b { pub mod c; }\n#[path = \"odd.rs\"]\nmod d;\nfn f() { let _ = g!(mod); }\nmod e;\n";
        let outline = outline(source).unwrap();
        let seen: Vec<_> = outline
            .modules
            .iter()
            .map(|m| (m.name.as_str(), m.around.join("/"), m.path.as_deref(), m.is_file))
            .collect();
        assert_eq!(
            seen,
            [
                ("a", String::new(), None, true),
                ("b", String::new(), None, false),
                ("c", "b".into(), None, true),
                ("d", String::new(), Some("odd.rs"), true),
                ("e", String::new(), None, true),
            ]
        );
    }

    #[test]
    fn what_is_not_rust_is_told() {
        assert_eq!(outline("fn a( {"), None);
    }
}
