//! Scripts of legacy exceptions for a parser that knows `try` in its flat form only.
//!
//! `(try … (do …) (catch $t …) (delegate $l))` becomes `try … … catch $t … delegate $l`, with an `end` unless it
//! delegates. Lines stay where they are.

/// An open parenthesis.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Plain,
    Try,
    Delegating,
    /// `do`, `catch`, `catch_all` or `delegate` of a `try`.
    Arm,
}

/// Unfolds every `try` of a script.
pub fn unfold(text: &str) -> String {
    let (mut flat, mut open, mut rest) = (String::with_capacity(text.len()), Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            ';' if rest.starts_with(";;") => rest.find('\n').unwrap_or(rest.len()),
            '"' => string_len(rest),
            '(' => {
                let word = rest[1..].split([' ', '\n', '(', ')']).next().unwrap_or("");
                let (kind, replaced) = opened(word, open.last_mut());
                open.push(kind);
                flat.push_str(replaced);
                if kind == Open::Plain { 1 } else { 1 + word.len() }
            }
            ')' => {
                flat.push_str(match open.pop().expect("balanced parentheses") {
                    Open::Plain => ")",
                    Open::Try => " end ",
                    Open::Delegating | Open::Arm => " ",
                });
                1
            }
            other => other.len_utf8(),
        };
        if !matches!(first, '(' | ')') {
            flat.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    flat
}

/// What a parenthesis opens before `word` inside of `around`, and what stands for both.
fn opened<'a>(word: &'a str, around: Option<&mut Open>) -> (Open, &'a str) {
    match (word, around) {
        ("try", _) => (Open::Try, " try"),
        ("do", Some(Open::Try)) => (Open::Arm, " "),
        ("catch", Some(Open::Try)) => (Open::Arm, " catch"),
        ("catch_all", Some(Open::Try)) => (Open::Arm, " catch_all"),
        ("delegate", Some(around @ Open::Try)) => {
            *around = Open::Delegating;
            (Open::Arm, " delegate")
        }
        _ => (Open::Plain, "("),
    }
}

/// Bytes of the string literal at the beginning.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    let end = text[1..].find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    1 + end.expect("a string ends") + 1
}
