//! The directives of one script.

use super::{spectest, values};
use crate::cli::module_file;
use anyhow::{Context, Result, anyhow, bail, ensure};
use heapwood::{
    Engine, ErrorKind, Extern, Features, Instance, Linker, Module, SharedMemory, Store, TrapKind, Val, is_malformed,
};
use std::collections::HashMap;
use wast::core::{WastArgCore, WastRetCore};
use wast::token::Id;
use wast::{QuoteWat, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, Wat};

/// The state of a script: its store, what it registered, and its instances and modules.
pub struct Script {
    store: Store<()>,
    /// Where images are made from which modules are loaded, if they are.
    press: Option<Engine>,
    features: Features,
    linker: Linker<()>,
    instances: Named<Instance>,
    definitions: Named<Module>,
    shared: Option<SharedModule>,
}

/// A module of the script that a thread may register: what of its exports crosses threads.
pub struct SharedModule {
    name: String,
    memories: Vec<(String, SharedMemory)>,
}

/// Things by their name in the script, and the last one.
struct Named<T> {
    last: Option<T>,
    by_name: HashMap<String, T>,
}

impl<T: Clone> Named<T> {
    fn new() -> Named<T> {
        Named { last: None, by_name: HashMap::new() }
    }

    fn add(&mut self, name: Option<Id<'_>>, item: T) {
        if let Some(name) = name {
            self.by_name.insert(name.name().to_owned(), item.clone());
        }
        self.last = Some(item);
    }

    fn forget(&mut self, name: Option<Id<'_>>) {
        self.last = None;
        if let Some(name) = name {
            self.by_name.remove(name.name());
        }
    }

    fn get(&self, name: Option<Id<'_>>) -> Result<T> {
        let found = match name {
            None => self.last.as_ref(),
            Some(name) => self.by_name.get(name.name()),
        };
        let named = || name.map_or_else(|| "current module".to_owned(), |name| format!("module ${}", name.name()));
        found.cloned().ok_or_else(|| anyhow!("there is no {}", named()))
    }
}

/// How an action ended.
enum Outcome {
    Values(Vec<Val>),
    Error(heapwood::Error),
}

impl Script {
    pub fn new(
        mut store: Store<()>,
        press: Option<Engine>,
        features: Features,
        shared: Option<SharedModule>,
    ) -> Result<Script> {
        let mut linker = Linker::new(store.engine());
        linker.allow_shadowing(true);
        spectest::define(&mut linker, &mut store, features.has("threads"))?;
        Ok(Script { store, press, features, linker, instances: Named::new(), definitions: Named::new(), shared })
    }

    pub fn store_mut(&mut self) -> &mut Store<()> {
        &mut self.store
    }

    /// Runs one directive.
    ///
    /// # Errors
    /// The directive did not end as it says it should; the error is the reason.
    pub fn run(&mut self, directive: WastDirective<'_>) -> Result<()> {
        match directive {
            WastDirective::Module(mut module) => self.module(&mut module),
            WastDirective::ModuleDefinition(mut module) => {
                let compiled = self.compile(&mut module)?;
                self.definitions.add(module.name(), compiled);
                Ok(())
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = self.definitions.get(module)?;
                self.instantiate(instance, &module)
            }
            WastDirective::Register { name, module, .. } => self.register(name, module),
            WastDirective::Invoke(invoke) => match self.invoke(&invoke)? {
                Outcome::Values(_) => Ok(()),
                Outcome::Error(error) => Err(error.into()),
            },
            WastDirective::AssertReturn { exec, results, .. } => self.assert_return(exec, &results),
            WastDirective::AssertTrap { exec, message, .. } => self.assert_trap(exec, message),
            WastDirective::AssertExhaustion { call, .. } => {
                let outcome = self.invoke(&call)?;
                expect_trap(outcome, |kind| kind == TrapKind::StackExhausted, "call stack exhausted")
            }
            WastDirective::AssertException { exec, .. } => match self.execute(exec)? {
                Outcome::Error(error) if error.exception().is_some() => Ok(()),
                Outcome::Error(error) => bail!("expected an exception, got: {error}"),
                Outcome::Values(values) => bail!("expected an exception, got {} values", values.len()),
            },
            WastDirective::AssertMalformed { module, message, .. } => self.assert_malformed(module, message),
            WastDirective::AssertInvalid { module, message, .. } => self.assert_invalid(module, message),
            WastDirective::AssertUnlinkable { module, message, .. } => self.assert_unlinkable(module, message),
            // Custom sections mean nothing to execution: whatever they hold is accepted.
            WastDirective::AssertInvalidCustom { mut module, .. }
            | WastDirective::AssertMalformedCustom { mut module, .. } => match module.encode() {
                Ok(bytes) => Ok(Module::validate(self.store.engine(), &bytes)?),
                Err(_) => Ok(()),
            },
            WastDirective::Thread(_) | WastDirective::Wait { .. } => unreachable!("`directives` runs them"),
            WastDirective::AssertSuspension { .. } => bail!("stack switching is not supported"),
        }
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>) -> Result<()> {
        let shared = self.shared.as_ref().filter(|shared| module.is_some_and(|module| module.name() == shared.name));
        if let Some(shared) = shared {
            for (export, memory) in &shared.memories {
                self.linker.define(name, export, memory.clone())?;
            }
            return Ok(());
        }
        let instance = self.instances.get(module)?;
        self.linker.instance(&mut self.store, name, instance)?;
        Ok(())
    }

