//! The modules of the specification's scripts: valid, invalid and malformed ones are told apart.
//!
//! `HEAPWOOD_SPEC` names the folder of the scripts; unset, the test says that it saw none.

#[path = "../../../tests/common/skip.rs"]
mod skip;

use heapwood_module::{Features, ModuleError, decode, detect, is_malformed};
use skip::skip;
use std::path::{Path, PathBuf};
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective, Wat};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Valid,
    Invalid,
    Malformed,
}

fn scripts(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "wast") {
            found.push(path);
        }
    }
}

fn judge(bytes: &[u8], features: Features) -> (Verdict, Option<ModuleError>) {
    if let Some(error) = is_malformed(bytes, features) {
        return (Verdict::Malformed, Some(error));
    }
    match decode(bytes.into(), features).and_then(|module| module.validate_bodies()) {
        Ok(_) => (Verdict::Valid, detected_features_are_exact(bytes).err()),
        Err(error) => (Verdict::Invalid, Some(error)),
    }
}

/// A valid module is valid with the features that it was found to need, and with no fewer.
fn detected_features_are_exact(bytes: &[u8]) -> Result<(), ModuleError> {
    let needed = detect(bytes)?;
    let validate = |features| decode(bytes.into(), features)?.validate_bodies();
    validate(needed)?;
    for feature in needed.iter() {
        let mut fewer = needed;
        fewer.set(feature.name, false).unwrap();
        if validate(fewer).is_ok() {
            return Err(ModuleError::new(format!("{} is not needed", feature.name)));
        }
    }
    Ok(())
}

/// Text that does not parse is malformed too, but none of this crate's business.
fn judge_text(module: &mut QuoteWat<'_>, features: Features) -> (Verdict, Option<ModuleError>) {
    match module.encode() {
        Ok(bytes) => judge(&bytes, features),
        Err(error) => (Verdict::Malformed, Some(ModuleError::new(error.to_string()))),
    }
}

#[test]
fn modules_of_the_scripts_are_judged_as_they_say() {
    let Some(folder) = std::env::var_os("HEAPWOOD_SPEC") else {
        skip("spec-scripts", "HEAPWOOD_SPEC does not name the scripts that modules are judged by");
        return;
    };
    let mut paths = Vec::new();
    scripts(&Path::new(&folder).join("core"), &mut paths);
    paths.sort();
    let features = Features::default();
    let (mut judged, mut wrong) = (0, Vec::new());
    for path in &paths {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lexer = wast::lexer::Lexer::new(&text);
        lexer.allow_confusing_unicode(true);
        let buffer = ParseBuffer::new_with_lexer(lexer).unwrap();
        let script: Wast<'_> = parser::parse(&buffer).unwrap();
        for directive in script.directives {
            let (mut module, expected, span) = match directive {
                WastDirective::Module(module) | WastDirective::ModuleDefinition(module) => {
                    let span = module.span();
                    (module, Verdict::Valid, span)
                }
                WastDirective::AssertMalformed { module, span, .. } => (module, Verdict::Malformed, span),
                WastDirective::AssertInvalid { module, span, .. } => (module, Verdict::Invalid, span),
                WastDirective::AssertUnlinkable { module, span, .. } => (QuoteWat::Wat(module), Verdict::Valid, span),
                _ => continue,
            };
            if matches!(module, QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..)) {
                continue;
            }
            judged += 1;
            let (verdict, error) = judge_text(&mut module, features);
            if verdict != expected || (verdict == Verdict::Valid && error.is_some()) {
                let (line, _) = span.linecol_in(&text);
                wrong.push(format!(
                    "{}:{}: {verdict:?}, expected {expected:?}: {}",
                    path.display(),
                    line + 1,
                    error.map_or_else(String::new, |error| error.to_string())
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {judged} modules:\n{}", wrong.len(), wrong.join("\n"));
    println!("{judged} modules of {} scripts", paths.len());
}
