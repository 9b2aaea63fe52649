//! Source maps (ECMA-426): which line of a program an instruction was made of, for backtraces.
//!
//! Compilers write them beside a module, whose custom section `sourceMappingURL` names the file. For WebAssembly a map
//! has one line, and a column is a byte's offset in the module.
//!
//! ```
//! use heapwood::{Engine, Instance, Module, Store};
//! use heapwood::source_map::SourceMap;
//! # #[cfg(feature = "wat")]
//! # fn main() -> heapwood::Result<()> {
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (func (export "run") unreachable))"#)?;
//! // All that lies at byte 0 and behind is line 7, column 1 of the file.
//! let map = SourceMap::new(br#"{"version": 3, "sources": ["app.kt"], "names": [], "mappings": "AAMA"}"#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let error = instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ()).unwrap_err();
//! let frame = &error.backtrace().unwrap().frames()[0];
//! // No place of another function is taken for one of this frame's.
//! assert!(map.symbol(frame).is_none());
//! let symbol = map.at(frame.module_offset()).unwrap();
//! assert_eq!((symbol.file(), symbol.line(), symbol.column()), (Some("app.kt"), Some(7), Some(1)));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```

mod json;
mod link;
mod mappings;

pub use link::SourceMapLink;

use crate::{Error, FrameInfo, Result};
use mappings::{NONE, Segment};
use std::fmt;
use std::ops::Range;

/// Most bytes of a source map.
pub const SOURCE_MAP_BYTES_MAX: usize = 128 << 20;

/// A source map, read and checked.
///
/// ```
/// use heapwood::source_map::SourceMap;
/// let map = SourceMap::new(br#"{"version": 3, "sources": ["a.kt"], "names": ["f"], "mappings": "EAAAA,I"}"#)?;
/// // Bytes 2 to 5 are of the file, those behind of no file.
/// assert!(map.at(1).is_none());
/// assert_eq!(map.at(5).unwrap().name(), Some("f"));
/// assert!(map.at(6).is_none());
/// assert!(SourceMap::new(b"{}").unwrap_err().to_string().contains("version"));
/// # Ok::<(), heapwood::Error>(())
/// ```
#[derive(Clone)]
pub struct SourceMap {
    sources: Vec<Option<String>>,
    names: Vec<String>,
    /// Segments in the order of their offsets.
    segments: Vec<Segment>,
}

/// A place in the source.
///
/// ```
/// use heapwood::source_map::SourceMap;
/// let map = SourceMap::new(br#"{"version": 3, "sources": [null], "names": [], "mappings": "AAAA"}"#)?;
/// // The map knows a place, and does not say in which file.
/// let symbol = map.at(0).unwrap();
/// assert_eq!((symbol.file(), symbol.line(), symbol.name()), (None, Some(1), None));
/// # Ok::<(), heapwood::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameSymbol<'m> {
    file: Option<&'m str>,
    name: Option<&'m str>,
    line: u32,
    column: u32,
}

impl SourceMap {
    /// Reads a map: JSON, as ECMA-426 says, also one with sections.
    ///
    /// # Errors
    /// It is longer than [`SOURCE_MAP_BYTES_MAX`], it is no JSON or no map of version 3, a mapping is malformed or names a
    /// source or a name that the map does not have.
    pub fn new(bytes: &[u8]) -> Result<SourceMap> {
        json::read(bytes).map_err(|wrong| Error::msg(format!("invalid source map: {wrong}")))
    }

    /// The place of the instruction at a byte of the module: that of the last mapping at the byte or before.
    pub fn at(&self, module_offset: usize) -> Option<FrameSymbol<'_>> {
        self.within(0..module_offset.checked_add(1)?)
    }

    /// The place of a frame, by the mappings of its function alone: where compilers map some functions and leave out
    /// others, the mapping before is one of another function.
    pub fn symbol(&self, frame: &FrameInfo) -> Option<FrameSymbol<'_>> {
        let info = frame.module().info();
        let defined = frame.func_index().checked_sub(info.imported_functions)?;
        let body = info.bodies.get(usize::try_from(defined).ok()?)?;
        self.within(body.start..frame.module_offset().checked_add(1)?)
    }

    /// The symbol of the last mapping in a range of bytes.
    fn within(&self, bytes: Range<usize>) -> Option<FrameSymbol<'_>> {
        let behind = self.segments.partition_point(|segment| segment.offset() < bytes.end);
        let segment = self.segments[..behind].last().filter(|segment| segment.offset() >= bytes.start)?;
        let index = |index: u32| (index != NONE).then_some(index as usize);
        let source = index(segment.source)?;
        Some(FrameSymbol {
            file: self.sources[source].as_deref(),
            name: index(segment.name).map(|name| &*self.names[name]),
            line: segment.line,
            column: segment.column,
        })
    }
}

impl<'m> FrameSymbol<'m> {
    /// The file, as the map names it, behind the map's `sourceRoot`. None if the map does not say.
    pub fn file(&self) -> Option<&'m str> {
        self.file
    }

    /// The line, of which the first is 1. There is always one.
    pub fn line(&self) -> Option<u32> {
        Some(self.line.saturating_add(1))
    }

    /// The column, of which the first is 1, in units of UTF-16. There is always one.
    pub fn column(&self) -> Option<u32> {
        Some(self.column.saturating_add(1))
    }

    /// What the source calls the thing at this place, if the map says; mostly it is not the function.
    pub fn name(&self) -> Option<&'m str> {
        self.name
    }
}

impl fmt::Debug for SourceMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sources, segments) = (self.sources.len(), self.segments.len());
        f.debug_struct("SourceMap").field("sources", &sources).field("segments", &segments).finish_non_exhaustive()
    }
}
