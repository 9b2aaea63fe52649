//! Regular expressions of ECMAScript over UTF-16 units.
//!
//! 1. The crate `regress` compiles and matches. With the flag `u` a text is code points to it, without it units.
//! 2. It finds the first match behind a place. Whether one begins exactly there is asked of a second expression, the
//!    first one or, if that fails, nothing: so a failure costs nothing beyond the place.
//! 3. A match may take any time, and `regress` cannot be stopped. [`RegExp::is_quick`] bounds the steps from above by
//!    what the pattern may choose between; what is not quick has to run where it can be given up ([`worker`](super)).
//! 4. The compiler is recursive, so patterns that are nested deeply are compiled on a stack of their own.

mod shape;

use super::text::append;
use regress::{Flags, Regex};
use shape::Shape;
use std::ops::Range;
use std::sync::Arc;

/// Groups and alternatives of a pattern.
const PARTS_MAX: usize = 5_000;
/// Patterns with more of them are compiled on a large stack.
const PARTS_IN_PLACE: usize = 16;
/// Size of that stack. Only what is needed of it is ever touched.
const COMPILER_STACK_BYTES: usize = 64 << 20;
/// Units of a pattern.
const PATTERN_UNITS_MAX: usize = 1 << 16;
/// What is quick takes at most so many steps, as a power of two: well below a second.
const QUICK_STEPS_LOG2: f64 = 23.0;

/// The flags of an expression.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegExpFlags {
    /// `m`: `^` and `$` match at lines as well.
    pub multi_line: bool,
    /// The pattern has no flag `i`.
    pub case_sensitive: bool,
    /// `u`: the text is code points.
    pub unicode: bool,
    /// `s`: `.` matches ends of lines as well.
    pub dot_all: bool,
}

/// A compiled expression.
///
/// ```
/// use heapwood_surfaces::dart::{RegExp, RegExpFlags};
/// let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
/// let flags = RegExpFlags { case_sensitive: true, ..Default::default() };
/// let digits = RegExp::new(&units(r"(?<digit>\d)+"), flags).unwrap();
/// let found = digits.find(&units("a42"), 0, false).unwrap();
/// assert_eq!((found.range(), found.group(1)), (1..3, Some(2..3)));
/// assert!(RegExp::new(&units("("), flags).is_err());
/// ```
#[derive(Debug)]
pub struct RegExp {
    /// Finds a match behind a place.
    search: Regex,
    /// Finds one at the place: the expression, or nothing with a last group that says so. None if a group more would
    /// change what the pattern means.
    at_place: Option<Regex>,
    flags: RegExpFlags,
    shape: Arc<Shape>,
}

/// Where an expression matched.
#[derive(Clone, Debug)]
pub struct RegExpMatch {
    range: Range<usize>,
    groups: Vec<Option<Range<usize>>>,
    shape: Arc<Shape>,
}

