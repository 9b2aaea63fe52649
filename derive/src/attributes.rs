//! What stands in `#[wasm(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, LitInt, LitStr, Path, Result, Token, Type};

/// Attributes of a struct or an enum.
#[derive(Default)]
pub struct OfType {
    /// The name of the type of the guest.
    pub name: Option<LitStr>,
    /// Index of the type in its module.
    pub type_index: Option<LitInt>,
    /// What stands for its supertype.
    pub extends: Option<Type>,
    /// The Wasm type may have more fields behind those of the struct.
    pub is_prefix: bool,
    krate: Option<Path>,
}

impl OfType {
    /// Reads the attributes of a struct.
    pub fn of_struct(attributes: &[Attribute]) -> Result<OfType> {
        let mut found = OfType::default();
        each(attributes, |meta| {
            if meta.path.is_ident("name") {
                once(&mut found.name, &meta, LitStr::value_of)
            } else if meta.path.is_ident("type_index") {
                once(&mut found.type_index, &meta, LitInt::value_of)
            } else if meta.path.is_ident("extends") {
                once(&mut found.extends, &meta, Type::value_of)
            } else if meta.path.is_ident("prefix") {
                found.is_prefix = true;
                Ok(())
            } else if meta.path.is_ident("crate") {
                once(&mut found.krate, &meta, Path::value_of)
            } else {
                Err(meta.error("expected `name`, `type_index`, `extends`, `prefix` or `crate`"))
            }
        })?;
        if let (Some(_), Some(index)) = (&found.name, &found.type_index) {
            return Err(syn::Error::new(index.span(), "a type is found by its name or by its index, not by both"));
        }
        Ok(found)
    }

    /// Reads the attributes of an enum.
    pub fn of_enum(attributes: &[Attribute]) -> Result<OfType> {
        let mut found = OfType::default();
        each(attributes, |meta| match meta.path.is_ident("crate") {
            true => once(&mut found.krate, &meta, Path::value_of),
            false => Err(meta.error("expected `crate`")),
        })?;
        Ok(found)
    }

    /// The crate to be named.
    pub fn krate(&self) -> TokenStream {
        match &self.krate {
            Some(path) => quote!(#path),
            None => quote!(::heapwood),
        }
    }
}

/// Whether a field is mutable.
pub fn is_mutable(attributes: &[Attribute]) -> Result<bool> {
    let mut found = false;
    each(attributes, |meta| match meta.path.is_ident("mutable") {
        true => {
            found = true;
            Ok(())
        }
        false => Err(meta.error("expected `mutable`")),
    })?;
    Ok(found)
}

fn each(attributes: &[Attribute], mut take: impl FnMut(ParseNestedMeta) -> Result<()>) -> Result<()> {
    let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("wasm"));
    ours.try_for_each(|attribute| attribute.parse_nested_meta(&mut take))
}

fn once<T>(place: &mut Option<T>, meta: &ParseNestedMeta, parse: fn(&ParseNestedMeta) -> Result<T>) -> Result<()> {
    match place.replace(parse(meta)?) {
        Some(_) => Err(meta.error("given twice")),
        None => Ok(()),
    }
}

/// What stands behind `=`.
trait ValueOf: Sized {
    fn value_of(meta: &ParseNestedMeta) -> Result<Self>;
}

impl<T: syn::parse::Parse> ValueOf for T {
    fn value_of(meta: &ParseNestedMeta) -> Result<T> {
        meta.input.parse::<Token![=]>()?;
        meta.input.parse()
    }
}
