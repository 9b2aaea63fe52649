//! Where the guest was.

use heapwood_module::brief;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Frames of guest functions, innermost first. Very deep stacks keep their ends only.
#[derive(Clone, Default)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
    omitted: usize,
}

/// Names of a module and its functions. A backtrace shares them, and knows nothing else of the module.
pub(crate) trait FunctionNames: Any + Send + Sync {
    /// The module's name.
    fn module_name(&self) -> Option<&str>;
    /// The name of a function, by its index in the module.
    fn function_name(&self, function: u32) -> Option<&str>;
}

/// One frame of a backtrace.
#[derive(Clone)]
pub struct FrameInfo {
    names: Arc<dyn FunctionNames>,
    /// The number in its store of the first instance of the module, by which its code is known there.
    instance: u32,
    function: u32,
    offset: u32,
}

impl WasmBacktrace {
    /// `omitted` frames lie between the first half of `frames` and the second.
    pub(crate) fn new(frames: Vec<FrameInfo>, omitted: usize) -> WasmBacktrace {
        WasmBacktrace { frames, omitted }
    }

    /// The frames, innermost first.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// Number of frames left out in the middle.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

impl FrameInfo {
    pub(crate) fn new(names: Arc<dyn FunctionNames>, instance: u32, function: u32, offset: u32) -> FrameInfo {
        FrameInfo { names, instance, function, offset }
    }

    /// The number of the first instance of the function's module, in the store that it was in.
    pub(crate) fn instance(&self) -> u32 {
        self.instance
    }

    /// Where its names come from.
    pub(crate) fn names(&self) -> &dyn FunctionNames {
        &*self.names
    }

    /// Index of the function in its module.
    pub fn func_index(&self) -> u32 {
        self.function
    }

    /// Name of the function from the name section.
    pub fn func_name(&self) -> Option<&str> {
        self.names.function_name(self.function)
    }

    /// Byte offset of the instruction in the module.
    pub fn module_offset(&self) -> usize {
        self.offset as usize
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wasm backtrace:")?;
        for (index, frame) in self.frames.iter().enumerate() {
            if self.omitted != 0 && index == self.frames.len() / 2 {
                write!(f, "\n      … {} frames …", self.omitted)?;
            }
            write!(f, "\n    {frame}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = brief(self.names.module_name().unwrap_or("<module>"));
        match self.func_name() {
            Some(name) => write!(f, "{:#8x} {module}!{}", self.offset, brief(name)),
            None => write!(f, "{:#8x} {module}!<function {}>", self.offset, self.function),
        }
    }
}

impl fmt::Debug for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