impl RegExp {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What is wrong with the pattern, in words.
    pub fn new(pattern: &[u16], flags: RegExpFlags) -> Result<RegExp, String> {
        let shape = Shape::of(pattern);
        if shape.parts() > PARTS_MAX || pattern.len() > PATTERN_UNITS_MAX {
            return Err("Regular expression too large".to_owned());
        }
        if shape.parts() <= PARTS_IN_PLACE {
            return RegExp::compile(pattern, flags, shape);
        }
        let compiled = std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().stack_size(COMPILER_STACK_BYTES);
            let compile = || RegExp::compile(pattern, flags, shape);
            builder.spawn_scoped(scope, compile).ok().and_then(|thread| thread.join().ok())
        });
        compiled.unwrap_or_else(|| Err("Regular expression too large".to_owned()))
    }

    fn compile(pattern: &[u16], flags: RegExpFlags, shape: Shape) -> Result<RegExp, String> {
        let RegExpFlags { multi_line, case_sensitive, unicode, dot_all } = flags;
        let mut compiler = Flags::default();
        (compiler.multiline, compiler.icase) = (multi_line, !case_sensitive);
        (compiler.unicode, compiler.dot_all) = (unicode, dot_all);
        let compile = |units: &[u16]| {
            let code_points: Vec<u32> = match unicode {
                true => char::decode_utf16(units.iter().copied())
                    .map(|char| char.map_or_else(|alone| alone.unpaired_surrogate().into(), u32::from))
                    .collect(),
                false => units.iter().copied().map(u32::from).collect(),
            };
            Regex::from_unicode(code_points.into_iter(), compiler).map_err(|error| error.text)
        };
        let search = compile(pattern)?;
        let around = |before: &str, behind: &str| {
            let text = |text: &str| text.encode_utf16().collect::<Vec<_>>();
            [&text(before), pattern, &text(behind)].concat()
        };
        // With a group more, a number that named none would name it.
        let at_place = match shape.may_refer_by_number() {
            true => None,
            false => Some(compile(&around("(?:", ")|()"))?),
        };
        Ok(RegExp { search, at_place, flags, shape: Arc::new(shape) })
    }

    /// Whether matches in a text of so many units take few steps, whatever the text is. All matches behind each other
    /// together take no more.
    pub fn is_quick(&self, units: usize) -> bool {
        self.shape.steps_log2(units) <= QUICK_STEPS_LOG2
    }

    /// The first match from `start` on, or only one that begins there. With the flag `u`, half of a pair at `start`
    /// counts from the pair's first half on. None too if `start` is behind the text.
    pub fn find(&self, text: &[u16], start: usize, is_prefix: bool) -> Option<RegExpMatch> {
        if start > text.len() {
            return None;
        }
        let start = if self.flags.unicode && is_inside_pair(text, start) { start - 1 } else { start };
        let groups = self.shape.groups();
        if let Some(at_place) = self.at_place.as_ref().filter(|_| is_prefix) {
            let found = self.first(at_place, text, start)?;
            // The last group took part: the expression itself did not match.
            return match found.captures.get(groups) {
                Some(None) => Some(self.of(found, groups)),
                _ => None,
            };
        }
        let found = self.first(&self.search, text, start)?;
        (!is_prefix || found.range.start == start).then(|| self.of(found, groups))
    }

    fn first(&self, regex: &Regex, text: &[u16], start: usize) -> Option<regress::Match> {
        match self.flags.unicode {
            true => regex.find_from_utf16(text, start).next(),
            false => regex.find_from_ucs2(text, start).next(),
        }
    }

    fn of(&self, found: regress::Match, groups: usize) -> RegExpMatch {
        let mut captures = found.captures;
        captures.truncate(groups);
        RegExpMatch { range: found.range, groups: captures, shape: self.shape.clone() }
    }

    /// `stringReplaceAllRegExp`: each match becomes `text`. Behind an empty match the search goes on one unit further,
    /// or one code point with the flag `u`. None if that is longer than [`UNITS_MAX`](super::UNITS_MAX).
    pub fn replace_all(&self, units: &[u16], text: &[u16]) -> Option<Vec<u16>> {
        let (mut replaced, mut copied, mut from) = (Vec::with_capacity(units.len()), 0, 0);
        while let Some(found) = self.find(units, from, false) {
            let range = found.range();
            replaced.extend_from_slice(&units[copied..range.start]);
            append(&mut replaced, text)?;
            copied = range.end;
            from = match range.is_empty() {
                false => range.end,
                true if self.flags.unicode && is_inside_pair(units, range.end + 1) => range.end + 2,
                true => range.end + 1,
            };
        }
        replaced.extend_from_slice(&units[copied..]);
        Some(replaced)
    }
}

impl RegExpMatch {
    /// The range of the text that the whole pattern matched, in units.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Number of groups, that of all of it not counted.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// What a group matched, or all of it for 0; none if the group took no part, or there is no such group.
    pub fn group(&self, index: usize) -> Option<Range<usize>> {
        match index.checked_sub(1) {
            None => Some(self.range()),
            Some(index) => self.groups.get(index)?.clone(),
        }
    }

    /// Number of names.
    pub fn name_count(&self) -> usize {
        self.shape.names().len()
    }

    /// A name, in the order in which the pattern has them.
    pub fn name(&self, index: usize) -> Option<&[u16]> {
        self.shape.names().get(index).map(|name| &*name.text)
    }

    /// What the group with a name matched.
    pub fn group_by_name(&self, index: usize) -> Option<Range<usize>> {
        self.shape.names().get(index)?.groups.iter().find_map(|group| self.group(*group))
    }
}

