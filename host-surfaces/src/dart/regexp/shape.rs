//! What a pattern has, found in its text: groups with their names, and how much a match may have to try.
//!
//! The text is only scanned, so for what is no pattern nothing is right, and for a pattern the groups are right and the
//! steps at least as many as there can be.
//!
//! A backtracking match tries, from each place, each way to choose: how often what is repeated is, and which
//! alternative. If only single characters are repeated, the ways are at most the product of the choices: a repetition
//! without an end chooses between as many numbers as the text has units. If a group is repeated, it chooses in each
//! round, and there is no such bound.

/// A name of groups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// Units of the name.
    pub text: Vec<u16>,
    /// The groups that have it, counted from 1.
    pub groups: Vec<usize>,
}

/// What a pattern has: groups with their names, and how much a match may have to try.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    units: usize,
    groups: usize,
    names: Vec<Name>,
    parts: usize,
    /// Repetitions of one character without an end.
    endless: u32,
    /// Repetitions of one character that there are in any case.
    fixed: u64,
    /// All other choices together, as a power of two.
    choices_log2: f64,
    /// A group is repeated.
    repeats_group: bool,
    has_back_reference: bool,
    may_refer_by_number: bool,
}

/// What a quantifier is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Atom,
    Group,
}

impl Shape {
    /// The shape of a pattern.
    pub fn of(pattern: &[u16]) -> Shape {
        let mut shape = Shape { units: pattern.len(), ..Shape::default() };
        let mut last = Last::Nothing;
        let mut rest = pattern;
        while let Some((unit, behind)) = rest.split_first() {
            rest = behind;
            last = match char::from_u32((*unit).into()).unwrap_or('\u{fffd}') {
                '\\' => {
                    rest = shape.escape(rest);
                    Last::Atom
                }
                '[' => {
                    rest = behind_class(rest);
                    Last::Atom
                }
                '(' => {
                    rest = shape.group(rest);
                    Last::Nothing
                }
                ')' => Last::Group,
                '|' => {
                    shape.parts += 1;
                    shape.choices_log2 += 1.0;
                    Last::Nothing
                }
                quantifier @ ('*' | '+' | '?') => {
                    shape.repeat(last, 0, (quantifier == '?').then_some(1));
                    Last::Nothing
                }
                '{' => match bounds(rest) {
                    Some((least, most, behind)) => {
                        rest = behind;
                        shape.repeat(last, least, most);
                        Last::Nothing
                    }
                    None => Last::Atom,
                },
                _ => Last::Atom,
            };
        }
        shape
    }

    /// Behind a backslash. What is left.
    fn escape<'p>(&mut self, rest: &'p [u16]) -> &'p [u16] {
        let Some((unit, behind)) = rest.split_first() else { return rest };
        match char::from_u32((*unit).into()) {
            Some('0'..='9') => {
                self.has_back_reference = true;
                self.may_refer_by_number = true;
            }
            Some('k') => self.has_back_reference = true,
            _ => {}
        }
        behind
    }

    /// Behind an opening parenthesis. What is left.
    fn group<'p>(&mut self, rest: &'p [u16]) -> &'p [u16] {
        self.parts += 1;
        let starts = |text: &str| rest.iter().take(text.len()).copied().eq(text.bytes().map(u16::from));
        if starts("?<") && !starts("?<=") && !starts("?<!") {
            self.groups += 1;
            let name = &rest[2..];
            let end = name.iter().position(|unit| *unit == u16::from(b'>')).unwrap_or(name.len());
            let text = name_of(&name[..end]);
            match self.names.iter_mut().find(|name| name.text == text) {
                Some(name) => name.groups.push(self.groups),
                None => self.names.push(Name { text, groups: vec![self.groups] }),
            }
            return name.get(end + 1..).unwrap_or_default();
        }
        if starts("?") {
            // What kind of group it is says the next character; a further `?` there is no quantifier.
            return rest.get(2..).unwrap_or_default();
        }
        self.groups += 1;
        rest
    }

    /// A quantifier; one behind another says that it takes as little as possible.
    fn repeat(&mut self, last: Last, least: u64, most: Option<u64>) {
        let is_optional = (least, most) == (0, Some(1));
        match last {
            Last::Nothing => {}
            Last::Group if !is_optional => self.repeats_group = true,
            Last::Group | Last::Atom => {
                self.fixed = self.fixed.saturating_add(least);
                match most {
                    None => self.endless += 1,
                    Some(most) => self.choices_log2 += (most.saturating_sub(least) as f64 + 1.0).log2(),
                }
            }
        }
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Names of groups, in the pattern's order.
    pub fn names(&self) -> &[Name] {
        &self.names
    }

    /// Groups of any kind, and alternatives: how deep the pattern can be nested.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Whether the pattern may name a group by a number.
    pub fn may_refer_by_number(&self) -> bool {
        self.may_refer_by_number
    }

    /// How many steps a search in a text of so many units takes at most, as a power of two.
    pub fn steps_log2(&self, units: usize) -> f64 {
        if self.repeats_group {
            return f64::INFINITY;
        }
        let places = (units as f64 + 1.0).log2();
        // What is repeated in any case ends where the text ends, and a group is compared unit by unit.
        let text = units as f64;
        let step =
            self.units as f64 + 1.0 + text.min(self.fixed as f64) + if self.has_back_reference { text } else { 0.0 };
        places * (1.0 + f64::from(self.endless)) + self.choices_log2 + step.log2()
    }
}

