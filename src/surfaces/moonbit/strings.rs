//! Strings, byte arrays and arrays of JavaScript, made and read piece by piece; arguments and environment.

use super::{Context, Handle, MoonBit, Value, change, ended, give, value};
use crate::{Caller, Linker, Result};
use heapwood_surfaces::moonbit::Kind;

const FS: &str = "__moonbit_fs_unstable";

/// The first half of `__moonbit_fs_unstable`.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    define_making(linker)?;
    define_reading(linker)?;
    define_arrays(linker)?;
    define_environment(linker, context)
}

fn define_making<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    let begin = |linker: &mut Linker<T>, name: &str, value: fn() -> Value| {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>| give(&mut caller, value())).map(drop)
    };
    begin(linker, "begin_create_string", Value::begin_string)?;
    begin(linker, "begin_create_byte_array", Value::begin_bytes)?;
    for name in ["string_append_char", "string_append_code_unit"] {
        linker.func_wrap(FS, name, |mut caller: Caller<'_, T>, handle: Handle, unit: i32| {
            change(&mut caller, handle, "string_append_char", |handle| handle.append_unit(unit))
        })?;
    }
    linker.func_wrap(FS, "byte_array_append_byte", |mut caller: Caller<'_, T>, handle: Handle, byte: i32| {
        change(&mut caller, handle, "byte_array_append_byte", |handle| handle.append_byte(byte))
    })?;
    for name in ["finish_create_string", "finish_create_byte_array"] {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, handle: Handle| {
            let made = change(&mut caller, handle, name, Value::finish)?;
            give(&mut caller, made)
        })?;
    }
    Ok(())
}

fn define_reading<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    let readers = [
        ("begin_read_string", Kind::String),
        ("begin_read_byte_array", Kind::Bytes),
        ("begin_read_string_array", Kind::Array),
    ];
    for (name, kind) in readers {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, from: Handle| {
            let handle = ended(name, value(&caller, from, name)?.begin_read(kind))?;
            give(&mut caller, handle)
        })?;
    }
    for name in ["string_read_char", "byte_array_read_byte"] {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, handle: Handle| {
            change(&mut caller, handle, name, Value::read_number)
        })?;
    }
    linker.func_wrap(FS, "string_array_read_string", |mut caller: Caller<'_, T>, handle: Handle| {
        let read = change(&mut caller, handle, "string_array_read_string", Value::read_string)?;
        give(&mut caller, read)
    })?;
    // Nothing is kept but the handle itself.
    for name in ["finish_read_string", "finish_read_byte_array", "finish_read_string_array"] {
        linker
            .func_wrap(FS, name, move |caller: Caller<'_, T>, handle: Handle| value(&caller, handle, name).map(drop))?;
    }
    Ok(())
}

fn define_arrays<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    linker.func_wrap(FS, "array_len", |caller: Caller<'_, T>, array: Handle| {
        let array = value(&caller, array, "array_len")?;
        ended("array_len", array.as_array("array_len").map(|values| i32::try_from(values.len()).unwrap_or(i32::MAX)))
    })?;
    linker.func_wrap(FS, "array_get", |mut caller: Caller<'_, T>, array: Handle, index: i32| {
        let array = value(&caller, array, "array_get")?;
        let values = ended("array_get", array.as_array("array_get"))?;
        // As in JavaScript there is something everywhere, but it is no value.
        match usize::try_from(index).ok().and_then(|index| values.get(index)) {
            Some(found) => give(&mut caller, found.clone()),
            None => Ok(None),
        }
    })?;
    linker.func_wrap(FS, "jsvalue_is_string", |caller: Caller<'_, T>, any: Handle| {
        Ok::<_, crate::Error>(i32::from(value(&caller, any, "").is_ok_and(|value| value.kind() == Kind::String)))
    })?;
    Ok(())
}

fn define_environment<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker.func_wrap(FS, "args_get", move |mut caller: Caller<'_, T>| {
        let args = MoonBit::args(context(caller.data_mut()).1);
        give(&mut caller, args)
    })?;
    linker.func_wrap(FS, "get_env_vars", move |mut caller: Caller<'_, T>| {
        let (moonbit, wasi) = context(caller.data_mut());
        let vars = moonbit.env_vars(wasi);
        give(&mut caller, vars)
    })?;
    for name in ["env_get_var", "get_env_var"] {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, variable: Handle| {
            let variable = value(&caller, variable, name)?;
            let (moonbit, wasi) = context(caller.data_mut());
            let found = ended(name, moonbit.env_var(wasi, &variable))?;
            give(&mut caller, found.unwrap_or_else(|| Value::string("")))
        })?;
    }
    linker.func_wrap(FS, "get_env_var_exists", move |mut caller: Caller<'_, T>, variable: Handle| {
        let variable = value(&caller, variable, "get_env_var_exists")?;
        let (moonbit, wasi) = context(caller.data_mut());
        ended("get_env_var_exists", moonbit.env_var(wasi, &variable)).map(|found| i32::from(found.is_some()))
    })?;
    linker.func_wrap(FS, "set_env_var", move |mut caller: Caller<'_, T>, variable: Handle, to: Handle| {
        let (variable, to) = (value(&caller, variable, "set_env_var")?, value(&caller, to, "set_env_var")?);
        let (moonbit, wasi) = context(caller.data_mut());
        ended("set_env_var", moonbit.set_env_var(wasi, &variable, Some(&to)))
    })?;
    linker.func_wrap(FS, "unset_env_var", move |mut caller: Caller<'_, T>, variable: Handle| {
        let variable = value(&caller, variable, "unset_env_var")?;
        let (moonbit, wasi) = context(caller.data_mut());
        ended("unset_env_var", moonbit.set_env_var(wasi, &variable, None))
    })?;
    linker.func_wrap(FS, "current_dir", |mut caller: Caller<'_, T>| give(&mut caller, Value::string("/")))?;
    Ok(())
}