    /// What a thread gets of an instance.
    pub fn shared_module(&mut self, name: Id<'_>) -> Result<SharedModule> {
        let exports = self.instances.get(Some(name))?.exports(&mut self.store);
        let memories = exports.into_iter().filter_map(|(export, item)| match item {
            Extern::SharedMemory(memory) => Some((export, memory)),
            _ => None,
        });
        Ok(SharedModule { name: name.name().to_owned(), memories: memories.collect() })
    }

    /// After a failure nothing has the module's name, so that what follows does not run against another one.
    fn module(&mut self, module: &mut QuoteWat<'_>) -> Result<()> {
        self.instances.forget(module.name());
        let compiled = self.compile(module)?;
        // A module is a definition as well.
        self.definitions.add(module.name(), compiled.clone());
        self.instantiate(module.name(), &compiled)
    }

    fn compile(&self, module: &mut QuoteWat<'_>) -> Result<Module> {
        if matches!(module, QuoteWat::Wat(Wat::Component(_)) | QuoteWat::QuoteComponent(..)) {
            bail!("components are not supported");
        }
        let bytes = module.encode().map_err(|error| anyhow!("the text does not parse: {}", error.message()))?;
        let engine = self.store.engine();
        Ok(match &self.press {
            Some(press) => module_file::through_image(engine, press, &bytes)?,
            None => Module::new(engine, &bytes)?,
        })
    }

