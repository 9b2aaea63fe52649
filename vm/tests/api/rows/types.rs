//! What functions of types answer to what does not belong to them.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Types.
    "FuncType::new", ForeignEngine, ENGINE => |w| FuncType::new(&w.engine, [ValType::Ref(foreign_ref(w))], []).map(text);
    "FuncType::new", ForeignEngine, ENGINE => |w| FuncType::new(&w.engine, [], [ValType::Ref(foreign_ref(w))]).map(text);
    "FuncType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = FuncType::new(&w.engine, [dead.nullable()], [])?;
        Ok(text(made.params().next() == Some(dead.nullable())))
    };
    "FuncType::matches", ForeignEngine, Right::Value("false") => |w| {
        let here = FuncType::new(&w.engine, [], [ValType::I64])?;
        Ok(text(here.matches(&foreign_func_type(w)) || here == foreign_func_type(w)))
    };
    "FuncType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        Ok(text(dead.func.matches(&dead.func.clone()) && !dead.func.matches(dead.tag.ty())))
    };
    "StructType::matches", ForeignEngine, Right::Value("false") => |w| {
        let RefKind::Struct(foreign) = w.foreign.object.kind(&w.foreign_store)? else { panic!() };
        let RefKind::Struct(here) = w.here.object.kind(&w.store)? else { panic!() };
        Ok(text(here.matches(&foreign) || here == foreign))
    };
    "StructType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let RefKind::Struct(here) = w.here.object.kind(&w.store)? else { panic!() };
        Ok(text(dead.structure.matches(&dead.structure.clone()) && !dead.structure.matches(&here)))
    };
    "ArrayType::matches", ForeignEngine, Right::Value("false") => |w| {
        let RefKind::Array(foreign) = w.foreign.array.kind(&w.foreign_store)? else { panic!() };
        let RefKind::Array(here) = w.here.array.kind(&w.store)? else { panic!() };
        Ok(text(here.matches(&foreign) || here == foreign))
    };
    "ArrayType::matches", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let RefKind::Array(here) = w.here.array.kind(&w.store)? else { panic!() };
        Ok(text(dead.array.matches(&dead.array.clone()) && !dead.array.matches(&here)))
    };
    "StructType::new", ForeignEngine, Right::Panic("another engine") => |w| {
        Ok(text(StructType::new(&w.engine, [foreign_field(w)])))
    };
    "StructType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructType::new(&w.engine, [variable(dead.nullable())]);
        Ok(text(made.field(0) == Some(variable(dead.nullable()))))
    };
    "StructType::try_new", ForeignEngine, ENGINE => |w| StructType::try_new(&w.engine, [foreign_field(w)]).map(text);
    "StructType::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = StructType::try_new(&w.engine, [variable(dead.nullable())])?;
        Ok(text(made.field(0) == Some(variable(dead.nullable()))))
    };
    "ArrayType::new", ForeignEngine, Right::Panic("another engine") => |w| {
        Ok(text(ArrayType::new(&w.engine, foreign_field(w))))
    };
    "ArrayType::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayType::new(&w.engine, variable(dead.nullable()));
        Ok(text(made.field_type() == variable(dead.nullable())))
    };
    "ArrayType::try_new", ForeignEngine, ENGINE => |w| ArrayType::try_new(&w.engine, foreign_field(w)).map(text);
    "ArrayType::try_new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let made = ArrayType::try_new(&w.engine, variable(dead.nullable()))?;
        Ok(text(made.field_type() == variable(dead.nullable())))
    };
    // Rec groups.
    "TypeBuilder::define", ForeignEngine, ENGINE => |w| {
        let mut group = TypeBuilder::new(&w.engine);
        let member = group.declare();
        group.define(member, GroupType::func([ValType::Ref(foreign_ref(w)).into()], []));
        group.build().map(text)
    };
    "TypeBuilder::define", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let mut group = TypeBuilder::new(&w.engine);
        let member = group.declare();
        let field = ValType::Ref(RefType::new(true, dead.array.clone().into()));
        group.define(member, GroupType::structure([(Mutability::Const, field.clone().into())]));
        drop(dead);
        let types = group.build()?;
        let made = types[0].as_concrete_struct().and_then(|ty| ty.field(0));
        Ok(text(made.is_some_and(|made| *made.element_type() == field.into())))
    };
};
