//! Which proposals a module may use: `-W NAME=y|n`.

use std::fmt;
use wasmparser::WasmFeatures;

/// A set of WebAssembly features to validate with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Features(WasmFeatures);

/// A feature that can be switched.
#[derive(Debug)]
pub struct FeatureInfo {
    /// The proposal's name on the command line.
    pub name: &'static str,
    /// One line of help.
    pub about: &'static str,
    flags: WasmFeatures,
}

impl FeatureInfo {
    /// Whether [`Features::default`] has it.
    pub fn default_on(&self) -> bool {
        Features::default().0.contains(self.flags)
    }

    /// Whether Heapwood does not have it.
    pub fn is_absent(&self) -> bool {
        ABSENT_FEATURES.iter().any(|absent| absent.flags == self.flags)
    }

    /// wasmparser's flags for it.
    pub fn flags(&self) -> WasmFeatures {
        self.flags
    }
}

const fn row(name: &'static str, flags: WasmFeatures, about: &'static str) -> FeatureInfo {
    FeatureInfo { name, about, flags }
}

/// Every feature that `-W` knows, in the order of the help text.
pub static FEATURES: [FeatureInfo; 20] = [
    row("mutable-global", WasmFeatures::MUTABLE_GLOBAL, "import and export of mutable globals"),
    row("saturating-float-to-int", WasmFeatures::SATURATING_FLOAT_TO_INT, "conversions that saturate"),
    row("sign-extension", WasmFeatures::SIGN_EXTENSION, "sign-extension instructions"),
    row("multi-value", WasmFeatures::MULTI_VALUE, "several results, block parameters"),
    row("bulk-memory", WasmFeatures::BULK_MEMORY, "memory.copy, memory.fill, passive segments"),
    row("reference-types", WasmFeatures::REFERENCE_TYPES, "funcref, externref, table instructions"),
    row("extended-const", WasmFeatures::EXTENDED_CONST, "arithmetic in constant expressions"),
    row("simd", WasmFeatures::SIMD, "128-bit vectors"),
    row("relaxed-simd", WasmFeatures::RELAXED_SIMD, "relaxed vector instructions"),
    row("tail-call", WasmFeatures::TAIL_CALL, "return_call and its kin"),
    row("function-references", WasmFeatures::FUNCTION_REFERENCES, "typed function references, call_ref"),
    row("gc", WasmFeatures::GC, "structs, arrays, i31, casts"),
    row("exceptions", WasmFeatures::EXCEPTIONS, "try_table, throw, exnref"),
    row("legacy-exceptions", WasmFeatures::LEGACY_EXCEPTIONS, "try, catch, delegate, rethrow"),
    row("multi-memory", WasmFeatures::MULTI_MEMORY, "several memories"),
    row("memory64", WasmFeatures::MEMORY64, "64-bit memories and tables"),
    row("custom-page-sizes", WasmFeatures::CUSTOM_PAGE_SIZES, "memories with pages of one byte"),
    row("threads", WasmFeatures::THREADS, "shared memories and atomic instructions"),
    row("wide-arithmetic", WasmFeatures::WIDE_ARITHMETIC, "128-bit additions and products"),
    row("compact-imports", WasmFeatures::COMPACT_IMPORTS, "import sections that share module names"),
];

/// Proposals that Heapwood does not have: `-W` does not know them, errors name them.
pub static ABSENT_FEATURES: [FeatureInfo; 4] = [
    row("stack-switching", WasmFeatures::STACK_SWITCHING, "continuations"),
    row("custom-descriptors", WasmFeatures::CUSTOM_DESCRIPTORS, "descriptors of structs, exact types"),
    row("shared-everything-threads", WasmFeatures::SHARED_EVERYTHING_THREADS, "shared objects, functions and tables"),
    row("memory-control", WasmFeatures::MEMORY_CONTROL, "memory.discard"),
];

/// A `-W` option that means nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FeatureError {
    /// The text is neither `NAME=y` nor `NAME=n`.
    #[error("{0:?} is not of the form FEATURE=y or FEATURE=n")]
    Form(String),
    /// No feature of this name.
    #[error("unknown feature {0:?} (known: {known})", known = known_names())]
    Name(String),
}

fn known_names() -> String {
    names(&FEATURES.each_ref()).join(", ")
}

impl Features {
    /// WebAssembly 3.0 without threads, and what Heapwood adds: custom page sizes and legacy exceptions.
    pub const DEFAULT: Features = Features(
        WasmFeatures::WASM3
            .difference(WasmFeatures::THREADS)
            .union(WasmFeatures::CUSTOM_PAGE_SIZES)
            .union(WasmFeatures::LEGACY_EXCEPTIONS),
    );

    /// Everything that `-W` can switch on.
    pub const ALL: Features = {
        let (mut all, mut index) = (Features::DEFAULT, 0);
        while index < FEATURES.len() {
            all = all.with(&FEATURES[index]);
            index += 1;
        }
        all
    };

    /// Everything that `-W` can switch on.
    pub fn all() -> Features {
        Features::ALL
    }

