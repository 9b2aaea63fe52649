//! `#[derive(GcStruct)]`.
//!
//! For `struct Node { #[wasm(mutable)] val: i64, next: Option<Ref<Node>> }` it writes
//!
//! 1. what a `Local<Node>` dereferences to, with `val`, `set_val` and `next`;
//! 2. what a `Bound<Node>` dereferences to, with `alloc`;
//! 3. `impl FieldAt<0> for Node`, whose declaration is `i64`, and `impl FieldAt<1> for Node`, whose one is
//!    `Const<Option<Ref<Node>>>`;
//! 4. `impl GcStruct for Node`, whose fields are the list `(At<Node, 0>, (At<Node, 1>, ()))`, and in which a field is
//!    found by its place, `There<Here>`.

use crate::attributes::{OfType, is_mutable};
use crate::field_type;
use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result, Type, Visibility};

/// Functions that every `Local` has, which those of fields would not be reached behind.
const TAKEN: [&str; 8] = ["cast", "clone", "downcast", "downgrade", "ref_eq", "to_any", "to_rooted", "upcast"];

/// Fields beyond this, each a level of the list, would be more than the compiler follows.
const FIELDS_MAX: usize = 100;

/// A field of the struct.
struct Declared<'i> {
    ident: &'i Ident,
    ty: &'i Type,
    is_mutable: bool,
}

