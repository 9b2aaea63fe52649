//! Files, in the older form, which traps, and in the newer one, which returns -1.

use super::{Context, Handle, MoonBit, Value, give, value, waiting};
use crate::wasi::PathKind;
use crate::{Caller, Linker, Result};
use heapwood_surfaces::moonbit::{Change, names_of};

const FS: &str = "__moonbit_fs_unstable";

/// The second half of `__moonbit_fs_unstable`.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    define_old(linker, context)?;
    define_new(linker, context)?;
    define_both(linker, context)?;
    linker.func_wrap(FS, "path_exists", move |mut caller: Caller<'_, T>, path: Handle| {
        let path = value(&caller, path, "path_exists")?;
        waiting(&mut caller, context, "path_exists", |_, wasi| MoonBit::leads_to(wasi, &path, None)).map(i32::from)
    })?;
    Ok(())
}

fn define_old<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker.func_wrap(FS, "read_file_to_string", move |mut caller: Caller<'_, T>, path: Handle| {
        let path = value(&caller, path, "read_file_to_string")?;
        let bytes = waiting(&mut caller, context, "read_file_to_string", |_, wasi| MoonBit::read_file(wasi, &path))?;
        give(&mut caller, Value::string(&String::from_utf8_lossy(&bytes)))
    })?;
    for name in ["write_string_to_file", "write_bytes_to_file"] {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, path: Handle, content: Handle| {
            let (path, content) = (value(&caller, path, name)?, value(&caller, content, name)?);
            waiting(&mut caller, context, name, |_, wasi| MoonBit::write_file(wasi, &path, &content))
        })?;
    }
    linker.func_wrap(FS, "read_dir", move |mut caller: Caller<'_, T>, path: Handle| {
        let path = value(&caller, path, "read_dir")?;
        let names = waiting(&mut caller, context, "read_dir", |_, wasi| MoonBit::read_dir(wasi, &path))?;
        give(&mut caller, names_of(&names))
    })?;
    Ok(())
}

fn define_new<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    linker.func_wrap(FS, "read_file_to_bytes_new", move |mut caller: Caller<'_, T>, path: Handle| {
        let path = value(&caller, path, "read_file_to_bytes_new")?;
        waiting(&mut caller, context, "read_file_to_bytes_new", |moonbit, wasi| {
            moonbit.told(MoonBit::read_file(wasi, &path), MoonBit::keep_content)
        })
    })?;
    linker.func_wrap(
        FS,
        "write_bytes_to_file_new",
        move |mut caller: Caller<'_, T>, path: Handle, content: Handle| {
            let name = "write_bytes_to_file_new";
            let (path, content) = (value(&caller, path, name)?, value(&caller, content, name)?);
            waiting(&mut caller, context, name, |moonbit, wasi| {
                moonbit.told(MoonBit::write_file(wasi, &path, &content), |_, ()| ())
            })
        },
    )?;
    linker.func_wrap(FS, "read_dir_new", move |mut caller: Caller<'_, T>, path: Handle| {
        let path = value(&caller, path, "read_dir_new")?;
        waiting(&mut caller, context, "read_dir_new", |moonbit, wasi| {
            moonbit.told(MoonBit::read_dir(wasi, &path), MoonBit::keep_names)
        })
    })?;
    let kept = |linker: &mut Linker<T>, name: &str, get: fn(&MoonBit) -> Value| {
        let give_kept = move |mut caller: Caller<'_, T>| {
            let kept = get(context(caller.data_mut()).0);
            give(&mut caller, kept)
        };
        linker.func_wrap(FS, name, give_kept).map(drop)
    };
    kept(linker, "get_file_content", MoonBit::content)?;
    kept(linker, "get_dir_files", MoonBit::names)?;
    kept(linker, "get_error_message", MoonBit::message)
}

/// Functions of a path alone, in both forms.
fn define_both<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    let changes = [
        ("create_dir", "create_dir_new", Change::CreateDir),
        ("remove_file", "remove_file_new", Change::RemoveFile),
        ("remove_dir", "remove_dir_new", Change::RemoveDir),
    ];
    for (old, new, change) in changes {
        linker.func_wrap(FS, old, move |mut caller: Caller<'_, T>, path: Handle| {
            let path = value(&caller, path, old)?;
            waiting(&mut caller, context, old, |_, wasi| MoonBit::change(wasi, change, &path))
        })?;
        linker.func_wrap(FS, new, move |mut caller: Caller<'_, T>, path: Handle| {
            let path = value(&caller, path, new)?;
            waiting(&mut caller, context, new, |moonbit, wasi| {
                moonbit.told(MoonBit::change(wasi, change, &path), |_, ()| ())
            })
        })?;
    }
    let kinds = [
        ("is_file", PathKind::File),
        ("is_file_new", PathKind::File),
        ("is_dir", PathKind::Directory),
        ("is_dir_new", PathKind::Directory),
    ];
    for (name, kind) in kinds {
        linker.func_wrap(FS, name, move |mut caller: Caller<'_, T>, path: Handle| {
            let path = value(&caller, path, name)?;
            waiting(&mut caller, context, name, |_, wasi| MoonBit::leads_to(wasi, &path, Some(kind))).map(i32::from)
        })?;
    }
    Ok(())
}
