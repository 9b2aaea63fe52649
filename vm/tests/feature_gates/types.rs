//! Each type of a feature wherever a type may stand.

use super::{Case, check, check_refused};

/// A heap type, the fields of a module that it names, and the features each of which it needs.
struct Form {
    heap: &'static str,
    defines: &'static str,
    needs: &'static [&'static str],
    /// The top of its hierarchy, where that needs no feature of `needs` but the first.
    top: &'static str,
    castable: bool,
}

const fn form(heap: &'static str, top: &'static str, needs: &'static [&'static str]) -> Form {
    Form { heap, defines: "", needs, top, castable: true }
}

const SHARED: &str = "shared-everything-threads";

const FORMS: [Form; 32] = [
    form("any", "any", &["reference-types", "gc"]),
    form("eq", "any", &["reference-types", "gc"]),
    form("i31", "any", &["reference-types", "gc"]),
    form("struct", "any", &["reference-types", "gc"]),
    form("array", "any", &["reference-types", "gc"]),
    form("none", "any", &["reference-types", "gc"]),
    form("func", "func", &["reference-types"]),
    form("nofunc", "func", &["reference-types", "gc"]),
    form("extern", "extern", &["reference-types"]),
    form("noextern", "extern", &["reference-types", "gc"]),
    form("exn", "exn", &["reference-types", "exceptions"]),
    form("noexn", "exn", &["reference-types", "exceptions"]),
    Form { castable: false, ..form("cont", "cont", &["reference-types", "stack-switching"]) },
    Form { castable: false, ..form("nocont", "cont", &["reference-types", "stack-switching"]) },
    form("(shared any)", "(shared any)", &[SHARED]),
    form("(shared eq)", "(shared any)", &[SHARED]),
    form("(shared i31)", "(shared any)", &[SHARED]),
    form("(shared struct)", "(shared any)", &[SHARED]),
    form("(shared array)", "(shared any)", &[SHARED]),
    form("(shared none)", "(shared any)", &[SHARED]),
    form("(shared func)", "(shared func)", &[SHARED]),
    form("(shared nofunc)", "(shared func)", &[SHARED]),
    form("(shared extern)", "(shared extern)", &[SHARED]),
    form("(shared noextern)", "(shared extern)", &[SHARED]),
    form("(shared exn)", "(shared exn)", &[SHARED]),
    form("(shared noexn)", "(shared exn)", &[SHARED]),
    Form { castable: false, ..form("(shared cont)", "(shared cont)", &[SHARED]) },
    Form { castable: false, ..form("(shared nocont)", "(shared cont)", &[SHARED]) },
    Form { defines: "(type $s (struct))", ..form("(exact $s)", "any", &["custom-descriptors"]) },
    Form { defines: "(type $s (array i8))", ..form("(exact $s)", "any", &["custom-descriptors"]) },
    Form { defines: "(type $s (func))", ..form("(exact $s)", "func", &["custom-descriptors"]) },
    Form { defines: "(type $s (sub (struct)))", ..form("(exact $s)", "struct", &["custom-descriptors"]) },
];

/// Fields of a module around a heap type H and a nullable reference type R, by what they are a place of.
const DECLARED: [&str; 17] = [
    "(type (func (param R)))",
    "(type (func (result R)))",
    "(type (struct (field R)))",
    "(type (array (mut R)))",
    r#"(import "" "" (func (param R)))"#,
    r#"(import "" "" (global R))"#,
    r#"(import "" "" (global (mut R)))"#,
    r#"(import "" "" (table 1 R))"#,
    r#"(import "" "" (tag (param R)))"#,
    "(global R (ref.null H))",
    "(table 1 R)",
    "(table 1 R (ref.null H))",
    "(elem R (ref.null H))",
    "(tag (param R))",
    "(func (param R))",
    "(func (result R) unreachable)",
    "(func (local R))",
];

/// Instructions around a heap type H and the nullable reference type R, in code that cannot be reached.
const INSTRUCTIONS: [&str; 12] = [
    "ref.null H drop",
    "block (result R) unreachable end drop",
    "loop (result R) unreachable end drop",
    "if (result R) unreachable else unreachable end drop",
    "try (result R) unreachable catch_all unreachable end drop",
    "try_table (result R) unreachable end drop",
    "select (result R) drop",
    "block (param R) drop end",
    "loop (param R) drop end",
    "if (param R) drop else drop end",
    "try (param R) drop end",
    "try_table (param R) drop end",
];

