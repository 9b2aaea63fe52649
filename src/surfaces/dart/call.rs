//! A call of a function of the surface: its arguments as what they have to be, and its result.

use super::{Context, Dart, MODULE, Types};
use crate::surfaces::{HostTrap, granted};
use crate::wasi::{GrantError, WasiCtx};
use crate::{
    AnyRef, ArrayRef, Caller, Error, ExternRef, Func, Result, Rooted, StorageType, StringRef, StringUnits, StructRef,
    StructType, Val,
};
use heapwood_surfaces::dart::UNITS_MAX;
use std::any::Any;

/// What a function gives, if it gives something.
pub(super) type Given = Result<Option<Val>>;

/// A call of the function `name`.
pub(super) struct Call<'c, 'a, T: 'static, C> {
    name: &'static str,
    caller: Caller<'a, T>,
    args: &'c [Val],
    context: C,
}

impl<'c, 'a, T: 'static, C: Context<T>> Call<'c, 'a, T, C> {
    pub fn new(name: &'static str, caller: Caller<'a, T>, args: &'c [Val], context: C) -> Call<'c, 'a, T, C> {
        Call { name, caller, args, context }
    }

    /// The store.
    pub fn caller(&mut self) -> &mut Caller<'a, T> {
        &mut self.caller
    }

    pub fn dart(&mut self) -> &mut Dart {
        (self.context)(self.caller.data_mut()).0
    }

    pub fn wasi(&mut self) -> &mut WasiCtx {
        (self.context)(self.caller.data_mut()).1
    }

    /// Where the grants are.
    pub fn grants(&self) -> impl Fn(&mut T) -> &mut WasiCtx + Copy + use<T, C> {
        super::grants(self.context)
    }

    pub fn types(&mut self) -> Types {
        let engine = self.caller.engine().clone();
        self.dart().types(&engine)
    }

    /// The trap of this function for a reason.
    pub fn trap<R>(&self, message: impl Into<String>) -> Result<R> {
        Err(Error::new(HostTrap::new(&self.full_name(), message)))
    }

    fn full_name(&self) -> String {
        format!("{MODULE}::{}", self.name)
    }

    /// What a grant gave.
    pub fn granted<R>(&self, result: Result<R, GrantError>) -> Result<R> {
        result.or_else(|error| granted(&self.full_name(), Err(error)))
    }

    pub fn i32(&self, index: usize) -> i32 {
        self.args[index].i32().expect("the type says so")
    }

    pub fn i64(&self, index: usize) -> i64 {
        self.args[index].i64().expect("the type says so")
    }

    pub fn f64(&self, index: usize) -> f64 {
        self.args[index].f64().expect("the type says so")
    }

    /// An integer that is not negative.
    pub fn size(&self, index: usize) -> Result<u32> {
        let value = self.i32(index);
        u32::try_from(value).or_else(|_| self.trap(format!("argument {index} is {value}, which is negative")))
    }

    /// A size in a string or an array that has so many units.
    pub fn within(&self, what: u32, len: u32) -> Result<u32> {
        if what <= len { Ok(what) } else { self.trap(format!("{what} is out of range: the length is {len}")) }
    }

    /// A reference of the `any` hierarchy, if it is not null.
    pub fn any_or_null(&self, index: usize) -> Option<Rooted<AnyRef>> {
        match self.args[index] {
            Val::AnyRef(any) => any,
            _ => unreachable!("the type says so"),
        }
    }

    pub fn any(&self, index: usize) -> Result<Rooted<AnyRef>> {
        self.any_or_null(index).map_or_else(|| self.trap(format!("argument {index} is null")), Ok)
    }

    pub fn func(&self, index: usize) -> Result<Func> {
        match self.args[index] {
            Val::FuncRef(Some(func)) => Ok(func),
            _ => self.trap(format!("argument {index} is null, in place of a function")),
        }
    }

    fn external(&self, index: usize) -> Option<Rooted<ExternRef>> {
        match self.args[index] {
            Val::ExternRef(external) => external,
            _ => unreachable!("the type says so"),
        }
    }

    fn is_no<R>(&self, index: usize, wanted: &str) -> Result<R> {
        let found = if self.external(index).is_none() { "null" } else { "something else" };
        self.trap(format!("argument {index} is {found}, in place of {wanted}"))
    }

    /// A string.
    pub fn string(&self, index: usize) -> Result<Rooted<StringRef>> {
        let found = self.external(index).map(|external| external.as_string(&self.caller)).transpose()?.flatten();
        found.map_or_else(|| self.is_no(index, "a string"), Ok)
    }

    /// A copy of a string's units.
    pub fn units(&mut self, index: usize) -> Result<Vec<u16>> {
        self.with_units(index, |units| units.iter().collect())
    }

    /// Lends a string's units.
    pub fn with_units<R>(&mut self, index: usize, look: impl FnOnce(StringUnits<'_>) -> R) -> Result<R> {
        Ok(look(self.string(index)?.units(&mut self.caller)?))
    }

    /// An array of these elements, which can be written if that `is_written`.
    pub fn array(&self, index: usize, elements: StorageType, is_written: bool) -> Result<Rooted<ArrayRef>> {
        let array = self.any(index)?.as_array(&self.caller)?;
        match array {
            Some(array) if self.has_elements(array, elements, is_written)? => Ok(array),
            _ => self.trap(format!("argument {index} is no array of such elements")),
        }
    }

    /// Whether an array has these elements, which can be written if that `is_written`.
    pub fn has_elements(&self, array: Rooted<ArrayRef>, elements: StorageType, is_written: bool) -> Result<bool> {
        let ty = array.ty(&self.caller)?;
        Ok(ty.element_type() == elements && (!is_written || ty.mutability().is_var()))
    }

    /// The host value of a type behind a reference; none if it is something else.
    pub fn value_or_none<V: Any + Send + Sync>(&self, index: usize) -> Result<Option<&V>> {
        let Some(external) = self.external(index) else { return Ok(None) };
        Ok(external.data(&self.caller)?.and_then(|value| value.downcast_ref()))
    }

    /// The host value of a type behind a reference.
    pub fn value<V: Any + Send + Sync>(&self, index: usize, wanted: &str) -> Result<&V> {
        self.value_or_none(index)?.map_or_else(|| self.is_no(index, wanted), Ok)
    }

    /// An object of the surface's own, of this type.
    pub fn object(&self, index: usize, ty: &StructType, wanted: &str) -> Result<Rooted<StructRef>> {
        let object =
            self.external(index).map(|external| external.to_any().as_struct(&self.caller)).transpose()?.flatten();
        match object {
            Some(object) if object.ty(&self.caller)? == *ty => Ok(object),
            _ => self.is_no(index, wanted),
        }
    }

    /// A string as result.
    pub fn give_units(&mut self, units: &[u16]) -> Given {
        Ok(Some(StringRef::from_utf16(&mut self.caller, units)?.to_externref().into()))
    }

    /// A string as result, or the trap for one that is too long.
    pub fn give_units_or_trap(&mut self, units: Option<&[u16]>) -> Given {
        match units {
            Some(units) => self.give_units(units),
            None => self.trap(format!("the result is longer than {UNITS_MAX} units")),
        }
    }

    /// A string as result.
    pub fn give_text(&mut self, text: &str) -> Given {
        Ok(Some(StringRef::new(&mut self.caller, text)?.to_externref().into()))
    }

    /// A host value as result.
    pub fn give(&mut self, value: impl Any + Send + Sync) -> Given {
        Ok(Some(ExternRef::new(&mut self.caller, value)?.into()))
    }
}

/// The null of the `extern` hierarchy as result.
pub(super) fn nothing() -> Given {
    Ok(Some(Val::ExternRef(None)))
}

/// An integer as result; what does not fit is the largest one.
pub(super) fn number(value: usize) -> Given {
    Ok(Some(Val::I32(i32::try_from(value).unwrap_or(i32::MAX))))
}

/// A place as result; -1 if there is none.
pub(super) fn place(place: Option<usize>) -> Given {
    place.map_or(Ok(Some(Val::I32(-1))), number)
}
