//! What an image was made for, as text: a line for each term, in one order.
//!
//! An engine takes an image if all of its terms hold there. Some have to be equal; features of the processor and of
//! WebAssembly have to be among those that the engine has.

use crate::engine::Config;
use heapwood_jit::{CompileOptions, CpuFeatures, Inline};
use std::fmt::Write;

/// A term of an engine.
struct Term {
    name: &'static str,
    value: String,
    rule: Rule,
}

/// When an image's term holds in an engine.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The build is the same.
    Build,
    /// The setting is the same.
    Setting,
    /// The processor has each of the features.
    Processor,
    /// Each of the features is on.
    Features,
}

/// The terms of an engine with this configuration.
pub(super) fn text(config: &Config) -> String {
    let mut text = String::new();
    for Term { name, value, .. } in terms(config) {
        writeln!(text, "{name} {value}").expect("strings take everything");
    }
    text
}

/// Whether an image with these terms can run in an engine with this configuration.
///
/// # Errors
/// It cannot; the first term that does not hold, in words.
pub(super) fn check(image: &str, config: &Config) -> Result<(), String> {
    let mut lines = image.lines();
    for term in terms(config) {
        let line = lines.next().and_then(|line| line.split_once(' '));
        let Some((name, value)) = line.filter(|(name, _)| *name == term.name) else {
            return Err(format!("it does not say its {}", term.name));
        };
        term.check(name, value)?;
    }
    lines.next().map_or(Ok(()), |line| Err(format!("it asks for `{line}`, which is unknown")))
}

fn terms(config: &Config) -> Vec<Term> {
    let term = |name, value: String, rule| Term { name, value, rule };
    // With all fields by name, so that a new one cannot be forgotten.
    let CompileOptions {
        debug_checks,
        cpu: CpuFeatures { avx, avx2 },
        source_map: _,
        loop_heads: _,
        count_targets: _,
        memory64_guard,
        memory32_checks,
        fuel,
        few_registers,
        inline,
        #[cfg(feature = "test-hooks")]
        drop_last_slot,
        #[cfg(feature = "test-hooks")]
        skip_zero_extension,
    } = config.compile_options(false);
    let cpu = [("avx", avx), ("avx2", avx2)];
    let cpu: Vec<_> = cpu.iter().filter(|(_, used)| *used).map(|(name, _)| *name).collect();
    let features: Vec<_> = config.enabled().iter().map(|feature| feature.name).collect();
    let mut terms = vec![
        term("build", BUILD.to_owned(), Rule::Build),
        term("processor", cpu.join(" "), Rule::Processor),
        term("features", features.join(" "), Rule::Features),
    ];
    let settings = [
        ("debug_checks", debug_checks),
        ("few_registers", few_registers),
        ("memory64_guard", memory64_guard),
        ("memory32_guard", !memory32_checks),
        ("consume_fuel", fuel),
        #[cfg(feature = "test-hooks")]
        ("drop_last_slot", drop_last_slot),
        #[cfg(feature = "test-hooks")]
        ("skip_zero_extension", skip_zero_extension),
    ];
    let inline = match inline {
        Inline::Never => "Inline::Never",
        Inline::Small => "Inline::Small",
        Inline::Hot => "Inline::Hot",
        Inline::Always => "Inline::Always",
    };
    terms.push(term("inline", inline.to_owned(), Rule::Setting));
    terms.extend(settings.map(|(name, on)| term(name, on.to_string(), Rule::Setting)));
    terms
}

/// What the compiler was made of: no image of another one is taken, though it has the same version.
const BUILD: &str = concat!(env!("HEAPWOOD_SOURCES"), "-", env!("HEAPWOOD_VARIANT"));

impl Term {
    fn check(&self, name: &str, value: &str) -> Result<(), String> {
        let own = &self.value;
        let lacking = || value.split(' ').find(|word| !word.is_empty() && !own.split(' ').any(|have| have == *word));
        match self.rule {
            Rule::Build | Rule::Setting if value == own => Ok(()),
            Rule::Build => Err(format!("another build of this version made it ({value}, this is {own})")),
            Rule::Setting => Err(format!("it was made with Config::{name}({value}), and this engine has {own}")),
            Rule::Processor => lacking().map_or(Ok(()), |word| {
                Err(format!("its code is for a processor with {word}, which this one does not have"))
            }),
            Rule::Features => lacking().map_or(Ok(()), |word| {
                Err(format!("it was made with the feature {word}, which is off in this engine (Config::features)"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_hold_where_they_were_made() {
        let config = Config::new();
        let text = text(&config);
        assert_eq!(check(&text, &config), Ok(()));
        for (index, line) in text.lines().enumerate() {
            let without = text.replace(&format!("{line}\n"), "");
            assert!(check(&without, &config).is_err(), "line {index}");
        }
        let more = format!("{text}taste true\n");
        assert_eq!(check(&more, &config).unwrap_err(), "it asks for `taste true`, which is unknown");
        assert!(check("", &config).unwrap_err().contains("does not say its build"));
    }

    #[test]
    fn features_need_not_all_be_used() {
        let (mut less, mut more) = (Config::new(), Config::new());
        let (mut without, mut with) = (less.enabled(), more.enabled());
        without.set("gc", false).unwrap();
        with.set("threads", true).unwrap();
        less.features(without);
        more.features(with);
        assert_eq!(check(&text(&less), &more), Ok(()));
        assert!(check(&text(&more), &less).unwrap_err().contains("the feature gc, which is off"));
    }
}