/// Whether the units before and at a place are a pair.
fn is_inside_pair(text: &[u16], at: usize) -> bool {
    let unit = |at: Option<usize>| at.and_then(|at| text.get(at)).copied();
    matches!((unit(at.checked_sub(1)), unit(Some(at))), (Some(0xd800..0xdc00), Some(0xdc00..0xe000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn flags(text: &str) -> RegExpFlags {
        let has = |flag| text.contains(flag);
        RegExpFlags { multi_line: has('m'), case_sensitive: !has('i'), unicode: has('u'), dot_all: has('s') }
    }

    fn compiled(pattern: &str, letters: &str) -> RegExp {
        RegExp::new(&units(pattern), flags(letters)).unwrap_or_else(|error| panic!("{pattern}: {error}"))
    }

    /// A row of a test: pattern, flags, text, place, only there or not, and the groups that are found.
    type Row = (&'static str, &'static str, &'static str, usize, bool, Option<&'static [Option<(usize, usize)>]>);

    /// What JavaScript finds.
    #[test]
    fn matches_are_those_of_javascript() {
        const ALL: &[Row] = &[
            ("l+", "", "Hello", 0, false, Some(&[Some((2, 4))])),
            ("l+", "", "Hello", 3, false, Some(&[Some((3, 4))])),
            ("l+", "", "Hello", 4, false, None),
            ("l+", "", "Hello", 2, true, Some(&[Some((2, 4))])),
            ("l+", "", "Hello", 1, true, None),
            ("l+", "", "Hello", 6, false, None),
            ("(a)|(b)", "", "xb", 0, false, Some(&[Some((1, 2)), None, Some((1, 2))])),
            ("HELLO", "i", "xhello", 0, false, Some(&[Some((1, 6))])),
            ("^b", "m", "a\nb", 0, false, Some(&[Some((2, 3))])),
            ("^b", "", "a\nb", 0, false, None),
            ("^a", "", "ba", 1, true, None),
            ("a.b", "s", "a\nb", 0, false, Some(&[Some((0, 3))])),
            ("a.b", "", "a\nb", 0, false, None),
            (".", "u", "\u{1f389}", 0, false, Some(&[Some((0, 2))])),
            (".", "u", "\u{1f389}", 1, false, Some(&[Some((0, 2))])),
            (".", "u", "\u{1f389}", 1, true, Some(&[Some((0, 2))])),
            (".", "", "\u{1f389}", 0, false, Some(&[Some((0, 1))])),
            (".", "", "\u{1f389}", 1, true, Some(&[Some((1, 2))])),
            (r"\u{1F389}", "u", "x\u{1f389}", 0, false, Some(&[Some((1, 3))])),
            (r"(?<=\$)\d+", "", "a$42", 0, false, Some(&[Some((2, 4))])),
            (r"(?<=\$)\d+", "", "a$42", 2, true, Some(&[Some((2, 4))])),
            ("(?!a)x*", "", "bxx", 0, false, Some(&[Some((0, 0))])),
            (r"(a+)\1", "", "aaaa", 0, false, Some(&[Some((0, 4)), Some((0, 2))])),
            (r"(a+)\1", "", "aaaa", 1, true, Some(&[Some((1, 3)), Some((1, 2))])),
            (r"\bfoo\b", "", "a foo b", 0, false, Some(&[Some((2, 5))])),
            (r"\bfoo\b", "", "afoo", 1, true, None),
            ("(?:)", "", "ab", 2, false, Some(&[Some((2, 2))])),
            ("(?:)", "", "ab", 2, true, Some(&[Some((2, 2))])),
            ("x*", "", "aaa", 1, true, Some(&[Some((1, 1))])),
            ("(x*)", "", "aaa", 1, true, Some(&[Some((1, 1)), Some((1, 1))])),
            ("(?:(a)|b)*", "", "ab", 0, true, Some(&[Some((0, 2)), None])),
            (r"\p{Lu}", "u", "a\u{c9}", 0, false, Some(&[Some((1, 2))])),
            (r"\2(a)", "", "\u{2}a", 0, true, Some(&[Some((0, 2)), Some((1, 2))])),
            ("[^]", "", "\n", 0, false, Some(&[Some((0, 1))])),
            ("a]", "", "a]", 0, false, Some(&[Some((0, 2))])),
        ];
        for (pattern, letters, text, start, is_prefix, wanted) in ALL {
            let found = compiled(pattern, letters).find(&units(text), *start, *is_prefix);
            let found =
                found.map(|found| (0..=found.group_count()).map(|group| found.group(group)).collect::<Vec<_>>());
            let wanted = wanted.map(|groups| groups.iter().map(|group| group.map(|(from, to)| from..to)).collect());
            assert_eq!(found, wanted, "/{pattern}/{letters} in {text:?} from {start}, {is_prefix}");
        }
    }

    /// At each place of texts: what is found exactly there is what is found from there on, if that begins there.
    #[test]
    fn a_match_at_a_place_is_the_first_from_there_on_if_that_begins_there() {
        let patterns =
            ["a", "a*", "b+a", "(a)|(b)", "(?=b)", "(a*)(b)?", r"(.)\1", "$", "(?<=a)b", "a{2,3}?", "(?<x>b)|c", ""];
        let mut matched = 0;
        for pattern in patterns {
            let regexp = compiled(pattern, "");
            for bits in 0..64_u16 {
                let text: Vec<u16> = (0..6).map(|k| 0x61 + (bits >> k & 1)).collect();
                for start in 0..=text.len() {
                    let shown = |found: Option<RegExpMatch>| found.map(|found| (found.range, found.groups));
                    let first = shown(regexp.find(&text, start, false)).filter(|(range, _)| range.start == start);
                    matched += usize::from(first.is_some());
                    assert_eq!(shown(regexp.find(&text, start, true)), first, "/{pattern}/ in {text:x?} at {start}");
                }
            }
        }
        assert!(matched > 1_000);
    }

    #[test]
    fn names_come_in_the_order_of_the_pattern() {
        let regexp = compiled(r"(?<year>\d{4})-(x)?(?<z>\d\d)(?<a>.)?", "");
        let text = units("on 2026-11");
        let found = regexp.find(&text, 0, false).unwrap();
        let names: Vec<_> =
            (0..found.name_count()).map(|k| String::from_utf16(found.name(k).unwrap()).unwrap()).collect();
        assert_eq!(names, ["year", "z", "a"]);
        assert_eq!([0, 1, 2, 3].map(|k| found.group_by_name(k)), [Some(3..7), Some(8..10), None, None]);
        assert_eq!((found.group_count(), found.group(5), found.name(3)), (4, None, None));
    }

    #[test]
    fn every_match_is_replaced_by_the_same_text() {
        for (pattern, letters, text, by, wanted) in [
            (r"\d+", "", "a1b22c", "$&#", "a$&#b$&#c"),
            ("x*", "", "abc", "-", "-a-b-c-"),
            ("x*", "", "axxb", "-", "-a--b-"),
            ("(?:)", "u", "\u{1f389}", "-", "-\u{1f389}-"),
            ("^", "m", "a\nb", ">", ">a\n>b"),
        ] {
            let replaced = compiled(pattern, letters).replace_all(&units(text), &units(by)).unwrap();
            assert_eq!(String::from_utf16(&replaced).unwrap(), wanted, "/{pattern}/ in {text}");
        }
        let cut = compiled("(?:)", "").replace_all(&units("\u{1f389}"), &units("-"));
        assert_eq!(cut.unwrap(), [0x2d, 0xd83c, 0x2d, 0xdf89, 0x2d]);
        let long = vec![0x61; 1 << 16];
        assert_eq!(compiled("a", "").replace_all(&long, &long), None, "2^32 units");
    }

    #[test]
    fn what_is_no_pattern_is_said_in_words() {
        for (pattern, letters) in
            [("(", ""), (")", ""), ("[b-a]", ""), ("a**", ""), (r"\u{110000}", "u"), (r"(?<a>.)\k<b>", ""), ("{", "u")]
        {
            assert!(!RegExp::new(&units(pattern), flags(letters)).unwrap_err().is_empty(), "{pattern}");
        }
    }

    /// The compiler is recursive; what it cannot take is refused before it overflows its stack.
    #[test]
    fn patterns_of_any_depth_are_compiled_or_refused() {
        let nested = |open: &str, count: usize, close: &str| open.repeat(count) + &close.repeat(count);
        let wide = |count: usize| "a|".repeat(count);
        for (pattern, is_taken) in [
            (nested("(", 50, ")"), true),
            (nested("(?:", 50, ")"), true),
            (wide(PARTS_MAX - 1), true),
            (nested("(", PARTS_MAX, ")"), false),
            (nested("(?=", PARTS_MAX, ")"), false),
            (nested("(?:a|", PARTS_MAX / 2, ")"), false),
            (nested("[", PARTS_MAX, "]"), true),
            (wide(PARTS_MAX + 1), false),
            ("a".repeat(PATTERN_UNITS_MAX), true),
            ("a".repeat(PATTERN_UNITS_MAX + 1), false),
        ] {
            match RegExp::new(&units(&pattern), flags("")) {
                Ok(regexp) => {
                    assert!(is_taken && regexp.find(&[0x61], 0, true).is_none_or(|found| found.range.end < 2))
                }
                Err(said) => assert!(!is_taken && said.contains("too"), "{}: {said}", &pattern[..10]),
            }
        }
    }
}
