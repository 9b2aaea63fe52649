//! Core dumps in the format of WebAssembly's tool conventions (`Coredump.md`). A dump is a module with
//!
//! 1. `core`, `coremodules`, `coreinstances`, `corestack`: custom sections with the program's name, names of modules,
//!    which memories and globals an instance has, and frames;
//! 2. a section of memories with their sizes, one of globals with their values as initial ones, one of data with what
//!    memories hold (`contents`).
//!
//! Memories may be larger than what this process has left: their bytes are copied out chunk by chunk.

mod contents;

use crate::errors::{FrameInfo, WasmBacktrace};
use crate::module::Module;
use crate::rt::value::RawVal;
use crate::store::{Entities, InstanceData, StoreOpaque};
use contents::Contents;
use heapwood_gc_abi::{RawRef, i31_signed, is_i31};
use heapwood_module::{GlobalType, HeapType, Hierarchy, MemoryType, ValType};
use std::io::{self, ErrorKind, Write};

/// What comes before a name, a frame and an instance.
const START: u8 = 0;

/// Numbers of sections.
const CUSTOM: u8 = 0;
const MEMORIES: u8 = 5;
const GLOBALS: u8 = 6;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

/// The end of an expression.
const END: u8 = 0x0b;
const I32_CONST: u8 = 0x41;
const I64_CONST: u8 = 0x42;

impl StoreOpaque {
    /// Writes a core dump; see [`Store::write_core_dump`](crate::Store::write_core_dump).
    pub fn write_core_dump(
        &mut self,
        program: &str,
        backtrace: Option<&WasmBacktrace>,
        mut output: impl Write,
    ) -> io::Result<()> {
        let contents = Contents::of(self)?;
        let frames = backtrace.map_or(&[][..], WasmBacktrace::frames);
        let listed = Listed::of(self.guest().entities(), frames);
        output.write_all(b"\0asm\x01\0\0\0")?;
        custom(&mut output, "core", &named(program))?;
        custom(&mut output, "coremodules", &listed.module_names(program))?;
        custom(&mut output, "coreinstances", &listed.instances())?;
        custom(&mut output, "corestack", &listed.stack(frames))?;
        section(&mut output, MEMORIES, &self.memory_types())?;
        section(&mut output, GLOBALS, &self.global_values())?;
        contents.write(self, &mut output)
    }

    fn memory_types(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let memories = self.guest().entities().memories();
        unsigned(&mut bytes, memories.len() as u64);
        memories.iter().for_each(|memory| memory_type(&mut bytes, &memory.ty()));
        bytes
    }

    fn global_values(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let globals = self.guest().entities().globals().all();
        unsigned(&mut bytes, globals.len() as u64);
        for (index, global) in globals.iter().enumerate() {
            self.global(&mut bytes, global.ty(), self.global_get_raw(index as u32));
        }
        bytes
    }

    /// A global of a type that needs no section of types, and an expression that makes its value, or null.
    fn global(&self, bytes: &mut Vec<u8>, ty: GlobalType, raw: RawVal) {
        /// `nullable reference`, before a heap type.
        const REF_NULL: u8 = 0x63;
        let (number, expression): (u8, Vec<u8>) = match ty.val {
            ValType::I32 => (0x7f, constant(|it| signed(it, I32_CONST, i64::from(raw[0] as u32 as i32)))),
            ValType::I64 => (0x7e, constant(|it| signed(it, I64_CONST, raw[0] as i64))),
            ValType::F32 => (0x7d, [&[0x43][..], &(raw[0] as u32).to_le_bytes()].concat()),
            ValType::F64 => (0x7c, [&[0x44][..], &raw[0].to_le_bytes()].concat()),
            ValType::V128 => (0x7b, [&[0xfd, 0x0c][..], &raw[0].to_le_bytes(), &raw[1].to_le_bytes()].concat()),
            ValType::Ref(of) => {
                let heap = self.engine().registry().top(of.heap);
                bytes.extend([REF_NULL, top(heap), ty.mutable.into()]);
                bytes.extend(reference(heap, raw[0] as RawRef));
                bytes.push(END);
                return;
            }
        };
        bytes.extend([number, ty.mutable.into()]);
        bytes.extend(expression);
        bytes.push(END);
    }
}

/// An expression of a reference: an i31, or null of a hierarchy.
fn reference(heap: HeapType, reference: RawRef) -> Vec<u8> {
    const REF_NULL: u8 = 0xd0;
    const REF_I31: [u8; 2] = [0xfb, 0x1c];
    const EXTERN_CONVERT_ANY: [u8; 2] = [0xfb, 0x1b];
    if !is_i31(reference) {
        return vec![REF_NULL, top(heap)];
    }
    constant(|it| {
        signed(it, I32_CONST, i64::from(i31_signed(reference)));
        it.extend(REF_I31);
        if heap == HeapType::Extern {
            it.extend(EXTERN_CONVERT_ANY);
        }
    })
}

/// The byte of the top of a hierarchy.
fn top(heap: HeapType) -> u8 {
    match heap {
        HeapType::Func => 0x70,
        HeapType::Extern => 0x6f,
        HeapType::Exn => 0x69,
        _ => 0x6e,
    }
}

