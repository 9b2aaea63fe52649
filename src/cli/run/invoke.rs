//! `--invoke`: arguments by the export's types, results as text.

use super::values::{Argument, text};
use crate::cli::failure::UsageError;
use crate::cli::host::Host;
use crate::cli::output::line;
use anyhow::{Result, anyhow};
use heapwood::{Error, Instance, Module, Store, Val, ValType, printable};
use std::ffi::OsString;

/// Words that stand before the numbers of one value.
const OF_SEVERAL_WORDS: [&str; 7] = ["i31", "i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2"];

/// What to do about a value that came as several arguments.
fn quotes(args: &[OsString]) -> Option<String> {
    let word = OF_SEVERAL_WORDS.iter().find(|word| args.iter().any(|arg| arg == **word))?;
    Some(format!("; `{word}` and the numbers behind it are one argument, in quotes"))
}

/// A call that the command line describes.
pub struct Call {
    name: String,
    args: Vec<Argument>,
    results: usize,
}

impl Call {
    /// # Errors
    /// There is no such function; [`UsageError`] if the arguments do not fit it.
    pub fn parse(module: &Module, name: &str, args: &[OsString]) -> Result<Call> {
        let (export, shown) = (module.get_export(name), printable(name));
        let ty = match &export {
            Some(ty) => ty.func().ok_or_else(|| anyhow!("--invoke: the export `{shown}` is no function but {ty}"))?,
            None => return Err(anyhow!("--invoke: there is no export `{shown}`")),
        };
        let (wanted, given) = (ty.params().len(), args.len());
        if wanted != given {
            let hint = quotes(args).unwrap_or_default();
            let wrong = format!("`{shown}` {ty} takes {wanted} arguments, {given} were given{hint}");
            return Err(UsageError::new(wrong).into());
        }
        let parse = |(arg, ty): (&OsString, ValType)| {
            let parsed = arg.to_str().and_then(|text| Argument::parse(text, &ty));
            parsed.ok_or_else(|| UsageError::new(format!("`{shown}` {ty}: `{}` is no {ty}", arg.display())))
        };
        let args = args.iter().zip(ty.params()).map(parse).collect::<Result<_, _>>()?;
        Ok(Call { name: name.to_owned(), args, results: ty.results().len() })
    }

    /// Calls the function and prints its results.
    pub fn run(&self, store: &mut Store<Host>, instance: Instance) -> heapwood::Result<()> {
        let func = instance.get_func(&mut *store, &self.name);
        let func =
            func.ok_or_else(|| Error::msg(format!("there is no exported function `{}`", printable(&self.name))))?;
        let mut results = vec![Val::I32(0); self.results];
        let args = self.args.iter().map(|arg| arg.value(&mut *store)).collect::<heapwood::Result<Vec<_>>>()?;
        func.call(&mut *store, &args, &mut results)?;
        for result in &results {
            line!("{}", text(store, result)?);
        }
        Ok(())
    }
}
