//! Follows the definitions of a component, with an index space for each kind of items.
//!
//! Items are values that know where they come from: a function is one of the host's (by interface and name) or a core
//! function that was lifted. A component within another gets its imports as such values, so that its exports are some
//! too.

use super::read::{Definition, Kind, Options};
use super::{CoreFunc, CoreInstance, CoreItem, CoreKind, DEPTH_MAX, ExportOf, Plan, PlanError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Definitions that are followed at most, and names in them, beside one for each byte of the component. Components that
/// instantiate each other can be short and never come to an end.
const SPARE_STEPS: usize = 1 << 18;

/// The interface whose function `run` is what a command does.
const RUN: &str = "wasi:cli/run";

#[derive(Clone)]
enum Item<'d> {
    Func(Func),
    Instance(Rc<Instance<'d>>),
    Component(&'d [Definition]),
    /// A type, with the name under which an instance exports it.
    Type(Option<Rc<str>>),
}

#[derive(Clone)]
enum Func {
    Host {
        interface: Rc<str>,
        name: Rc<str>,
    },
    /// A place in [`Plan::funcs`], and what of its lifting is not there.
    Lifted(usize, Option<&'static str>),
}

enum Instance<'d> {
    /// The host's.
    Import(Rc<str>),
    Exports(Named<'d>),
}

/// Items by their names.
type Named<'d> = BTreeMap<&'d str, Item<'d>>;

/// The index spaces of a component.
#[derive(Default)]
struct Spaces<'d> {
    funcs: Vec<Func>,
    instances: Vec<Rc<Instance<'d>>>,
    components: Vec<&'d [Definition]>,
    types: Vec<Option<Rc<str>>>,
    exports: Vec<(&'d str, Item<'d>)>,
}

/// Where a component's imports come from.
#[derive(Clone, Copy)]
enum Imports<'a, 'd> {
    /// The outermost component, whose imports are the host's.
    Host,
    Given(&'a Named<'d>),
}

/// Follows the definitions of a component of so many bytes.
pub(super) fn evaluate(definitions: &[Definition], bytes: usize) -> Result<Plan, PlanError> {
    let mut evaluation = Evaluation { plan: Plan::default(), steps: SPARE_STEPS + bytes, depth: 0 };
    let exports = evaluation.component(definitions, Imports::Host)?;
    let mut plan = evaluation.plan;
    for (name, item) in exports {
        if let (true, Item::Instance(instance)) = (crate::surface::is_version_of(name, RUN), &item) {
            plan.run = run_of(instance)?;
        }
        plan.exports.push(name.to_owned());
    }
    Ok(plan)
}

fn run_of(instance: &Instance<'_>) -> Result<Option<usize>, PlanError> {
    let Instance::Exports(exports) = instance else { return Ok(None) };
    match exports.get("run") {
        Some(Item::Func(Func::Lifted(place, None))) => Ok(Some(*place)),
        Some(Item::Func(Func::Lifted(_, Some(missing)))) => Err(unsupported(*missing)),
        _ => Ok(None),
    }
}

fn unsupported(what: impl Into<String>) -> PlanError {
    PlanError::Unsupported(what.into())
}

/// An index that the validator let through leads somewhere, unless what it leads to was refused or is ours to add.
fn at<T: Clone>(space: &[T], index: u32) -> Result<T, PlanError> {
    space.get(index as usize).cloned().ok_or_else(|| PlanError::Invalid(format!("index {index} is out of bounds")))
}

struct Evaluation {
    plan: Plan,
    /// Those that are left.
    steps: usize,
    depth: usize,
}

impl Evaluation {
    /// What the component exports.
    fn component<'d>(
        &mut self,
        definitions: &'d [Definition],
        imports: Imports<'_, 'd>,
    ) -> Result<Vec<(&'d str, Item<'d>)>, PlanError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(unsupported(format!("components within each other, more than {DEPTH_MAX} deep")));
        }
        let mut spaces = Spaces::default();
        for definition in definitions {
            self.step(1)?;
            match imports {
                Imports::Host if self.core(&mut spaces, definition)? => {}
                _ => self.define(&mut spaces, definition, imports)?,
            }
        }
        self.depth -= 1;
        Ok(spaces.exports)
    }

    /// # Errors
    /// So many steps are too many.
    fn step(&mut self, steps: usize) -> Result<(), PlanError> {
        let too_many =
            || unsupported("more definitions than a component of its size may have, with those of components within");
        self.steps = self.steps.checked_sub(steps).ok_or_else(too_many)?;
        Ok(())
    }

    /// Adds a core item, if that is what is defined.
    fn core(&mut self, spaces: &mut Spaces<'_>, definition: &Definition) -> Result<bool, PlanError> {
        match definition {
            Definition::CoreModule(range) => self.plan.modules.push(range.clone()),
            Definition::Instantiate { module, args } => {
                let module = checked(*module, self.plan.modules.len())?;
                let args = args.iter().map(|(name, index)| Ok((name.clone(), self.instance(*index)?)));
                let args = args.collect::<Result<_, PlanError>>()?;
                self.plan.instances.push(CoreInstance::Instantiate { module, args });
            }
            Definition::CoreExports(exports) => {
                let item = |(name, kind, index): &(String, CoreKind, u32)| {
                    Ok((name.clone(), CoreItem { kind: *kind, index: checked(*index, self.count(*kind))? }))
                };
                let exports = exports.iter().map(item).collect::<Result<_, PlanError>>()?;
                self.plan.instances.push(CoreInstance::Exports(exports));
            }
            Definition::CoreAlias { kind, instance, name } => {
                let export = ExportOf { instance: self.instance(*instance)?, name: name.clone() };
                match kind {
                    CoreKind::Func => self.plan.funcs.push(CoreFunc::Export(export)),
                    CoreKind::Memory => self.plan.memories.push(export),
                    CoreKind::Table => self.plan.tables.push(export),
                    CoreKind::Global => self.plan.globals.push(export),
                    CoreKind::Tag => self.plan.tags.push(export),
                }
            }
            Definition::Lower { func, options } => self.lower(&at(&spaces.funcs, *func)?, options)?,
            Definition::Lift { core, options } => {
                spaces.funcs.push(Func::Lifted(checked(*core, self.plan.funcs.len())?, options.unsupported));
            }
            Definition::ResourceDrop(ty) => match at(&spaces.types, *ty)? {
                Some(name) => self.plan.funcs.push(CoreFunc::Drop(name.to_string())),
                None => return Err(unsupported("resources that are not the host's")),
            },
            Definition::Builtin(name) => return Err(unsupported(format!("the canonical function {name}"))),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn lower(&mut self, func: &Func, options: &Options) -> Result<(), PlanError> {
        let Func::Host { interface, name } = func else {
            return Err(unsupported("functions of the component that it lowers for itself"));
        };
        if let Some(missing) = options.unsupported {
            return Err(unsupported(format!("{missing} (`{interface}`: `{name}`)")));
        }
        let memory = options.memory.map(|index| checked(index, self.plan.memories.len())).transpose()?;
        let realloc = options.realloc.map(|index| checked(index, self.plan.funcs.len())).transpose()?;
        let (interface, name) = (interface.to_string(), name.to_string());
        self.plan.funcs.push(CoreFunc::Lowered { interface, name, memory, realloc });
        Ok(())
    }

    fn instance(&self, index: u32) -> Result<usize, PlanError> {
        checked(index, self.plan.instances.len())
    }

    fn count(&self, kind: CoreKind) -> usize {
        match kind {
            CoreKind::Func => self.plan.funcs.len(),
            CoreKind::Memory => self.plan.memories.len(),
            CoreKind::Table => self.plan.tables.len(),
            CoreKind::Global => self.plan.globals.len(),
            CoreKind::Tag => self.plan.tags.len(),
        }
    }

    /// Adds an item of the component itself.
    fn define<'d>(
        &mut self,
        spaces: &mut Spaces<'d>,
        definition: &'d Definition,
        imports: Imports<'_, 'd>,
    ) -> Result<(), PlanError> {
        let item = match definition {
            Definition::CoreType => return Ok(()),
            Definition::Type => Item::Type(None),
            Definition::Component(definitions) => Item::Component(definitions),
            Definition::Import { name, kind } => self.import(name, *kind, imports)?,
            Definition::Exports(exports) => {
                self.step(exports.len())?;
                Item::Instance(Rc::new(Instance::Exports(spaces.items(exports)?)))
            }
            Definition::InstantiateComponent { component, args } => {
                self.step(args.len())?;
                let (component, args) = (at(&spaces.components, *component)?, spaces.items(args)?);
                let exports = self.component(component, Imports::Given(&args))?.into_iter().collect();
                Item::Instance(Rc::new(Instance::Exports(exports)))
            }
            Definition::Alias { kind, instance, name } => at(&spaces.instances, *instance)?.export(name, *kind)?,
            Definition::Outer { kind: Kind::Type, count: 0, index } => Item::Type(at(&spaces.types, *index)?),
            Definition::Outer { kind: Kind::Type, .. } => Item::Type(None),
            Definition::Outer { kind, .. } => {
                return Err(unsupported(format!("{} of an outer component", kind.plural())));
            }
            Definition::Export { name, kind, index } => {
                let item = spaces.item(*kind, *index)?;
                spaces.exports.push((name, item.clone()));
                item
            }
            Definition::Resource => return Err(unsupported("resources that a component defines")),
            Definition::Start => return Err(unsupported("a start function of a component")),
            _ => return Err(unsupported("core modules and functions in a component within another")),
        };
        spaces.add(item);
        Ok(())
    }

    fn import<'d>(&mut self, name: &str, kind: Kind, imports: Imports<'_, 'd>) -> Result<Item<'d>, PlanError> {
        match (imports, kind) {
            (Imports::Given(items), _) => match items.get(name) {
                Some(item) => Ok(item.clone()),
                None => Err(PlanError::Invalid(format!("a component within is not given its import `{name}`"))),
            },
            (Imports::Host, Kind::Instance | Kind::Func | Kind::Type) => {
                self.plan.imports.push(name.to_owned());
                Ok(match kind {
                    Kind::Instance => Item::Instance(Rc::new(Instance::Import(name.into()))),
                    Kind::Func => Item::Func(Func::Host { interface: "".into(), name: name.into() }),
                    _ => Item::Type(Some(name.into())),
                })
            }
            (Imports::Host, _) => Err(unsupported(format!("the import `{name}`, one of {}", kind.plural()))),
        }
    }
}