impl<'i> Declared<'i> {
    fn new(field: &'i Field, owner: &Ident) -> Result<Declared<'i>> {
        let ident = field.ident.as_ref().expect("fields of a struct with named fields have names");
        let name = ident.unraw().to_string();
        if TAKEN.contains(&&name[..]) {
            let message = format!("every `Local` has a function `{name}`: give the field another name, which is free");
            return Err(Error::new(ident.span(), message));
        }
        field_type::check(&field.ty, owner)?;
        Ok(Declared { ident, ty: &field.ty, is_mutable: is_mutable(&field.attrs)? })
    }

    /// A path as if it were written where the type of the field is: errors about it are shown there.
    fn here(&self, path: &TokenStream) -> TokenStream {
        let at_type = |mut token: TokenTree| {
            token.set_span(self.ty.span());
            token
        };
        path.clone().into_iter().map(at_type).collect()
    }

    /// What is declared.
    fn declaration(&self, support: &TokenStream) -> TokenStream {
        let (ty, support) = (self.ty, self.here(support));
        let field = quote_spanned!(ty.span()=> <#ty as #support::GcField>::Itself);
        if self.is_mutable { field } else { quote_spanned!(ty.span()=> #support::Const<#field>) }
    }

    /// What is read and written. An error of the compiler about it is at the field.
    fn value(&self, support: &TokenStream) -> TokenStream {
        let (ty, support) = (self.ty, self.here(support));
        quote_spanned!(ty.span()=> <#ty as #support::GcField>::Value<'s>)
    }

    /// The functions of a `Local`. `place` is the field's in the list.
    fn functions(&self, support: &TokenStream, vis: &Visibility, place: &TokenStream) -> TokenStream {
        let Declared { ident, ty, .. } = self;
        let name = ident.unraw();
        let (scope, value) = (quote!(#support::Scope<'s, D>), self.value(support));
        let reads = format!("Field `{name}`. Does not collect.");
        // A number under another name is read like a reference.
        let getter = match field_type::is_number(ty) {
            true => quote! {
                #[doc = #reads]
                #[inline]
                #vis fn #ident<D: 'static>(self, scope: &#scope) -> #ty {
                    self.0.number::<#place, D>(scope)
                }
            },
            false => quote! {
                #[doc = #reads]
                #[inline]
                #vis fn #ident<D: 'static>(self, scope: &mut #scope) -> #value {
                    self.0.field::<#place, D>(scope)
                }
            },
        };
        let (writes, set) = (format!("Writes field `{name}`. Does not collect."), format_ident!("set_{}", name));
        let setter = self.is_mutable.then(|| {
            quote! {
                #[doc = #writes]
                #[inline]
                #vis fn #set<D: 'static>(self, scope: &mut #scope, value: #value) {
                    self.0.set::<#place, D>(scope, value)
                }
            }
        });
        quote!(#getter #setter)
    }
}

/// See the module.
pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let attributes = OfType::of_struct(&input.attrs)?;
    let fields = declared(input)?;
    let (krate, name, vis) = (attributes.krate(), &input.ident, &input.vis);
    let support = quote!(#krate::derive_support);
    let access = access(&support, name, vis, &fields);
    let maker = maker(&support, name, vis, (!attributes.is_prefix).then_some(&fields[..]));
    let list = (0..fields.len()).rfold(quote!(()), |list, index| quote!((#support::At<#name, #index>, #list)));
    let at = fields.iter().enumerate().map(|(index, field)| {
        let (declaration, support) = (field.declaration(&support), field.here(&support));
        quote_spanned! {field.ty.span()=>
            #[automatically_derived]
            impl #support::FieldAt<#index> for #name {
                type Declared = #declaration;
            }
        }
    });
    let base = attributes.extends.as_ref().map_or(quote!(#support::StructRef), |base| quote!(#base));
    let text = attributes.name.as_ref().map_or_else(|| name.unraw().to_string(), syn::LitStr::value);
    let index = attributes
        .type_index
        .as_ref()
        .map_or(quote!(::core::option::Option::None), |index| quote!(::core::option::Option::Some(#index)));
    let names = fields.iter().map(|field| field.ident.unraw().to_string());
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let is_prefix = attributes.is_prefix;
    Ok(quote! {
        const _: () = {
            #access
            #maker
            #(#at)*

            #[automatically_derived]
            impl #support::GcStruct for #name {
                type Fields = #list;
                type Base = #base;
                type Access<'s> = __Access<'s>;
                type Maker = __Maker;
                const NAME: &'static str = #text;
                const TYPE_INDEX: ::core::option::Option<u32> = #index;
                const FIELD_NAMES: &'static [&'static str] = &[#(#names),*];
                const IS_PREFIX: bool = #is_prefix;
            }

            // The fields are declared to be read by the functions above.
            #[allow(dead_code)]
            fn __read(value: #name) {
                let #name { #(#idents),* } = value;
                #(let _ = #idents;)*
            }
        };
    })
}

fn declared(input: &DeriveInput) -> Result<Vec<Declared<'_>>> {
    let at = |message: &str| Error::new(input.ident.span(), message);
    if !input.generics.params.is_empty() {
        return Err(at("a struct with parameters stands for no one type"));
    }
    let Data::Struct(data) = &input.data else {
        return Err(at("only a struct stands for a struct type"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => all(fields.named.iter().map(|field| Declared::new(field, &input.ident)))?,
        Fields::Unit => Vec::new(),
        Fields::Unnamed(_) => return Err(at("fields need names, of which the functions are made that read them")),
    };
    if fields.len() > FIELDS_MAX {
        let message = format!("{} fields: more than the limit of {FIELDS_MAX} of bound structs", fields.len());
        return Err(at(&message));
    }
    Ok(fields)
}

/// All of them, or all errors.
fn all<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (mut found, mut errors) = (Vec::new(), None::<Error>);
    for result in results {
        match (result, &mut errors) {
            (Ok(one), _) => found.push(one),
            (Err(error), Some(errors)) => errors.combine(error),
            (Err(error), errors) => *errors = Some(error),
        }
    }
    errors.map_or(Ok(found), Err)
}

/// What a `Local` dereferences to.
fn access(support: &TokenStream, name: &Ident, vis: &Visibility, fields: &[Declared<'_>]) -> TokenStream {
    let mut place = quote!(#support::Here);
    let functions: Vec<_> = fields
        .iter()
        .map(|field| {
            let functions = field.functions(support, vis, &place);
            place = quote!(#support::There<#place>);
            functions
        })
        .collect();
    let doc = format!("The functions of the fields of a `Local<{name}>`.");
    quote! {
        #[doc = #doc]
        #vis struct __Access<'s>(#support::Handle<'s, #name>);

        #[automatically_derived]
        impl ::core::clone::Clone for __Access<'_> {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl ::core::marker::Copy for __Access<'_> {}

        #[automatically_derived]
        impl<'s> #support::Access<'s, #name> for __Access<'s> {
            #[inline]
            fn new(handle: #support::Handle<'s, #name>) -> Self {
                __Access(handle)
            }

            #[inline]
            fn handle(self) -> #support::Handle<'s, #name> {
                self.0
            }
        }

        #[automatically_derived]
        #[allow(dead_code, non_snake_case, clippy::all)]
        impl<'s> __Access<'s> {
            #(#functions)*
        }
    }
}

/// What a `Bound` dereferences to; objects are made only where all fields are known.
fn maker(support: &TokenStream, name: &Ident, vis: &Visibility, fields: Option<&[Declared<'_>]>) -> TokenStream {
    let alloc = fields.map(|fields| {
        let params = fields.iter().map(|field| {
            let (ident, value) = (field.ident, field.value(support));
            quote!(#ident: #value)
        });
        let values = fields.iter().rfold(quote!(()), |values, Declared { ident, .. }| quote!((#ident, #values)));
        quote! {
            /// A new object, with a value for each field. May collect.
            ///
            /// # Errors
            /// The heap is exhausted; the binding is one of another engine, or one of its Rust types stands for another
            /// type in the store. Nothing is made then.
            #[inline]
            #vis fn alloc<'s, D: 'static>(
                &self,
                __scope: &mut #support::Scope<'s, D>,
                #(#params),*
            ) -> #support::Result<#support::Local<'s, #name>> {
                self.0.make(__scope, #values)
            }
        }
    });
    let doc = format!("The functions of a `Bound<{name}>`.");
    quote! {
        #[doc = #doc]
        #vis struct __Maker(#support::Binding<#name>);

        #[automatically_derived]
        impl ::core::clone::Clone for __Maker {
            fn clone(&self) -> Self {
                __Maker(::core::clone::Clone::clone(&self.0))
            }
        }

        #[automatically_derived]
        impl #support::Maker<#name> for __Maker {
            fn new(binding: #support::Binding<#name>) -> Self {
                __Maker(binding)
            }

            fn binding(&self) -> &#support::Binding<#name> {
                &self.0
            }
        }

        #[automatically_derived]
        #[allow(dead_code, non_snake_case, clippy::all)]
        impl __Maker {
            #alloc
        }
    }
}