fn constant(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

fn memory_type(bytes: &mut Vec<u8>, ty: &MemoryType) {
    const DEFAULT_PAGE_LOG2: u32 = 16;
    let has_own_pages = ty.page_size_log2 != DEFAULT_PAGE_LOG2;
    let flags = [ty.max.is_some(), ty.shared, ty.memory64, has_own_pages];
    bytes.push(flags.iter().enumerate().map(|(bit, flag)| u8::from(*flag) << bit).sum());
    unsigned(bytes, ty.min);
    if let Some(max) = ty.max {
        unsigned(bytes, max);
    }
    if has_own_pages {
        unsigned(bytes, ty.page_size_log2.into());
    }
}

/// Instances and modules with their numbers.
struct Listed<'a> {
    modules: Vec<&'a Module>,
    /// Each with its module. Behind those of the store come those of frames whose instances are gone, since their start
    /// functions failed: of each module one, without parts.
    instances: Vec<(&'a Module, Option<&'a InstanceData>)>,
    /// The instance of each frame.
    of_frames: Vec<usize>,
}

impl<'a> Listed<'a> {
    fn of(entities: &'a Entities, frames: &'a [FrameInfo]) -> Listed<'a> {
        let instances = entities.instances().iter().map(|instance| (instance.module(), Some(instance)));
        let mut listed = Listed { modules: Vec::new(), instances: instances.collect(), of_frames: Vec::new() };
        for frame in frames {
            let number = listed.instance_of(frame);
            listed.of_frames.push(number);
        }
        for (module, _) in &listed.instances {
            if !listed.modules.iter().any(|known| Module::same(known, module)) {
                listed.modules.push(module);
            }
        }
        listed
    }

    fn instance_of(&mut self, frame: &'a FrameInfo) -> usize {
        let (number, module) = (frame.instance() as usize, frame.module());
        let is_there = |(of, parts): &(&Module, Option<_>)| Module::same(of, module) && parts.is_some();
        if self.instances.get(number).is_some_and(is_there) {
            return number;
        }
        let is_gone = |(of, parts): &(&Module, Option<_>)| Module::same(of, module) && parts.is_none();
        self.instances.iter().position(is_gone).unwrap_or_else(|| {
            self.instances.push((module, None));
            self.instances.len() - 1
        })
    }

    fn module_names(&self, program: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        unsigned(&mut bytes, self.modules.len() as u64);
        self.modules.iter().for_each(|module| bytes.extend(named(module.name().unwrap_or(program))));
        bytes
    }

    fn instances(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        unsigned(&mut bytes, self.instances.len() as u64);
        for (module, parts) in &self.instances {
            bytes.push(START);
            let number = self.modules.iter().position(|known| Module::same(known, module));
            unsigned(&mut bytes, number.expect("modules are those of the instances") as u64);
            for parts in [parts.map(InstanceData::memories), parts.map(InstanceData::globals)] {
                let parts = parts.unwrap_or_default();
                unsigned(&mut bytes, parts.len() as u64);
                parts.iter().for_each(|part| unsigned(&mut bytes, u64::from(*part)));
            }
        }
        bytes
    }

    /// The frames of a thread, innermost first, without values.
    fn stack(&self, frames: &[FrameInfo]) -> Vec<u8> {
        let mut bytes = named("main");
        unsigned(&mut bytes, frames.len() as u64);
        for (frame, instance) in frames.iter().zip(&self.of_frames) {
            let info = frame.module().info();
            let body = &info.bodies[(frame.func_index() - info.imported_functions) as usize];
            bytes.push(START);
            let offset = frame.module_offset().saturating_sub(body.start);
            for number in [*instance as u64, u64::from(frame.func_index()), offset as u64, 0, 0] {
                unsigned(&mut bytes, number);
            }
        }
        bytes
    }
}

fn named(name: &str) -> Vec<u8> {
    let mut bytes = vec![START];
    text(&mut bytes, name);
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    unsigned(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

fn custom(output: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    text(&mut bytes, name);
    bytes.extend(content);
    section(output, CUSTOM, &bytes)
}

fn section(output: &mut impl Write, number: u8, content: &[u8]) -> io::Result<()> {
    section_header(output, number, content.len() as u64)?;
    output.write_all(content)
}

/// Refuses a section that is too long.
fn check_length(length: u64) -> io::Result<()> {
    if length > u64::from(u32::MAX) {
        let message = format!("{length} bytes do not fit a section of a core dump, which has less than 4 GiB");
        return Err(io::Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(())
}

/// What comes before so many bytes of a section.
fn section_header(output: &mut impl Write, number: u8, length: u64) -> io::Result<()> {
    check_length(length)?;
    let mut header = vec![number];
    unsigned(&mut header, length);
    output.write_all(&header)
}

/// A number as LEB128.
fn unsigned(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// An instruction with a number as signed LEB128.
fn signed(bytes: &mut Vec<u8>, instruction: u8, mut value: i64) {
    bytes.push(instruction);
    while !(-0x40..0x40).contains(&value) {
        bytes.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8 & 0x7f);
}