/// An index below a length.
fn checked(index: u32, len: usize) -> Result<usize, PlanError> {
    let fits = usize::try_from(index).ok().filter(|index| *index < len);
    fits.ok_or_else(|| PlanError::Invalid(format!("index {index} is out of bounds")))
}

impl<'d> Spaces<'d> {
    fn add(&mut self, item: Item<'d>) {
        match item {
            Item::Func(func) => self.funcs.push(func),
            Item::Instance(instance) => self.instances.push(instance),
            Item::Component(component) => self.components.push(component),
            Item::Type(name) => self.types.push(name),
        }
    }

    fn item(&self, kind: Kind, index: u32) -> Result<Item<'d>, PlanError> {
        Ok(match kind {
            Kind::Func => Item::Func(at(&self.funcs, index)?),
            Kind::Instance => Item::Instance(at(&self.instances, index)?),
            Kind::Component => Item::Component(at(&self.components, index)?),
            Kind::Type => Item::Type(at(&self.types, index)?),
            Kind::Module | Kind::Value => return Err(unsupported(format!("{} that are passed on", kind.plural()))),
        })
    }

    fn items(&self, named: &'d [(String, Kind, u32)]) -> Result<Named<'d>, PlanError> {
        named.iter().map(|(name, kind, index)| Ok((&**name, self.item(*kind, *index)?))).collect()
    }
}

impl<'d> Instance<'d> {
    fn export(&self, name: &str, kind: Kind) -> Result<Item<'d>, PlanError> {
        match (self, kind) {
            (Instance::Exports(exports), _) => match exports.get(name) {
                Some(item) => Ok(item.clone()),
                None => Err(PlanError::Invalid(format!("there is no export `{name}`"))),
            },
            (Instance::Import(interface), Kind::Func) => {
                Ok(Item::Func(Func::Host { interface: interface.clone(), name: name.into() }))
            }
            (Instance::Import(_), Kind::Type) => Ok(Item::Type(Some(name.into()))),
            (Instance::Import(interface), _) => {
                Err(unsupported(format!("{} of `{interface}`: `{name}`", kind.plural())))
            }
        }
    }
}

impl Kind {
    fn plural(self) -> &'static str {
        match self {
            Kind::Module => "core modules",
            Kind::Func => "functions",
            Kind::Value => "values",
            Kind::Type => "types",
            Kind::Instance => "instances",
            Kind::Component => "components",
        }
    }
}
