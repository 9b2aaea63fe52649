//! TeamCity service messages, as `kotlin.test` prints them: `##teamcity[testStarted name='a' flowId='f']`.
//!
//! A value stands between apostrophes; `|` escapes: `|'`, `||`, `|[`, `|]`, `|n`, `|r`, `|x`, `|l`, `|p` and `|0xNNNN`.
//! So the beginning of a message never stands in a value, and the last one of a line is where a message begins.

/// How every message begins.
pub const MARK: &str = "##teamcity[";

/// Why a test or a suite failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub message: String,
    /// The exception with its causes.
    pub details: String,
}

/// What is told of a test or a suite, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    SuiteStarted,
    /// An exception may have left the suite.
    SuiteFinished(Option<Failure>),
    Started,
    Finished,
    Ignored,
    Failed(Failure),
}

/// A message of a test run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub name: String,
    pub told: Told,
}

/// What a text that begins with [`MARK`] is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parsed {
    Message(Message),
    /// A message that says nothing of tests.
    Other,
    /// A message about tests that is not well formed, and why.
    Malformed(&'static str),
}

/// Reads a message from the rest of a line behind [`MARK`].
pub fn parse(rest: &str) -> Parsed {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (kind, rest) = rest.split_at(end);
    if !["testSuiteStarted", "testSuiteFinished", "testStarted", "testFinished", "testIgnored", "testFailed"]
        .contains(&kind)
    {
        return Parsed::Other;
    }
    let mut attributes = match attributes(rest) {
        Ok(attributes) => attributes,
        Err(reason) => return Parsed::Malformed(reason),
    };
    let mut take = |wanted: &str| {
        let at = attributes.iter().position(|(key, _)| *key == wanted)?;
        Some(attributes.swap_remove(at).1)
    };
    let Some(name) = take("name") else { return Parsed::Malformed("there is no name") };
    let mut failure = |message, details| Failure {
        message: take(message).unwrap_or_default(),
        details: take(details).unwrap_or_default(),
    };
    let told = match kind {
        "testSuiteStarted" => Told::SuiteStarted,
        "testSuiteFinished" => {
            let failure = failure("text", "errorDetails");
            let is_error = take("status").is_some_and(|status| status == "ERROR");
            Told::SuiteFinished(is_error.then_some(failure))
        }
        "testStarted" => Told::Started,
        "testFinished" => Told::Finished,
        "testIgnored" => Told::Ignored,
        _ => Told::Failed(failure("message", "details")),
    };
    Parsed::Message(Message { name, told })
}

/// `key='value'` with spaces before each, up to the bracket that ends the message and the line.
fn attributes(mut rest: &str) -> Result<Vec<(&str, String)>, &'static str> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix(']') {
            return if behind.trim().is_empty() { Ok(found) } else { Err("there is text behind its end") };
        }
        let (key, behind) = rest.split_once('=').ok_or("it has no end")?;
        let value = behind.trim_start().strip_prefix('\'').ok_or("a value does not begin with an apostrophe")?;
        let (value, behind) = unescape(value).ok_or("a value has no end")?;
        found.push((key.trim(), value));
        rest = behind;
    }
}

/// The value up to its apostrophe, and what follows.
fn unescape(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(['\'', '|'])?;
        value.push_str(&rest[..at]);
        let escaped = rest[at..].strip_prefix('|');
        let Some(escaped) = escaped else { return Some((value, &rest[at + 1..])) };
        let character = escaped.chars().next()?;
        rest = &escaped[character.len_utf8()..];
        value.push(match character {
            'n' => '\n',
            'r' => '\r',
            'x' => '\u{85}',
            'l' => '\u{2028}',
            'p' => '\u{2029}',
            '0' => match rest.strip_prefix('x').and_then(code_point) {
                Some((character, behind)) => {
                    rest = behind;
                    character
                }
                None => '0',
            },
            other => other,
        });
    }
}

/// Four hexadecimal digits; halves of a pair of surrogates are no characters.
fn code_point(text: &str) -> Option<(char, &str)> {
    let (digits, behind) = text.split_at_checked(4)?;
    let is_number = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let code = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some((char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(name: &str, told: Told) -> Parsed {
        Parsed::Message(Message { name: name.to_owned(), told })
    }

    fn failure(message: &str, details: &str) -> Failure {
        Failure { message: message.to_owned(), details: details.to_owned() }
    }

    #[test]
    fn each_kind_is_read() {
        assert_eq!(parse("testSuiteStarted name='' flowId='f']"), message("", Told::SuiteStarted));
        assert_eq!(parse("testSuiteFinished name='S' flowId='f']"), message("S", Told::SuiteFinished(None)));
        assert_eq!(
            parse("testSuiteFinished name='S' text='t' errorDetails='d' status='ERROR' flowId='f']"),
            message("S", Told::SuiteFinished(Some(failure("t", "d"))))
        );
        assert_eq!(parse("testStarted name='a']"), message("a", Told::Started));
        assert_eq!(parse("testFinished\tname = 'a' duration='3' ]\r"), message("a", Told::Finished));
        assert_eq!(parse("testIgnored message='' name='a']"), message("a", Told::Ignored));
        assert_eq!(
            parse("testFailed name='a' message='m' details='d|n']"),
            message("a", Told::Failed(failure("m", "d\n")))
        );
        for other in ["", "x", "]", "publishArtifacts 'a']", "testStdOut name='a' out='x']", "testStartedX name='a']"] {
            assert_eq!(parse(other), Parsed::Other, "{other}");
        }
    }

    #[test]
    fn escapes_are_read_and_those_that_nobody_knows_stand_for_themselves() {
        let value = |text: &str| match parse(&format!("testStarted name='{text}']")) {
            Parsed::Message(message) => message.name,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(value("|'|||||'|[|]"), "'||'[]");
        assert_eq!(value("a|nb|rc|xd|le|pf"), "a\nb\rc\u{85}d\u{2028}e\u{2029}f");
        assert_eq!(value("|0x0041|0xd800|0x00e9|0xzz|0|q|ü"), "A\u{fffd}é0xzz0qü");
        assert_eq!(value("[x] = y"), "[x] = y");
    }

    #[test]
    fn what_is_malformed_says_why() {
        for (text, reason) in [
            ("testStarted", "it has no end"),
            ("testStarted name='a'", "it has no end"),
            ("testStarted]", "there is no name"),
            ("testFailed message='m']", "there is no name"),
            ("testStarted name='a]", "a value has no end"),
            ("testStarted name='a|']", "a value has no end"),
            ("testStarted name='a|", "a value has no end"),
            ("testStarted name=a]", "a value does not begin with an apostrophe"),
            ("testStarted name='a'] more", "there is text behind its end"),
        ] {
            assert_eq!(parse(text), Parsed::Malformed(reason), "{text}");
        }
    }

    #[test]
    fn no_beginning_of_a_message_is_a_message_and_none_stops_the_reader() {
        let whole = "testFailed name='a|'b' message='|0x00e9|n' details='é']";
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(!matches!(parse(&whole[..end]), Parsed::Message(_)), "{}", &whole[..end]);
        }
    }
}
