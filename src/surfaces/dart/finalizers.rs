//! Finalizers: callbacks for objects that died.
//!
//! 1. A finalizer is an object of the heap. It holds its callback's first argument and the tokens of its attachments:
//!    so a finalizer to which these lead dies with them. Beside them it has a value of the host: the places of the
//!    tokens, with their keys for detaching, which are weak.
//! 2. Each attachment asks the collector for a notice of its object's death, with a number of its own. What the number
//!    stands for ([`Attached`]) leads to the finalizer weakly: when that is gone, nothing happens.
//! 3. The event loop asks for the deaths that were found, and calls each callback in a turn of its own.

use super::Context;
use super::call::{Call, Given};
use super::tasks::Task;
use crate::{
    AnyRef, ArrayRef, ArrayType, AsContextMut, Caller, Engine, ExternRef, FieldType, Finalizer, Func, Mutability,
    Result, Root, RootScope, Rooted, StorageType, StructRef, StructType, Val, ValType, WeakRoot,
};
use parking_lot::Mutex;
use std::sync::Arc;

const PLACES: usize = 0;
const FIRST: usize = 1;
const TOKENS: usize = 2;

/// Places of a new finalizer.
const PLACES_MIN: u32 = 4;

/// The type of a finalizer.
pub(super) fn struct_type(engine: &Engine) -> StructType {
    let field = |mutability, ty| FieldType::new(mutability, StorageType::ValType(ty));
    let places = field(Mutability::Const, ValType::EXTERNREF);
    StructType::new(
        engine,
        [places, field(Mutability::Const, ValType::ANYREF), field(Mutability::Var, ValType::ANYREF)],
    )
}

fn array_type(engine: &Engine) -> ArrayType {
    ArrayType::new(engine, FieldType::new(Mutability::Var, StorageType::ValType(ValType::ANYREF)))
}

/// What a number stands for: a place of a finalizer.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    finalizer: WeakRoot<StructRef>,
    place: u32,
}

/// The value behind a finalizer's first field.
struct Places {
    callback: Func,
    /// The finalizer itself, from its first attachment on.
    own: Option<WeakRoot<StructRef>>,
    places: Vec<Option<Place>>,
    free: Vec<u32>,
}

struct Place {
    number: u64,
    key: Option<WeakRoot<AnyRef>>,
    notice: Finalizer,
}

type Shared = Arc<Mutex<Places>>;

pub(super) fn create<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let (callback, first) = (call.func(0)?, call.any(1)?);
    let params = callback.ty(&*call.caller()).params().len();
    if params != 2 {
        return call.trap(format!("argument 0 takes {params} arguments in place of 2"));
    }
    let ty = call.types().finalizer;
    let places: Shared = Arc::new(Mutex::new(Places { callback, own: None, places: Vec::new(), free: Vec::new() }));
    let places = ExternRef::new(&mut *call.caller(), places)?;
    let array = array_type(call.caller().engine());
    let tokens = ArrayRef::new(&mut *call.caller(), &array, &Val::AnyRef(None), PLACES_MIN)?;
    let finalizer = StructRef::new(call.caller(), &ty, &[places.into(), first.into(), tokens.into()])?;
    Ok(Some(finalizer.to_anyref().to_extern().into()))
}

/// The host value of a finalizer; none if the program has made an object of the same type for itself.
fn places<D: 'static>(
    caller: &mut impl AsContextMut<Data = D>,
    finalizer: Rooted<StructRef>,
) -> Result<Option<Shared>> {
    let Val::ExternRef(Some(places)) = finalizer.field(&mut *caller, PLACES)? else { return Ok(None) };
    Ok(places.data(&*caller)?.and_then(|value| value.downcast_ref::<Shared>()).cloned())
}

fn tokens(caller: &mut impl AsContextMut, finalizer: Rooted<StructRef>) -> Result<Option<Rooted<ArrayRef>>> {
    match finalizer.field(&mut *caller, TOKENS)? {
        Val::AnyRef(Some(tokens)) => tokens.as_array(&*caller),
        _ => Ok(None),
    }
}

fn finalizer<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Result<(Rooted<StructRef>, Shared)> {
    let ty = call.types().finalizer;
    let finalizer = call.object(0, &ty, "a finalizer")?;
    match places(call.caller(), finalizer)? {
        Some(places) => Ok((finalizer, places)),
        None => call.trap("argument 0 is no finalizer of this host"),
    }
}

