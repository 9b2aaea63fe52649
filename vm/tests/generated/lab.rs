//! Modules under test: instances with the modules that they import from, and results as bits.

use crate::common;
use heapwood_vm::*;

/// A store with the instance of a module.
pub struct Lab {
    pub store: Store<()>,
    pub instance: Instance,
}

/// What a call did: results as bits (a reference: whether it is not null), or the trap.
pub type Outcome = std::result::Result<Vec<u128>, TrapKind>;

/// An integer of a type; an i32 has the lower half of the bits.
pub fn integer(ty: &str, value: i64) -> Val {
    if ty == "i32" { Val::I32(value as i32) } else { Val::I64(value) }
}

/// The number by which the text format names that integer.
pub fn literal(ty: &str, value: i64) -> i64 {
    if ty == "i32" { i64::from(value as i32) } else { value }
}

impl Lab {
    /// Instances of the modules of `libraries` under their names, then of `text`, which may import from all of them.
    ///
    /// # Errors
    /// The last module is not instantiated.
    pub fn try_new(mode: usize, libraries: &[(&str, &str)], text: &str) -> Result<Lab> {
        let (_, config) = common::modes()[mode].clone();
        Lab::with(&config, libraries, text)
    }

    /// Like [`Lab::try_new`], for a configuration of its own.
    pub fn with(config: &Config, libraries: &[(&str, &str)], text: &str) -> Result<Lab> {
        let engine = Engine::new(config)?;
        let compile = |text: &str| {
            let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            Module::new(&engine, bytes).unwrap_or_else(|error| panic!("{error}\n{text}"))
        };
        let mut store = Store::new(&engine, ());
        let mut linker = Linker::new(&engine);
        linker.func_wrap("host", "i32", || 0x166)?;
        let value = Val::ExternRef(Some(ExternRef::new(&mut store, "a value of the host")?));
        let ty = ValType::Ref(RefType::new(true, HeapType::Extern));
        linker.define("host", "value", Global::new(&mut store, GlobalType::new(ty, false), value)?)?;
        for (name, text) in libraries {
            let library = linker.instantiate(&mut store, &compile(text)).unwrap();
            linker.instance(&mut store, name, library)?;
        }
        let instance = linker.instantiate(&mut store, &compile(text))?;
        Ok(Lab { store, instance })
    }

    pub fn new(mode: usize, libraries: &[(&str, &str)], text: &str) -> Lab {
        Lab::try_new(mode, libraries, text).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn func(&mut self, name: &str) -> Func {
        self.instance.get_func(&mut self.store, name).unwrap_or_else(|| panic!("no export {name}"))
    }

    /// Calls an export; the values as they are.
    pub fn values(&mut self, func: Func, args: &[Val]) -> std::result::Result<Vec<Val>, TrapKind> {
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        match func.call(&mut self.store, args, &mut results) {
            Ok(()) => Ok(results),
            Err(error) => Err(error.trap().unwrap_or_else(|| panic!("no trap: {error}")).kind()),
        }
    }

    /// Calls an export in a scope of its own.
    pub fn call(&mut self, name: &str, args: &[Val]) -> Outcome {
        let func = self.func(name);
        let mut results = vec![Val::I32(0); func.ty(&self.store).results().len()];
        let mut scope = RootScope::new(&mut self.store);
        match func.call(&mut scope, args, &mut results) {
            Ok(()) => Ok(results.iter().map(bits).collect()),
            Err(error) => Err(error.trap().unwrap_or_else(|| panic!("no trap: {error}")).kind()),
        }
    }

    /// The only result of an export without parameters; a reference stays alive as long as the store.
    pub fn make(&mut self, name: &str) -> Val {
        let func = self.func(name);
        self.values(func, &[]).unwrap()[0]
    }

    pub fn memory(&mut self, name: &str) -> Memory {
        self.instance.get_memory(&mut self.store, name).unwrap_or_else(|| panic!("no memory {name}"))
    }
}

/// A value as bits.
pub fn bits(value: &Val) -> u128 {
    match *value {
        Val::I32(value) => value as u32 as u128,
        Val::I64(value) => value as u64 as u128,
        Val::F32(bits) => bits as u128,
        Val::F64(bits) => bits as u128,
        Val::V128(bits) => bits,
        reference => !reference.is_null() as u128,
    }
}
