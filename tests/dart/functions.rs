//! All functions by name and type, and the beginning of a module that imports them.

use std::fmt::Write;

/// Every function: name, parameters and result in letters. i, l, f: numbers; e: externref, x: (ref extern); a: (ref
/// any), n: anyref; c: a function; b, w: arrays.
pub const FUNCTIONS: [(&str, &str, &str); 82] = [
    ("scheduleOnce", "lca", "x"),
    ("scheduleRepeated", "lca", "x"),
    ("queueMicrotask", "ca", ""),
    ("clearSchedule", "e", ""),
    ("currentTime", "", "l"),
    ("stringFromCharCodeArray", "wii", "x"),
    ("stringFromAsciiBytes", "bii", "x"),
    ("stringLength", "e", "i"),
    ("stringEquals", "ee", "i"),
    ("stringCompare", "ee", "i"),
    ("stringCodeUnitAt", "ei", "i"),
    ("stringIndexOfString", "eei", "i"),
    ("stringLastIndexOfString", "eei", "i"),
    ("stringReplaceAllString", "eee", "e"),
    ("stringReplaceAllRegExp", "eee", "e"),
    ("stringSubstring", "eii", "e"),
    ("stringToLowerCase", "e", "e"),
    ("stringToUpperCase", "e", "e"),
    ("stringConcat", "ee", "e"),
    ("stringRepeat", "ei", "e"),
    ("stringReplaceRange", "eiie", "e"),
    ("stringToCodeUnits", "ewi", ""),
    ("monotonicClockFrequency", "", "i"),
    ("monotonicClockTicks", "", "l"),
    ("weakRefCreate", "a", "x"),
    ("weakRefGet", "e", "n"),
    ("expandoCreate", "", "x"),
    ("expandoGet", "eal", "n"),
    ("expandoSet", "ealn", ""),
    ("finalizerCreate", "ca", "x"),
    ("finalizerAttach", "eann", ""),
    ("finalizerDetach", "ea", ""),
    ("baseUri", "", "e"),
    ("isWindows", "", "i"),
    ("stackTraceGetCurrent", "", "x"),
    ("stackTraceToString", "e", "x"),
    ("doubleTryParse", "e", "e"),
    ("tryParseResultGetDouble", "e", "f"),
    ("doubleParseInfallible", "e", "f"),
    ("i64ToString", "li", "x"),
    ("f64ToExponential", "f", "x"),
    ("f64ToExponentialWithFractionDigits", "fi", "x"),
    ("f64ToPrecision", "fi", "x"),
    ("f64ToFixed", "fi", "x"),
    ("f64ToString", "f", "x"),
    ("stringBufferCreate", "", "x"),
    ("stringBufferWriteString", "ee", ""),
    ("stringBufferWriteCharCode", "ei", ""),
    ("stringBufferClear", "e", ""),
    ("stringBufferLength", "e", "i"),
    ("stringBufferToString", "e", "x"),
    ("regexpCreateOrFailWithString", "eiiii", "x"),
    ("regexpIsRegexp", "e", "i"),
    ("regexpEscape", "e", "x"),
    ("regexpMatch", "eeii", "e"),
    ("regexpMatchGetStart", "e", "i"),
    ("regexpMatchGetEnd", "e", "i"),
    ("regexpMatchGetGroupCount", "e", "i"),
    ("regexpMatchGetGroup", "ei", "e"),
    ("regexpMatchGetNamedGroups", "e", "i"),
    ("regexpMatchGetGroupName", "ei", "x"),
    ("regexpMatchGetGroupByName", "ei", "e"),
    ("timeZoneNameForClampedSeconds", "l", "x"),
    ("timeZoneOffsetInSecondsForClampedSeconds", "l", "i"),
    ("mathPow", "ff", "f"),
    ("mathAtan2", "ff", "f"),
    ("mathSin", "f", "f"),
    ("mathCos", "f", "f"),
    ("mathTan", "f", "f"),
    ("mathAcos", "f", "f"),
    ("mathAsin", "f", "f"),
    ("mathAtan", "f", "f"),
    ("mathExp", "f", "f"),
    ("mathLog", "f", "f"),
    ("randomInt", "", "l"),
    ("randomIntSecure", "", "l"),
    ("print", "e", ""),
    ("jsonEncodeString", "e", "x"),
    ("debugger", "e", ""),
    ("inspect", "n", ""),
    ("timelineStreamEnabled", "", "i"),
    ("reportTaskEvent", "iiiee", "i"),
];

pub fn types(letters: &str) -> String {
    let name = |letter| match letter {
        'i' => " i32",
        'l' => " i64",
        'f' => " f64",
        'e' => " externref",
        'x' => " (ref extern)",
        'a' => " (ref any)",
        'n' => " anyref",
        'c' => " (ref func)",
        'b' => " (ref $i8)",
        _ => " (ref $i16)",
    };
    letters.chars().map(name).collect()
}

/// A module's beginning that imports all functions, each under its name.
pub fn imports() -> String {
    let mut text =
        "(module (type $i8 (array (mut i8))) (type $i16 (array (mut i16))) (type $args (array (mut externref)))
        (type $one (func (param (ref any)))) (type $two (func (param (ref any) anyref)))"
            .to_owned();
    for (name, params, result) in FUNCTIONS {
        let (params, results) = (types(params), types(result));
        write!(text, "\n(import \"dart\" \"{name}\" (func ${name} (param{params}) (result{results})))").unwrap();
    }
    text
}