    /// Everything that has a name, [`ABSENT_FEATURES`] too.
    pub(crate) fn named() -> Features {
        ABSENT_FEATURES.iter().fold(Features::all(), Features::with)
    }

    pub(crate) const fn from_flags(flags: WasmFeatures) -> Features {
        Features(flags)
    }

    pub(crate) const fn with(self, feature: &FeatureInfo) -> Features {
        Features(self.0.union(feature.flags))
    }

    pub(crate) const fn without(self, feature: &FeatureInfo) -> Features {
        Features(self.0.difference(feature.flags))
    }

    pub(crate) const fn union(self, other: Features) -> Features {
        Features(self.0.union(other.0))
    }

    /// The members in the order of [`FEATURES`], those that Heapwood does not have last.
    pub fn iter(self) -> impl Iterator<Item = &'static FeatureInfo> {
        FEATURES.iter().chain(&ABSENT_FEATURES).filter(move |feature| self.0.contains(feature.flags))
    }

    /// The members that are off in `on`. Their text ([`fmt::Display`]) says how to have them.
    pub fn missing_in(self, on: Features) -> Features {
        let missing = self.iter().filter(|feature| !on.0.contains(feature.flags));
        missing.fold(Features(WasmFeatures::empty()), Features::with)
    }

    /// Whether the set has no members.
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }

    /// For wasmparser.
    pub const fn wasm(self) -> WasmFeatures {
        self.0
    }

    /// Whether the feature of this name is on.
    pub fn has(self, name: &str) -> bool {
        FEATURES.iter().any(|feature| feature.name == name && self.0.contains(feature.flags))
    }

    /// Switches the feature of this name (kebab-case).
    pub fn set(&mut self, name: &str, on: bool) -> Result<(), FeatureError> {
        let feature = FEATURES.iter().find(|feature| feature.name == name);
        let feature = feature.ok_or_else(|| FeatureError::Name(name.to_owned()))?;
        self.0.set(feature.flags, on);
        Ok(())
    }

    /// Applies an option `NAME=y` or `NAME=n`.
    pub fn apply(&mut self, option: &str) -> Result<(), FeatureError> {
        match option.split_once('=') {
            Some((name, "y")) => self.set(name, true),
            Some((name, "n")) => self.set(name, false),
            _ => Err(FeatureError::Form(option.to_owned())),
        }
    }
}

/// What a module needs and does not have: `needs gc (switched off): run with -W gc=y`.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (absent, known): (Vec<_>, Vec<_>) = self.iter().partition(|feature| feature.is_absent());
        let (on, off): (Vec<_>, Vec<_>) = known.iter().copied().partition(|feature| feature.default_on());
        let groups = [(on, "switched off"), (off, "off by default"), (absent, "which Heapwood does not have")];
        let mut before = "needs ";
        for (features, state) in groups.iter().filter(|(features, _)| !features.is_empty()) {
            write!(f, "{before}{} ({state})", names(features).join(", "))?;
            before = ", ";
        }
        if groups[2].0.is_empty() && !known.is_empty() {
            let options: Vec<_> = known.iter().map(|feature| format!("-W {}=y", feature.name)).collect();
            write!(f, ": run with {}", options.join(" "))?;
        }
        Ok(())
    }
}

fn names(features: &[&FeatureInfo]) -> Vec<&'static str> {
    features.iter().map(|feature| feature.name).collect()
}

impl Default for Features {
    fn default() -> Features {
        Features::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_contract() {
        let off: Vec<_> = FEATURES.iter().filter(|feature| !feature.default_on()).map(|feature| feature.name).collect();
        assert_eq!(off, ["threads", "wide-arithmetic", "compact-imports"]);
    }

    #[test]
    fn options_switch_features_and_errors_name_them() {
        let mut features = Features::default();
        features.apply("threads=y").unwrap();
        features.apply("gc=n").unwrap();
        assert!(features.has("threads") && !features.has("gc") && features.has("simd"));
        assert_eq!(features.apply("gc").unwrap_err(), FeatureError::Form("gc".into()));
        assert!(features.apply("g=y").unwrap_err().to_string().starts_with("unknown feature \"g\" (known: mutable"));
    }

    #[test]
    fn what_is_missing_is_said_with_the_options_that_bring_it() {
        let text = |names: &[&str]| {
            let rows = FEATURES.iter().chain(&ABSENT_FEATURES).filter(|feature| names.contains(&feature.name));
            rows.fold(Features(WasmFeatures::empty()), Features::with).to_string()
        };
        assert_eq!(text(&["wide-arithmetic"]), "needs wide-arithmetic (off by default): run with -W wide-arithmetic=y");
        assert_eq!(
            text(&["threads", "gc", "wide-arithmetic", "simd"]),
            "needs simd, gc (switched off), threads, wide-arithmetic (off by default): \
             run with -W simd=y -W gc=y -W threads=y -W wide-arithmetic=y"
        );
        assert_eq!(
            text(&["stack-switching", "threads"]),
            "needs threads (off by default), stack-switching (which Heapwood does not have)"
        );
    }
}
