//! Where in a module's text an error of its binary is.
//!
//! The validator knows bytes of the binary that was made of the text. In both the functions come in the same order, and
//! in each function the instructions: so the place of the instruction at a byte is found by counting.

use std::fmt::Write;
use wasmparser::{Parser, Payload};
use wast::Wat;
use wast::core::{FuncKind, Module, ModuleField, ModuleKind};
use wast::parser::{self, ParseBuffer};
use wast::token::Span;

/// Characters of a line up to which it is shown.
const COLUMNS_MAX: usize = 160;

/// The line of `text` with a mark below the place, for a byte of `binary`, which was made of it. Nothing if the byte
/// lies outside of functions.
pub fn excerpt(name: &str, text: &str, binary: &[u8], offset: usize) -> Option<String> {
    let mut buffer = ParseBuffer::new(text).ok()?;
    buffer.track_instr_spans(true);
    let mut wat = parser::parse::<Wat>(&buffer).ok()?;
    // What the text leaves out is filled in, as it was for the binary.
    wat.encode().ok()?;
    let Wat::Module(module) = &wat else { return None };
    let (function, instruction) = instruction_at(binary, offset)?;
    let (line, column) = span_of(module, function, instruction)?.linecol_in(text);
    let mut shown = format!("\n     --> {name}:{}:{}", line + 1, column + 1);
    let source = text.split('\n').nth(line)?.trim_end();
    if source.chars().count() <= COLUMNS_MAX {
        let number = line + 1;
        let _ = write!(shown, "\n      |\n{number:5} | {source}\n      | ");
        // Tabs stay, so that the mark stands where it should.
        shown.extend(source.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }));
        shown.push('^');
    }
    Some(shown)
}

/// The function, counted from the first that is defined, whose code has this byte, and which of its instructions.
fn instruction_at(binary: &[u8], offset: usize) -> Option<(usize, Option<usize>)> {
    let payloads = Parser::new(0).parse_all(binary).map_while(Result::ok);
    let bodies = payloads.filter_map(|payload| match payload {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    });
    let (function, body) = bodies.enumerate().find(|(_, body)| body.range().contains(&offset))?;
    let mut operators = body.get_operators_reader().ok()?;
    let mut found = None;
    let mut number = 0;
    while let Ok((_, at)) = operators.read_with_offset() {
        if at > offset {
            break;
        }
        found = Some(number);
        number += 1;
    }
    Some((function, found))
}

/// The place of an instruction; of the last one for the last `end`, which the text does not have, since that is where
/// results are compared; of the function for locals, and where it has no instructions.
fn span_of(module: &Module<'_>, function: usize, instruction: Option<usize>) -> Option<Span> {
    let ModuleKind::Text(fields) = &module.kind else { return None };
    let mut functions = fields.iter().filter_map(|field| match field {
        ModuleField::Func(function) => match &function.kind {
            FuncKind::Inline { expression, .. } => Some((function.span, expression)),
            FuncKind::Import(..) => None,
        },
        _ => None,
    });
    let (span, expression) = functions.nth(function)?;
    let spans = expression.instr_spans.as_deref().unwrap_or_default();
    let found = instruction.and_then(|number| spans.get(number).or(spans.last()));
    Some(found.copied().unwrap_or(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each instruction of functions of many forms is found where the text has it.
    #[test]
    fn each_instruction_is_found_where_the_text_has_it() {
        let text = "(module (import \"a\" \"b\" (func $f (param i32)))\n  (func (export \"g\") (local i32 i64)\n    \
                    i32.const 5\n\tcall $f)\n  (func $h (result i32)\n    (block $b (result i32)\n      (if (i32.const 1)\n        \
                    (then nop) (else (br $b (i32.const 2))))\n      (i32.const 3))))";
        let binary = wat::parse_str(text).expect("a module");
        let mut seen = 0;
        for (place, what) in [
            ("3:5", "i32.const 5"),
            ("4:2", "call"),
            ("6:6", "block"),
            ("7:12", "i32.const 1"),
            ("7:8", "if"),
            ("8:15", "nop"),
            ("8:34", "i32.const 2"),
            ("8:27", "br"),
            ("9:8", "i32.const 3"),
        ] {
            let hits = (0..binary.len()).filter_map(|offset| excerpt("t.wat", text, &binary, offset));
            let hit = hits.into_iter().find(|hit| hit.starts_with(&format!("\n     --> t.wat:{place}\n")));
            let hit = hit.unwrap_or_else(|| panic!("{what} at {place}"));
            let lines: Vec<&str> = hit.lines().collect();
            let column = lines[4].find('^').expect("a mark");
            assert!(lines[3][column..].starts_with(what), "{hit}");
            seen += 1;
        }
        assert_eq!(seen, 9);
        assert_eq!(excerpt("t.wat", text, &binary, 9), None, "types have no place");
    }
}
