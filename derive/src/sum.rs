//! `#[derive(GcEnum)]`: for `enum Shape<'s> { Circle(Local<'s, Circle>), … }` it writes
//! `impl GcEnum<'s> for Shape<'s>`, which casts to the type of each variant in turn.

use crate::attributes::OfType;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, GenericParam, Result};

/// See the module.
pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = OfType::of_enum(&input.attrs)?;
    let at = |message: &str| Error::new(input.ident.span(), message);
    let Data::Enum(data) = &input.data else {
        return Err(at("only an enum is a choice between bound types"));
    };
    let lifetime = match input.generics.params.iter().collect::<Vec<_>>()[..] {
        [GenericParam::Lifetime(param)] => &param.lifetime,
        _ => return Err(at("expected one parameter, the lifetime of a scope: `enum Shape<'s> { … }`")),
    };
    let mut casts = Vec::new();
    for variant in &data.variants {
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {}
            _ => return Err(Error::new(variant.ident.span(), "expected one field, a `Local`")),
        }
        let name = &variant.ident;
        casts.push(quote! {
            if let ::core::option::Option::Some(found) = local.cast(scope) {
                return ::core::option::Option::Some(Self::#name(found));
            }
        });
    }
    let (krate, name) = (attributes.krate(), &input.ident);
    let support = quote!(#krate::derive_support);
    Ok(quote! {
        #[automatically_derived]
        impl<#lifetime> #support::GcEnum<#lifetime> for #name<#lifetime> {
            fn of<D: 'static>(
                local: #support::Local<#lifetime, #support::AnyRef>,
                scope: &#support::Scope<#lifetime, D>,
            ) -> ::core::option::Option<Self> {
                #(#casts)*
                ::core::option::Option::None
            }
        }
    })
}
