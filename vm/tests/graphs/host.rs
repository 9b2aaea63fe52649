//! The host of the programs: keeps references, makes values, collects, calls back.

use super::model::HOST_DEPTH;
use super::program::HOST_PLACES;
use heapwood_vm::*;

/// What the host has.
#[derive(Default)]
pub struct Host {
    places: Vec<Option<Root<AnyRef>>>,
    depth: u32,
}

type HostFn = fn(Caller<'_, Host>, &[Val], &mut [Val]) -> Result<()>;

/// Functions for a module's imports.
pub fn linker(engine: &Engine, module: &Module) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    for import in module.imports() {
        let ty = import.ty.func().expect("only functions are imported").clone();
        let func: HostFn = match import.name {
            "put" => put,
            "get" => get,
            "collect" => collect,
            "value" => value,
            "read" => read,
            "call" => call,
            name => panic!("no function {name}"),
        };
        linker.func_new("h", import.name, ty, func)?;
    }
    Ok(linker)
}

fn number(value: &Val) -> i32 {
    value.i32().expect("an i32")
}

fn place(value: &Val) -> usize {
    (number(value) as u32 % HOST_PLACES) as usize
}

fn put(mut caller: Caller<'_, Host>, params: &[Val], _: &mut [Val]) -> Result<()> {
    let Val::AnyRef(reference) = params[1] else { panic!("{params:?}") };
    let root = reference.map(|reference| reference.to_owned(&mut caller)).transpose()?;
    let places = &mut caller.data_mut().places;
    places.resize(HOST_PLACES as usize, None);
    places[place(&params[0])] = root;
    Ok(())
}

fn get(mut caller: Caller<'_, Host>, params: &[Val], results: &mut [Val]) -> Result<()> {
    let root = caller.data().places.get(place(&params[0])).cloned().flatten();
    results[0] = Val::AnyRef(root.map(|root| root.to_rooted(&mut caller)).transpose()?);
    Ok(())
}

fn collect(mut caller: Caller<'_, Host>, params: &[Val], _: &mut [Val]) -> Result<()> {
    match number(&params[0]) {
        0 => caller.gc(),
        1 => {
            for value in 0..200 {
                ExternRef::new(&mut caller, value)?;
            }
            Ok(())
        }
        _ => caller.as_context_mut().heap_snapshot(std::io::sink()).map_err(Error::new),
    }
}

fn value(mut caller: Caller<'_, Host>, params: &[Val], results: &mut [Val]) -> Result<()> {
    results[0] = Val::ExternRef(Some(ExternRef::new(&mut caller, number(&params[0]))?));
    Ok(())
}

fn read(caller: Caller<'_, Host>, params: &[Val], results: &mut [Val]) -> Result<()> {
    let Val::ExternRef(Some(value)) = params[0] else { panic!("{params:?}") };
    let data = value.data(&caller)?.and_then(|data| data.downcast_ref::<i32>());
    results[0] = Val::I32(*data.expect("a value of this host"));
    Ok(())
}

/// Calls function 0, unless that is under way through here too often.
fn call(mut caller: Caller<'_, Host>, params: &[Val], results: &mut [Val]) -> Result<()> {
    if caller.data().depth == HOST_DEPTH {
        results.copy_from_slice(&[params[0], params[2]]);
        return Ok(());
    }
    let func = caller.get_export("f0").and_then(Extern::into_func).expect("an export");
    caller.data_mut().depth += 1;
    let result = func.call(&mut caller, params, results);
    caller.data_mut().depth -= 1;
    result
}
