//! Reads the bytes of a component as the definitions of it and of each component inside.

use super::{CoreKind, DEPTH_MAX, PlanError};
use std::ops::Range;
use wasmparser::{
    BinaryReaderError, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, Encoding, ExternalKind, Instance, Parser, Payload, Validator, WasmFeatures,
};

/// What an item of a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Module,
    Func,
    Value,
    Type,
    Instance,
    Component,
}

/// Options of a function that is lifted or lowered; without any, text is in UTF-8.
#[derive(Default)]
pub(super) struct Options {
    pub memory: Option<u32>,
    pub realloc: Option<u32>,
    /// The first one that is not there.
    pub unsupported: Option<&'static str>,
}

/// A definition; most add one item to the index space of their kind.
pub(super) enum Definition {
    CoreModule(Range<usize>),
    Instantiate {
        module: u32,
        args: Vec<(String, u32)>,
    },
    CoreExports(Vec<(String, CoreKind, u32)>),
    CoreAlias {
        kind: CoreKind,
        instance: u32,
        name: String,
    },
    Lower {
        func: u32,
        options: Options,
    },
    Lift {
        core: u32,
        options: Options,
    },
    ResourceDrop(u32),
    /// Another function of the canonical ABI.
    Builtin(String),
    Component(Vec<Definition>),
    InstantiateComponent {
        component: u32,
        args: Vec<(String, Kind, u32)>,
    },
    Exports(Vec<(String, Kind, u32)>),
    Alias {
        kind: Kind,
        instance: u32,
        name: String,
    },
    Outer {
        kind: Kind,
        count: u32,
        index: u32,
    },
    /// A core type. These have an index space of their own, of which nothing here needs anything.
    CoreType,
    Type,
    Resource,
    Import {
        name: String,
        kind: Kind,
    },
    Export {
        name: String,
        kind: Kind,
        index: u32,
    },
    Start,
}

/// The definitions of the outermost component.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Definition>, PlanError> {
    let mut reading = Reading { open: Vec::new(), is_in_module: false, done: None };
    let mut validator = Validator::new_with_features(features());
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(invalid)?;
        // Bodies of functions are validated when the modules are compiled.
        validator.payload(&payload).map_err(invalid)?;
        reading.payload(payload)?;
    }
    reading.done.ok_or_else(|| PlanError::Invalid("it ends too early".to_owned()))
}

/// All of core modules, whose own features the engine looks at; of components what is there by default.
fn features() -> WasmFeatures {
    let of_components = WasmFeatures::CM_VALUES
        .union(WasmFeatures::CM_NESTED_NAMES)
        .union(WasmFeatures::CM_ASYNC_STACKFUL)
        .union(WasmFeatures::CM_MORE_ASYNC_BUILTINS)
        .union(WasmFeatures::CM_THREADING)
        .union(WasmFeatures::CM_ERROR_CONTEXT)
        .union(WasmFeatures::CM_FIXED_LENGTH_LISTS)
        .union(WasmFeatures::CM_GC)
        .union(WasmFeatures::CM_MAP)
        .union(WasmFeatures::CM64)
        .union(WasmFeatures::CM_IMPLEMENTS)
        .union(WasmFeatures::CM_CANON_NAMES);
    WasmFeatures::all().difference(of_components)
}

fn invalid(error: BinaryReaderError) -> PlanError {
    // A message may quote a name, which is for a terminal.
    let message: String = error.message().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    PlanError::Invalid(format!("{message} (at offset {:#x})", error.offset()))
}

struct Reading {
    /// The components that have begun, the outermost first.
    open: Vec<Vec<Definition>>,
    is_in_module: bool,
    done: Option<Vec<Definition>>,
}