/// Casts of the operand `?`; T is the top of the hierarchy.
const CASTS: [&str; 10] = [
    "? ref.test (ref H) drop",
    "? ref.test (ref null H) drop",
    "? ref.cast (ref H) drop",
    "? ref.cast (ref null H) drop",
    "block (result R) ? br_on_cast 0 (ref null T) (ref H) unreachable end drop",
    "block (result R) ? br_on_cast 0 (ref null T) (ref null H) unreachable end drop",
    "block (result R) ? br_on_cast 0 R R unreachable end drop",
    "block (result (ref null T)) ? br_on_cast_fail 0 (ref null T) (ref H) end drop",
    "block (result (ref null T)) ? br_on_cast_fail 0 (ref null T) (ref null H) end drop",
    "block (result R) ? br_on_cast_fail 0 R R end drop",
];

/// Code that nothing reaches.
fn dead(code: &str) -> String {
    format!("(func unreachable {})", code.replace('?', "unreachable"))
}

/// The cast where it is reached, with an operand of the top type.
fn reached(code: &str) -> String {
    let operand = if code.contains(" R R ") { "R" } else { "(ref null T)" };
    format!("(func (param {operand}) {})", code.replace('?', "local.get 0"))
}

impl Form {
    fn case(&self, template: &str) -> Case {
        let reference = format!("(ref null {})", self.heap);
        let fields: String = template
            .split_inclusive(|c: char| !c.is_alphanumeric())
            .map(|word| {
                let (name, rest) = word.split_at(word.trim_end_matches(|c: char| !c.is_alphanumeric()).len());
                let name = match name {
                    "H" => self.heap,
                    "R" => &reference,
                    "T" => self.top,
                    other => other,
                };
                format!("{name}{rest}")
            })
            .collect();
        let fields = format!("{} {fields}", self.defines);
        Case::new(fields.clone(), &fields, self.needs)
    }

    /// Every place of the type.
    fn cases(&self) -> Vec<Case> {
        let casts: &[&str] = if self.castable { &CASTS } else { &[] };
        let dead = INSTRUCTIONS.iter().chain(casts).map(|code| dead(code));
        // Only a top that needs none of the features can be an operand.
        let reached = casts.iter().filter(|_| self.heap.starts_with("(exact")).map(|code| reached(code));
        DECLARED.iter().map(|field| field.to_string()).chain(dead).chain(reached).map(|text| self.case(&text)).collect()
    }
}

#[test]
fn types_need_their_feature_wherever_they_stand() {
    let mut cases = 0;
    for form in &FORMS {
        for case in form.cases() {
            // A table of functions is older than reference types.
            if form.heap == "func" && ["(table 1 R)", "(table 1 (ref null func))"].iter().any(|t| case.what.contains(t))
            {
                continue;
            }
            cases += check(&case);
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 1694);
}

/// Vectors are no references and stand where values do.
#[test]
fn vectors_need_their_feature_wherever_they_stand() {
    let places = DECLARED.iter().filter(|place| !place.contains('H') && !place.contains("table"));
    let code = INSTRUCTIONS.iter().filter(|code| !code.contains('H'));
    let texts = places.map(|place| place.to_string()).chain(code.map(|code| dead(code)));
    let texts: Vec<_> = texts.map(|text| text.replace('R', "v128")).collect();
    assert_eq!(texts.len(), 23);
    for text in texts {
        check(&Case::new(text.clone(), &text, &["simd"]));
    }
}

/// Defined types came with function references, and garbage collection brings them as well.
#[test]
fn defined_types_need_one_of_two_features() {
    let form = Form { defines: "(type $f (func))", ..form("$f", "func", &[]) };
    let both = ["function-references", "gc"];
    let code = INSTRUCTIONS.iter().chain(&CASTS).map(|code| dead(code));
    let reached = CASTS.iter().map(|code| reached(code));
    let texts: Vec<_> = DECLARED.iter().map(|field| field.to_string()).chain(code).chain(reached).collect();
    assert_eq!(texts.len(), 49);
    for text in texts {
        let case = form.case(&text);
        check(&case);
        check_refused(&case.what, &case.bytes, &both, &both);
    }
}