/// What is left behind a class of characters.
fn behind_class(mut rest: &[u16]) -> &[u16] {
    while let Some((unit, behind)) = rest.split_first() {
        rest = behind;
        match char::from_u32((*unit).into()) {
            Some('\\') => rest = rest.get(1..).unwrap_or_default(),
            Some(']') => break,
            _ => {}
        }
    }
    rest
}

/// `{least}`, `{least,}` or `{least,most}` behind its brace, and what is left.
fn bounds(rest: &[u16]) -> Option<(u64, Option<u64>, &[u16])> {
    let end = rest.iter().position(|unit| *unit == u16::from(b'}'))?;
    let text = String::from_utf16(&rest[..end]).ok()?;
    let number = |text: &str| match text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => None,
        false => Some(text.parse().unwrap_or(u64::MAX)),
    };
    let (least, most) = match text.split_once(',') {
        None => (number(&text)?, Some(number(&text)?)),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((least, most, &rest[end + 1..]))
}

/// A name as it is, without escapes.
fn name_of(written: &[u16]) -> Vec<u16> {
    let text = String::from_utf16_lossy(written);
    let (mut name, mut rest) = (Vec::new(), &*text);
    while let Some(at) = rest.find("\\u") {
        name.extend(rest[..at].encode_utf16());
        let escape = &rest[at + 2..];
        let (digits, behind) = match escape.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some(parts) => parts,
            None => escape.split_at_checked(4).unwrap_or((escape, "")),
        };
        match u32::from_str_radix(digits, 16).ok().map(|code| (u16::try_from(code), char::from_u32(code))) {
            Some((Ok(unit), _)) => name.push(unit),
            Some((_, Some(char))) => name.extend_from_slice(char.encode_utf16(&mut [0; 2])),
            _ => {}
        }
        rest = behind;
    }
    name.extend(rest.encode_utf16());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(pattern: &str) -> Shape {
        Shape::of(&pattern.encode_utf16().collect::<Vec<_>>())
    }

    #[test]
    fn groups_and_names_are_found() {
        let names = |pattern: &str| {
            let names = shape(pattern).names().to_vec();
            names.into_iter().map(|name| (String::from_utf16(&name.text).unwrap(), name.groups)).collect::<Vec<_>>()
        };
        for (pattern, groups) in [
            ("a", 0),
            ("(a)(b)", 2),
            ("(?:a)(?=b)(?!c)(?<=d)(?<!e)", 0),
            (r"\((a)[(\](]\)", 1),
            ("((a)|(b))", 3),
            ("(?<n>a)", 1),
        ] {
            assert_eq!(shape(pattern).groups(), groups, "{pattern}");
        }
        assert_eq!(names("(?<b>.)(.)(?<a>.)"), [("b".to_owned(), vec![1]), ("a".to_owned(), vec![3])]);
        assert_eq!(names("(?<x>a)|(?<x>b)"), [("x".to_owned(), vec![1, 2])]);
        assert_eq!(names(r"(?<\u0061\u{62}c>.)"), [("abc".to_owned(), vec![1])]);
    }

    /// Patterns that explode have no bound; what is common has one that is near.
    #[test]
    fn steps_are_bounded_from_above() {
        for pattern in ["(a+)+b", "(a|a)*b", "(a|aa)+$", "(?:a?){30}a{30}", "(a*)*", r"(\w+\s?)*$", "(?:(?=a)){2}"] {
            assert_eq!(shape(pattern).steps_log2(1), f64::INFINITY, "{pattern}");
        }
        for (pattern, units, most) in [
            ("abc", 1 << 16, 19.0),
            (r"\d+", 1 << 10, 23.0),
            (r"\d+-\d+", 1 << 5, 19.0),
            ("(a|b|c)x", 1 << 10, 16.0),
            ("a{2,5}b{3}", 1 << 10, 17.0),
            ("a?b??", 1 << 10, 15.0),
            ("[+*?{]{2}", 1 << 10, 14.0),
            ("a{,5}", 1 << 10, 13.0),
        ] {
            let steps = shape(pattern).steps_log2(units);
            assert!(steps <= most && steps > most - 3.0, "{pattern}: {steps}");
        }
        // Many choices one behind the other explode as well.
        assert!(shape(&"(a|a)".repeat(60)).steps_log2(10) > 60.0);
        assert!(shape(&"a?".repeat(60)).steps_log2(10) > 60.0);
        assert!(shape("a{0,1000000}").steps_log2(10) > 20.0);
        // And so does a long way that is gone from each place.
        assert!(shape(".{100000}").steps_log2(1 << 16) > 31.0 && shape(".{100000}").steps_log2(16) < 10.0);
        assert!(shape(r"(.*)\1").steps_log2(1 << 10) > 30.0);
    }
}