impl Reading {
    fn add(&mut self, definition: Definition) {
        if let Some(component) = self.open.last_mut() {
            component.push(definition);
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<(), PlanError> {
        match payload {
            Payload::End(_) if self.is_in_module => self.is_in_module = false,
            _ if self.is_in_module => {}
            Payload::Version { encoding: Encoding::Component, .. } if self.open.len() > DEPTH_MAX => {
                return Err(PlanError::Unsupported(format!(
                    "components within each other, more than {DEPTH_MAX} deep"
                )));
            }
            Payload::Version { encoding: Encoding::Component, .. } => self.open.push(Vec::new()),
            Payload::Version { .. } => return Err(PlanError::Invalid("it is a core module".to_owned())),
            Payload::ModuleSection { unchecked_range, .. } => {
                self.add(Definition::CoreModule(unchecked_range));
                self.is_in_module = true;
            }
            Payload::End(_) => {
                let component = self.open.pop();
                match self.open.last_mut() {
                    Some(outer) => outer.extend(component.map(Definition::Component)),
                    None => self.done = component,
                }
            }
            Payload::InstanceSection(section) => self.each(section, core_instance)?,
            Payload::ComponentInstanceSection(section) => self.each(section, instance)?,
            Payload::ComponentAliasSection(section) => self.each(section, alias)?,
            Payload::ComponentTypeSection(section) => self.each(section, |ty| match ty {
                ComponentType::Resource { .. } => Definition::Resource,
                _ => Definition::Type,
            })?,
            Payload::ComponentCanonicalSection(section) => self.each(section, canonical)?,
            Payload::ComponentStartSection { .. } => self.add(Definition::Start),
            Payload::ComponentImportSection(section) => self.each(section, |import| Definition::Import {
                name: import.name.name.to_owned(),
                kind: import.ty.kind().into(),
            })?,
            Payload::ComponentExportSection(section) => self.each(section, |export| Definition::Export {
                name: export.name.name.to_owned(),
                kind: export.kind.into(),
                index: export.index,
            })?,
            // Core types and custom sections say nothing of what is to be done; nested components come as payloads.
            _ => {}
        }
        Ok(())
    }

    fn each<'a, T: wasmparser::FromReader<'a>>(
        &mut self,
        section: wasmparser::SectionLimited<'a, T>,
        definition: impl Fn(T) -> Definition,
    ) -> Result<(), PlanError> {
        for item in section {
            self.add(definition(item.map_err(invalid)?));
        }
        Ok(())
    }
}

fn core_instance(instance: Instance<'_>) -> Definition {
    match instance {
        Instance::Instantiate { module_index, args } => Definition::Instantiate {
            module: module_index,
            args: args.iter().map(|arg| (arg.name.to_owned(), arg.index)).collect(),
        },
        Instance::FromExports(exports) => {
            let named = |export: &wasmparser::Export<'_>| (export.name.to_owned(), export.kind.into(), export.index);
            Definition::CoreExports(exports.iter().map(named).collect())
        }
    }
}

fn instance(instance: ComponentInstance<'_>) -> Definition {
    match instance {
        ComponentInstance::Instantiate { component_index, args } => Definition::InstantiateComponent {
            component: component_index,
            args: args.iter().map(|arg| (arg.name.to_owned(), arg.kind.into(), arg.index)).collect(),
        },
        ComponentInstance::FromExports(exports) => {
            let named = |export: &wasmparser::ComponentExport<'_>| {
                (export.name.name.to_owned(), export.kind.into(), export.index)
            };
            Definition::Exports(exports.iter().map(named).collect())
        }
    }
}

fn alias(alias: ComponentAlias<'_>) -> Definition {
    match alias {
        ComponentAlias::InstanceExport { kind, instance_index, name } => {
            Definition::Alias { kind: kind.into(), instance: instance_index, name: name.to_owned() }
        }
        ComponentAlias::CoreInstanceExport { kind, instance_index, name } => {
            Definition::CoreAlias { kind: kind.into(), instance: instance_index, name: name.to_owned() }
        }
        ComponentAlias::Outer { kind, count, index } => {
            let kind = match kind {
                ComponentOuterAliasKind::CoreModule => Kind::Module,
                ComponentOuterAliasKind::Component => Kind::Component,
                ComponentOuterAliasKind::Type => Kind::Type,
                ComponentOuterAliasKind::CoreType => return Definition::CoreType,
            };
            Definition::Outer { kind, count, index }
        }
    }
}

fn canonical(function: CanonicalFunction) -> Definition {
    match function {
        CanonicalFunction::Lift { core_func_index, options, .. } => {
            Definition::Lift { core: core_func_index, options: Options::of(&options) }
        }
        CanonicalFunction::Lower { func_index, options } => {
            Definition::Lower { func: func_index, options: Options::of(&options) }
        }
        CanonicalFunction::ResourceDrop { resource } => Definition::ResourceDrop(resource),
        other => {
            // The variant's name is the function's.
            let text = format!("{other:?}");
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            Definition::Builtin(text[..end].to_owned())
        }
    }
}

impl Options {
    fn of(options: &[CanonicalOption]) -> Options {
        let mut found = Options::default();
        for option in options {
            match *option {
                CanonicalOption::UTF8 | CanonicalOption::PostReturn(_) => {}
                CanonicalOption::Memory(index) => found.memory = Some(index),
                CanonicalOption::Realloc(index) => found.realloc = Some(index),
                CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {
                    found.unsupported = Some("strings in another encoding than UTF-8");
                }
                CanonicalOption::Async | CanonicalOption::Callback(_) => {
                    found.unsupported = Some("asynchronous functions");
                }
                CanonicalOption::CoreType(_) | CanonicalOption::Gc => {
                    found.unsupported = Some("functions over garbage-collected objects");
                }
            }
        }
        found
    }
}

impl From<ComponentExternalKind> for Kind {
    fn from(kind: ComponentExternalKind) -> Kind {
        match kind {
            ComponentExternalKind::Module => Kind::Module,
            ComponentExternalKind::Func => Kind::Func,
            ComponentExternalKind::Value => Kind::Value,
            ComponentExternalKind::Type => Kind::Type,
            ComponentExternalKind::Instance => Kind::Instance,
            ComponentExternalKind::Component => Kind::Component,
        }
    }
}

impl From<ExternalKind> for CoreKind {
    fn from(kind: ExternalKind) -> CoreKind {
        match kind {
            ExternalKind::Memory => CoreKind::Memory,
            ExternalKind::Table => CoreKind::Table,
            ExternalKind::Global => CoreKind::Global,
            ExternalKind::Tag => CoreKind::Tag,
            ExternalKind::Func | ExternalKind::FuncExact => CoreKind::Func,
        }
    }
}
