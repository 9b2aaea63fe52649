//! Which lists are shown, and which of their rows.

use crate::cli::failure::UsageError;
use anyhow::Result;
use clap::Args;
use heapwood::ModuleInfo;

#[derive(Args)]
pub struct PartOptions {
    /// Show the types: rec groups, layouts of objects, which types are equal
    #[arg(long, conflicts_with = "asm")]
    pub types: bool,
    /// Show the imports, and which host surface serves each
    #[arg(long, conflicts_with = "asm")]
    pub imports: bool,
    /// Show the exports
    #[arg(long, conflicts_with = "asm")]
    pub exports: bool,
    /// Show the functions: names, types, bytes of their bodies
    #[arg(long, conflicts_with = "asm")]
    pub functions: bool,
    /// Show only rows whose name has PATTERN in it, or is like it as a whole where it has * (anything) or ? (any
    /// character), or whose index it is
    #[arg(long, value_name = "PATTERN", conflicts_with = "asm")]
    pub filter: Option<String>,
    /// Print one JSON object on one line (docs/inspect.md)
    #[arg(long, conflicts_with = "asm")]
    pub json: bool,
}

/// The lists of a module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Imports,
    Exports,
    Functions,
    Types,
}

impl PartOptions {
    /// # Errors
    /// Something was asked for that is shown of modules only.
    pub fn check_component(&self) -> Result<()> {
        if self.json || self.filter.is_some() || self.asks() {
            return Err(
                UsageError::new("a component is shown as a whole: lists, --filter and --json are for modules").into()
            );
        }
        Ok(())
    }

    /// Whether some lists were asked for, so that only these are shown.
    pub fn asks(&self) -> bool {
        self.types || self.imports || self.exports || self.functions
    }

    /// Whether a list is shown. Functions are only where they are asked for, or looked for.
    pub fn shows(&self, part: Part) -> bool {
        match (self.asks(), part) {
            (true, Part::Types) => self.types,
            (true, Part::Imports) => self.imports,
            (true, Part::Exports) => self.exports,
            (true, Part::Functions) => self.functions,
            (false, Part::Functions) => self.json || self.filter.is_some(),
            (false, _) => true,
        }
    }

    /// Whether a row is shown that has these names.
    pub fn fits(&self, index: Option<u32>, names: &[&str]) -> bool {
        let Some(pattern) = &self.filter else { return true };
        let number = pattern.strip_prefix('#').unwrap_or(pattern).parse::<u32>().ok();
        if let Some(number) = number
            && index.is_some()
        {
            return index == Some(number);
        }
        let has_wildcards = pattern.contains(['*', '?']);
        names.iter().any(|name| if has_wildcards { is_like(name, pattern) } else { name.contains(pattern.as_str()) })
    }

    /// Indices of the functions that are shown.
    pub fn functions_of(&self, info: &ModuleInfo) -> impl Iterator<Item = u32> {
        self.indices(info.functions.len(), |index| info.names().function(index))
    }

    /// Indices of the types that are shown.
    pub fn types_of(&self, info: &ModuleInfo) -> impl Iterator<Item = u32> {
        self.indices(info.types.len(), |index| info.names().ty(index))
    }

    /// The indices of those that are shown, of `count` things with these names.
    fn indices<'m>(&self, count: usize, name: impl Fn(u32) -> Option<&'m str>) -> impl Iterator<Item = u32> {
        (0..).take(count).filter(move |index| self.fits(Some(*index), name(*index).as_slice()))
    }
}

/// Whether a text is like a pattern, of which `*` stands for any characters and `?` for any one. The time is the
/// product of both lengths at most: only the last `*` is ever tried again.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut of, mut again) = (0, 0, None);
    while at < text.len() {
        match pattern.get(of) {
            Some('*') => {
                again = Some((at, of));
                of += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => (at, of) = (at + 1, of + 1),
            _ => {
                let Some((from, star)) = again else { return false };
                again = Some((from + 1, star));
                (at, of) = (from + 1, star + 1);
            }
        }
    }
    pattern[of..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::is_like;

    /// What the definition says, tried in all ways.
    fn model(text: &[u8], pattern: &[u8]) -> bool {
        match (text, pattern) {
            (_, [b'*', rest @ ..]) => (0..=text.len()).any(|from| model(&text[from..], rest)),
            ([_, text @ ..], [b'?', rest @ ..]) => model(text, rest),
            ([a, text @ ..], [b, rest @ ..]) => a == b && model(text, rest),
            ([], []) => true,
            _ => false,
        }
    }

    #[test]
    fn all_short_patterns_fit_as_the_definition_says() {
        let words = |letters: &[u8], most: usize| -> Vec<String> {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..most {
                let longer =
                    |word: &String| letters.iter().map(|c| format!("{word}{}", *c as char)).collect::<Vec<_>>();
                last = last.iter().flat_map(longer).collect();
                all.extend(last.clone());
            }
            all
        };
        let (texts, patterns) = (words(b"ab", 5), words(b"ab*?", 4));
        let mut fitting = 0;
        for (text, pattern) in texts.iter().flat_map(|text| patterns.iter().map(move |pattern| (text, pattern))) {
            let fits = is_like(text, pattern);
            assert_eq!(fits, model(text.as_bytes(), pattern.as_bytes()), "{text:?} {pattern:?}");
            fitting += u32::from(fits);
        }
        assert_eq!((texts.len() * patterns.len(), fitting > 2_000), (63 * 341, true), "{fitting} fit");
    }
}
