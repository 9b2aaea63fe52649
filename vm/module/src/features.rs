//! Which proposals a module may use: `-W NAME=y|n`.

use std::fmt;
use wasmparser::WasmFeatures;

/// A set of WebAssembly features to validate with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Features(WasmFeatures);

/// A feature that can be switched.
#[derive(Debug)]
pub struct FeatureInfo {
    /// Its name on the command line.
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

    /// wasmparser's flags for it.
    pub fn flags(&self) -> WasmFeatures {
        self.flags
    }
}

impl fmt::Display for FeatureInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, if self.default_on() { "switched off" } else { "off by default" })
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

/// The row of FEATURES that brings `flags` (which wasmparser found missing).
pub(crate) fn of_flags(flags: WasmFeatures) -> Option<&'static FeatureInfo> {
    FEATURES.iter().find(|feature| feature.flags.intersects(flags))
}

/// A `-W` option that means nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FeatureError {
    /// Not `NAME=y` or `NAME=n`.
    #[error("{0:?} is not of the form FEATURE=y or FEATURE=n")]
    Form(String),
    /// No feature of this name.
    #[error("unknown feature {0:?} (known: {known})", known = known_names())]
    Name(String),
}

fn known_names() -> String {
    FEATURES.each_ref().map(|feature| feature.name).join(", ")
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
    pub fn all() -> Features {
        FEATURES.iter().fold(Features::DEFAULT, |all, feature| Features(all.0 | feature.flags))
    }

    pub(crate) const fn from_flags(flags: WasmFeatures) -> Features {
        Features(flags)
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
}
