//! What functions of globals, tables, tags, exceptions, memories and checkpoints answer to what is not theirs.

use super::*;

/// See the module.
pub static ROWS: &[Row] = rows! {
    // Globals.
    "Global::new", ForeignEngine, ENGINE => |w| {
        let ty = GlobalType::new(ValType::Ref(foreign_ref(w)), true);
        Global::new(&mut w.store, ty, Val::FuncRef(None)).map(text)
    };
    "Global::new", ForeignStore, STORE => |w| {
        Global::new(&mut w.store, GlobalType::new(ValType::ANYREF, true), any(w.there.object)).map(text)
    };
    "Global::new", StaleHandle, SCOPE => |w| {
        Global::new(&mut w.store, GlobalType::new(ValType::ANYREF, true), any(w.stale.any)).map(text)
    };
    "Global::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let global = Global::new(&mut w.store, dead.global.clone(), Val::AnyRef(None))?;
        let refused = global.set(&mut w.store, any(w.here.array)).is_err();
        Ok(text(refused && global.ty(&w.store) == dead.global))
    };
    "Global::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.global.ty(&w.store)));
    "Global::get", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.global.get(&mut w.store)));
    "Global::set", ForeignStore, STORE => |w| w.there.global.set(&mut w.store, Val::AnyRef(None)).map(text);
    "Global::set", ForeignStore, STORE => |w| w.here.global.set(&mut w.store, any(w.there.object)).map(text);
    "Global::set", StaleHandle, SCOPE => |w| w.here.global.set(&mut w.store, any(w.stale.any)).map(text);

    // Tables.
    "Table::new", ForeignEngine, ENGINE => |w| {
        let ty = TableType::new(foreign_ref(w), 1, None);
        Table::new(&mut w.store, ty, Val::FuncRef(None)).map(text)
    };
    "Table::new", ForeignStore, STORE => |w| {
        let ty = TableType::new(RefType::new(true, HeapType::Any), 1, None);
        Table::new(&mut w.store, ty, any(w.there.object)).map(text)
    };
    "Table::new", StaleHandle, SCOPE => |w| {
        let ty = TableType::new(RefType::new(true, HeapType::Any), 1, None);
        Table::new(&mut w.store, ty, any(w.stale.any)).map(text)
    };
    "Table::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let table = Table::new(&mut w.store, dead.table.clone(), Val::AnyRef(None))?;
        let refused = table.set(&mut w.store, 0, any(w.here.object)).is_err();
        Ok(text(refused && table.ty(&w.store) == dead.table))
    };
    "Table::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.ty(&w.store)));
    "Table::size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.size(&w.store)));
    "Table::get", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.table.get(&mut w.store, 0)));
    "Table::set", ForeignStore, STORE => |w| w.there.table.set(&mut w.store, 0, Val::AnyRef(None)).map(text);
    "Table::set", ForeignStore, STORE => |w| w.here.table.set(&mut w.store, 0, any(w.there.object)).map(text);
    "Table::set", StaleHandle, SCOPE => |w| w.here.table.set(&mut w.store, 0, any(w.stale.any)).map(text);
    "Table::fill", ForeignStore, STORE => |w| w.there.table.fill(&mut w.store, 0, Val::AnyRef(None), 2).map(text);
    "Table::fill", ForeignStore, STORE => |w| w.here.table.fill(&mut w.store, 0, any(w.there.object), 2).map(text);
    "Table::fill", StaleHandle, SCOPE => |w| w.here.table.fill(&mut w.store, 0, any(w.stale.any), 2).map(text);
    "Table::grow", ForeignStore, STORE => |w| w.there.table.grow(&mut w.store, 1, Val::AnyRef(None)).map(text);
    "Table::grow", ForeignStore, STORE => |w| w.here.table.grow(&mut w.store, 1, any(w.there.object)).map(text);
    "Table::grow", StaleHandle, SCOPE => |w| w.here.table.grow(&mut w.store, 1, any(w.stale.any)).map(text);

    // Tags and exceptions.
    "Tag::new", ForeignEngine, ENGINE => |w| {
        let ty = FuncType::new(&w.foreign_engine, [ValType::EXTERNREF], [])?;
        Tag::new(&mut w.store, TagType::new(ty)).map(text)
    };
    "Tag::new", DeadType, ALIVE => |w| {
        let dead = Dead::new(&w.engine);
        let tag = Tag::new(&mut w.store, dead.tag.clone())?;
        let refused = Exception::new(&mut w.store, tag, &[any(w.here.object)]).is_err();
        let exception = Exception::new(&mut w.store, tag, &[Val::AnyRef(None)])?;
        Ok(text(refused && exception.payload(&mut w.store)?[0].is_null() && tag.ty(&w.store) == dead.tag))
    };
    "Tag::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.tag.ty(&w.store)));
    "Exception::new", ForeignStore, STORE => |w| {
        Exception::new(&mut w.store, w.there.tag, &[Val::I32(1), Val::AnyRef(None)]).map(text)
    };
    "Exception::new", ForeignStore, STORE => |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I32(1), any(w.there.object)]).map(text)
    };
    "Exception::new", StaleHandle, SCOPE => |w| {
        Exception::new(&mut w.store, w.here.tag, &[Val::I32(1), any(w.stale.any)]).map(text)
    };
    "Exception::payload", ForeignStore, STORE => |w| w.there.exception.payload(&mut w.store).map(text);
    "Exception::describe", ForeignStore, STORE => |w| w.there.exception.describe(&mut w.store).map(text);
    "Exception::to_ref", ForeignStore, STORE => |w| w.there.exception.to_ref(&mut w.store).map(text);

    // Memories.
    "Memory::ty", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.ty(&w.store)));
    "Memory::size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.size(&w.store)));
    "Memory::page_size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.page_size(&w.store)));
    "Memory::data_size", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data_size(&w.store)));
    "Memory::data", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data(&w.store)));
    "Memory::data_mut", ForeignStore, STORE_PANIC => |w| Ok(text(w.there.memory.data_mut(&mut w.store)));
    "Memory::data_and_store_mut", ForeignStore, STORE_PANIC => |w| {
        Ok(text(w.there.memory.data_and_store_mut(&mut w.store).0))
    };
    "Memory::read", ForeignStore, STORE => |w| w.there.memory.read(&w.store, 0, &mut [0; 4]).map(text);
    "Memory::write", ForeignStore, STORE => |w| w.there.memory.write(&mut w.store, 0, &[1; 4]).map(text);
    "Memory::grow", ForeignStore, STORE => |w| w.there.memory.grow(&mut w.store, 1).map(text);
    "Memory::set_secrecy", ForeignStore, STORE => |w| {
        w.there.memory.set_secrecy(&mut w.store, Secrecy::LeftOut).map(text)
    };
    "Memory::zeroize", ForeignStore, STORE => |w| w.there.memory.zeroize(&mut w.store).map(text);

    // Checkpoints.
    "Store::rollback", ForeignStore, Right::Error("a checkpoint of another store") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        w.store.rollback(&checkpoint).map(text)
    };
    "Checkpoint::root", ForeignStore, Right::Error("was not made of the checkpoint") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        checkpoint.root(&mut w.store, &w.there.owned).map(text)
    };
    "Checkpoint::root", ForeignStore, Right::Error("another store than the one") => |w| {
        let checkpoint = w.others[0].checkpoint()?;
        let mut fork = checkpoint.fork(())?;
        checkpoint.root(&mut fork, &w.here.owned).map(text)
    };
};