    fn instantiate(&mut self, name: Option<Id<'_>>, module: &Module) -> Result<()> {
        self.instances.forget(name);
        let instance = self.linker.instantiate(&mut self.store, module)?;
        self.instances.add(name, instance);
        Ok(())
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Result<Outcome> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke),
            WastExecute::Wat(module) => {
                let module = self.compile(&mut QuoteWat::Wat(module))?;
                Ok(match self.linker.instantiate(&mut self.store, &module) {
                    Ok(_) => Outcome::Values(Vec::new()),
                    Err(error) => Outcome::Error(error),
                })
            }
            WastExecute::Get { module, global, .. } => {
                let instance = self.instances.get(module)?;
                let found = instance.get_global(&mut self.store, global);
                let global = found.with_context(|| format!("there is no exported global `{global}`"))?;
                Ok(Outcome::Values(vec![global.get(&mut self.store)]))
            }
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) -> Result<Outcome> {
        let instance = self.instances.get(invoke.module)?;
        let found = instance.get_func(&mut self.store, invoke.name);
        let function = found.with_context(|| format!("there is no exported function `{}`", invoke.name))?;
        let mut args = Vec::with_capacity(invoke.args.len());
        for arg in &invoke.args {
            args.push(values::argument(&mut self.store, core_argument(arg)?)?);
        }
        let results = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); results];
        Ok(match function.call(&mut self.store, &args, &mut results) {
            Ok(()) => Outcome::Values(results),
            Err(error) => Outcome::Error(error),
        })
    }

    fn assert_return(&mut self, exec: WastExecute<'_>, expected: &[WastRet<'_>]) -> Result<()> {
        let values = match self.execute(exec)? {
            Outcome::Values(values) => values,
            Outcome::Error(error) => return Err(error.into()),
        };
        let (wanted, got) = (expected.len(), values.len());
        ensure!(wanted == got, "expected {wanted} results, got {got}");
        for (index, (value, expected)) in values.iter().zip(expected).enumerate() {
            let expected = core_result(expected)?;
            if !values::matches(&self.store, value, expected)? {
                bail!(
                    "result {index}: expected {}, got {}",
                    values::pattern(expected),
                    values::text(&self.store, value)
                );
            }
        }
        Ok(())
    }

    fn assert_trap(&mut self, exec: WastExecute<'_>, message: &str) -> Result<()> {
        let outcome = self.execute(exec)?;
        expect_trap(outcome, |kind| trap_matches(kind, message), message)
    }

    fn assert_malformed(&self, mut module: QuoteWat<'_>, message: &str) -> Result<()> {
        let Ok(bytes) = module.encode() else { return Ok(()) };
        match is_malformed(&bytes, self.features) {
            Some(_) => Ok(()),
            None => bail!("the module decodes, though it is malformed: {message}"),
        }
    }

    fn assert_invalid(&self, mut module: QuoteWat<'_>, message: &str) -> Result<()> {
        let bytes = module.encode().map_err(|error| anyhow!("malformed, not invalid: {}", error.message()))?;
        if let Some(error) = is_malformed(&bytes, self.features) {
            bail!("malformed, not invalid: {error}");
        }
        let validated = Module::validate(self.store.engine(), &bytes);
        let compiled = Module::new(self.store.engine(), &bytes);
        match (validated, compiled) {
            (Err(_), Err(error)) if matches!(error.kind(), ErrorKind::Module(_)) => Ok(()),
            (Err(_), Err(error)) => bail!("invalid, but compilation says: {error}"),
            (Err(_), Ok(_)) => bail!("invalid, but it compiles"),
            (Ok(()), _) => bail!("the module is valid, expected: {message}"),
        }
    }

    fn assert_unlinkable(&mut self, module: Wat<'_>, message: &str) -> Result<()> {
        let module = self.compile(&mut QuoteWat::Wat(module))?;
        match self.linker.instantiate(&mut self.store, &module) {
            Ok(_) => bail!("the module links, expected: {message}"),
            Err(error) if matches!(error.kind(), ErrorKind::Link(_)) => Ok(()),
            Err(error) => bail!("expected a link error ({message}), got: {error}"),
        }
    }
}

fn core_argument<'a, 'b>(arg: &'a WastArg<'b>) -> Result<&'a WastArgCore<'b>> {
    match arg {
        WastArg::Core(arg) => Ok(arg),
        _ => bail!("components are not supported"),
    }
}

fn core_result<'a, 'b>(result: &'a WastRet<'b>) -> Result<&'a WastRetCore<'b>> {
    match result {
        WastRet::Core(result) => Ok(result),
        _ => bail!("components are not supported"),
    }
}

fn expect_trap(outcome: Outcome, fits: impl Fn(TrapKind) -> bool, message: &str) -> Result<()> {
    match outcome {
        Outcome::Values(values) => bail!("expected the trap `{message}`, got {} values", values.len()),
        Outcome::Error(error) => match error.trap() {
            Some(trap) if fits(trap.kind()) => Ok(()),
            Some(trap) => bail!("expected the trap `{message}`, got `{trap}`"),
            None => bail!("expected the trap `{message}`, got: {error}"),
        },
    }
}

/// Scripts name a trap by the beginning of the interpreter's message, which may go on with numbers.
fn trap_matches(kind: TrapKind, message: &str) -> bool {
    let ours = kind.message();
    ours.starts_with(message) || message.strip_prefix(ours).is_some_and(|rest| rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traps_are_told_apart_by_kind() {
        assert!(trap_matches(TrapKind::UninitializedElement, "uninitialized element 7"));
        assert!(trap_matches(TrapKind::UninitializedElement, "uninitialized"));
        assert!(trap_matches(TrapKind::NullReference, "null reference"));
        assert!(!trap_matches(TrapKind::NullStruct, "null reference"));
        assert!(!trap_matches(TrapKind::MemoryOutOfBounds, "out of bounds table access"));
    }
}
