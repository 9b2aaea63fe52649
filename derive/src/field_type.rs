//! Types that cannot be fields, as far as their text says: each gets one error, at the type, which says what may be
//! meant. Of others (a type may have another name) the compiler says that they are no fields, once and at the type too.

use syn::{Error, GenericArgument, Ident, PathArguments, Result, Type};

/// Types of Rust that are no fields, and what may be meant.
const OTHERS: [(&[&str], &str); 5] = [
    (&["bool", "char"], "guests have a number there, often an `i32`"),
    (&["usize", "isize", "i128"], "guests have an `i32` or `i64` there"),
    (&["String", "str", "Vec", "Box", "Rc", "Arc", "HashMap"], "the guest has an object of its own there: `Ref<T>`"),
    (
        &["AnyRef", "EqRef", "I31Ref", "StructRef", "ArrayRef", "ExternRef", "ExnRef", "Func", "GcArray"],
        "`Ref` of it is",
    ),
    (&["Rooted", "Root", "Local", "Val"], "handles are for the host: `Ref<T>`"),
];

/// Refuses what cannot be the type of a field of the struct `owner`.
pub fn check(ty: &Type, owner: &Ident) -> Result<()> {
    let wrong = |hint: &str| {
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        let numbers = NUMBERS.map(|number| format!("`{number}`")).join(", ");
        let fields = format!("fields are {numbers}, `Ref<T>` and `Option<Ref<T>>`");
        Err(Error::new_spanned(ty, format!("this cannot be a field of a bound struct{hint}: {fields}")))
    };
    match ty {
        // As macros pass it, which are not looked into.
        Type::Group(_) | Type::Paren(_) | Type::Macro(_) => Ok(()),
        Type::Path(path) if path.qself.is_none() => {
            let Some(last) = path.path.segments.last() else { return Ok(()) };
            if last.ident == *owner || last.ident == "Self" {
                return wrong(&format!("`Ref<{owner}>` or `Option<Ref<{owner}>>` is"));
            }
            if let Some((_, hint)) = OTHERS.iter().find(|(names, _)| names.iter().any(|name| last.ident == name)) {
                return wrong(hint);
            }
            match (last.ident == "Option", &last.arguments) {
                (true, PathArguments::AngleBracketed(of)) => match of.args.first() {
                    Some(GenericArgument::Type(inner)) if is_number(inner) => wrong("a number is never null"),
                    Some(GenericArgument::Type(inner)) => check(inner, owner),
                    _ => Ok(()),
                },
                _ => Ok(()),
            }
        }
        Type::Path(_) => Ok(()),
        _ => wrong(""),
    }
}

/// Types whose fields are read from a scope that is shared.
const NUMBERS: [&str; 11] = ["i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64", "u128"];

/// Whether it is a number, as far as its text says.
pub fn is_number(ty: &Type) -> bool {
    match ty {
        // As macros pass it.
        Type::Group(group) => is_number(&group.elem),
        Type::Path(path) if path.qself.is_none() => {
            path.path.get_ident().is_some_and(|ident| NUMBERS.iter().any(|number| ident == number))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use syn::{DeriveInput, parse_str};

    fn errors(fields: &str) -> Vec<String> {
        let input: DeriveInput = parse_str(&format!("struct Person {{ {fields} }}")).unwrap();
        match crate::structure::derive(&input) {
            Ok(_) => Vec::new(),
            Err(error) => error.into_iter().map(|error| error.to_string()).collect(),
        }
    }

    #[test]
    fn what_is_no_field_gets_one_error_each() {
        for (ty, words) in [
            ("bool", "often an `i32`"),
            ("usize", "`i32` or `i64`"),
            ("std::string::String", "an object of its own"),
            ("Vec<u8>", "an object of its own"),
            ("&'static str", "of a bound struct: fields are"),
            ("(i32, i32)", "of a bound struct: fields are"),
            ("[u8; 4]", "of a bound struct: fields are"),
            ("Option<i32>", "never null"),
            ("Option<Person>", "`Ref<Person>`"),
            ("Self", "`Ref<Person>`"),
            ("StructRef", "`Ref` of it is"),
            ("Option<Rooted<StructRef>>", "handles are for the host"),
        ] {
            let found = errors(&format!("a: i32, b: {ty}"));
            assert!(found.len() == 1 && found[0].contains(words), "{ty}: {found:?}");
        }
        assert_eq!(errors("a: bool, b: Option<Ref<Person>>, c: String").len(), 2);
    }

    #[test]
    fn fields_and_names_that_nobody_knows_are_taken() {
        for ty in
            ["u128", "Ref<AnyRef>", "Option<Ref<GcArray<u16>>>", "Seconds", "heapwood::Ref<Person>", "<X as Y>::Z"]
        {
            assert_eq!(errors(&format!("a: {ty}")), [""; 0], "{ty}");
        }
    }
}