/// An array of tokens that has a place, which may have to be made.
fn tokens_with<T, C: Context<T>>(
    call: &mut Call<'_, '_, T, C>,
    finalizer: Rooted<StructRef>,
    place: u32,
) -> Result<Rooted<ArrayRef>> {
    let Some(tokens) = tokens(call.caller(), finalizer)? else {
        return call.trap("argument 0 is no finalizer of this host");
    };
    let len = tokens.len(&*call.caller())?;
    if place < len {
        return Ok(tokens);
    }
    let array = array_type(call.caller().engine());
    let larger = ArrayRef::new(&mut *call.caller(), &array, &Val::AnyRef(None), len.saturating_mul(2).max(place + 1))?;
    for index in 0..len {
        let mut scope = RootScope::new(call.caller());
        let token = tokens.get(&mut scope, index)?;
        larger.set(&mut scope, index, token)?;
    }
    finalizer.set_field(call.caller(), TOKENS, larger.into())?;
    Ok(larger)
}

pub(super) fn attach<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let ((finalizer, shared), object) = (finalizer(call)?, call.any(1)?);
    if object.as_i31(&*call.caller())?.is_some() {
        // An i31 never dies.
        return Ok(None);
    }
    let mut places = shared.lock();
    let place = places.free.pop().unwrap_or_else(|| {
        places.places.push(None);
        u32::try_from(places.places.len() - 1).expect("fewer than 2^32 attachments")
    });
    let attached = attach_at(call, finalizer, &mut places, place, object);
    if attached.is_err() {
        places.free.push(place);
    }
    attached
}

fn attach_at<T, C: Context<T>>(
    call: &mut Call<'_, '_, T, C>,
    finalizer: Rooted<StructRef>,
    places: &mut Places,
    place: u32,
    object: Rooted<AnyRef>,
) -> Given {
    let tokens = tokens_with(call, finalizer, place)?;
    let key = call.any_or_null(3).map(|key| key.downgrade(&mut *call.caller())).transpose()?;
    let own = match &places.own {
        Some(own) => own.clone(),
        None => places.own.insert(finalizer.downgrade(call.caller())?).clone(),
    };
    let (number, deaths) = (call.dart().next_token, call.dart().deaths.clone());
    let notice = object.register_finalizer_in(&mut *call.caller(), &deaths, number)?;
    let token = Val::AnyRef(call.any_or_null(2));
    tokens.set(call.caller(), place, token)?;
    places.places[place as usize] = Some(Place { number, key, notice });
    call.dart().next_token += 1;
    call.dart().attachments.insert(number, Attached { finalizer: own, place });
    Ok(None)
}

/// Looks at all attachments: keys are known by identity, which no table has.
pub(super) fn detach<T, C: Context<T>>(call: &mut Call<'_, '_, T, C>) -> Given {
    let ((finalizer, shared), key) = (finalizer(call)?, call.any(1)?);
    let mut places = shared.lock();
    let Places { places, free, .. } = &mut *places;
    for (index, place) in (0..).zip(places) {
        let Some(Place { number, key: Some(of), notice }) = place else { continue };
        let mut scope = RootScope::new(call.caller());
        let is_it = match of.upgrade(&mut scope)? {
            Some(of) => of.ref_eq(&scope, &key)?,
            None => false,
        };
        drop(scope);
        if is_it {
            notice.cancel();
            let number = *number;
            *place = None;
            free.push(index);
            call.dart().attachments.remove(&number);
            if let Some(tokens) = tokens(call.caller(), finalizer)? {
                tokens.set(call.caller(), index, Val::AnyRef(None))?;
            }
        }
    }
    Ok(None)
}

/// The task for the death with this number; none if the finalizer has died, or the attachment is gone.
pub(super) fn task_of<T: 'static>(
    caller: &mut Caller<'_, T>,
    context: impl Context<T>,
    number: u64,
) -> Result<Option<Task>> {
    let (dart, _) = context(caller.data_mut());
    let Some(Attached { finalizer, place }) = dart.attachments.remove(&number) else { return Ok(None) };
    let mut scope = RootScope::new(caller);
    let Some(finalizer) = finalizer.upgrade(&mut scope)? else { return Ok(None) };
    let (Some(shared), Some(tokens)) = (places(&mut scope, finalizer)?, tokens(&mut scope, finalizer)?) else {
        return Ok(None);
    };
    let mut places = shared.lock();
    match places.places.get_mut(place as usize) {
        Some(of @ Some(Place { .. })) if of.as_ref().is_some_and(|place| place.number == number) => *of = None,
        _ => return Ok(None),
    }
    places.free.push(place);
    let token = match tokens.get(&mut scope, place)? {
        Val::AnyRef(token) => token,
        _ => None,
    };
    tokens.set(&mut scope, place, Val::AnyRef(None))?;
    let first = match finalizer.field(&mut scope, FIRST)? {
        Val::AnyRef(Some(first)) => first.to_owned(&mut scope)?,
        _ => return Ok(None),
    };
    let token: Option<Root<AnyRef>> = token.map(|token| token.to_owned(&mut scope)).transpose()?;
    Ok(Some(Task::with_token(places.callback, first, token)))
}
