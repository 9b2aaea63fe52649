//! `exception`: what programs with an older core throw when they give up.

use super::EXCEPTION;
use crate::{Caller, Error, Exception, FuncType, Linker, Resolved, Result, Tag, TagType};

const TAG: &str = "tag";

/// `exception.tag`, of which each instance has its own, and `exception.throw`, which throws it.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>) -> Result<()> {
    let ty = TagType::new(FuncType::new(linker.engine(), [], [])?);
    let of_import = ty.clone();
    linker.resolve_with(EXCEPTION, move |import| Ok((import.name == TAG).then(|| Resolved::tag(of_import.clone()))));
    linker.func_wrap(EXCEPTION, "throw", move |mut caller: Caller<'_, T>| -> Result<()> {
        let imported = match caller.instance() {
            Some(instance) => instance.get_imported_tag(&mut caller, EXCEPTION, TAG),
            None => None,
        };
        // Who does not import the tag cannot tell it from another one.
        let tag = match imported {
            Some(tag) => tag,
            None => Tag::new(&mut caller, ty.clone())?,
        };
        Err(Error::from(Exception::new(&mut caller, tag, &[])?))
    })?;
    Ok(())
}
