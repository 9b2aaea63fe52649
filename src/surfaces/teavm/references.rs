//! Weak references, the queues that are told of them, and interned strings; what programs ask of their stack.
//!
//! 1. A weak reference is a host value with a weak cell of the heap: it holds nothing.
//! 2. TeaVM's table of interned strings compares what it finds with what it looks for, and does not expect a string
//!    that has died and of which it was not told yet. In its place it gets the first string that was interned, which is
//!    kept: if that is the one it looks for, it is right, and if not, it looks on.
//! 3. Who is to be told of an object's death is kept in [`Deaths`] until then, and told by [`super::run_events`], which
//!    is never inside of a collection.

use super::typed::{Kind, Shape, belongs};
use super::{Context, trap};
use crate::{
    AnyRef, AsContextMut, Caller, Extern, ExternRef, FinalizerQueue, Func, FuncType, Linker, RefKind, Resolved, Result,
    Root, Rooted, Val, WeakRoot,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Who waits for the death of an object.
#[derive(Debug)]
pub(super) struct Death {
    names: &'static Names,
    /// The program's function for it, and what it is called with.
    report: Func,
    arguments: Vec<Root<AnyRef>>,
}

/// What is to be reported when objects die, by the tokens of the objects.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    queue: FinalizerQueue,
    waiting: HashMap<u64, Death>,
    next_token: u64,
    /// The first string that was interned.
    first_string: Option<Arc<Root<AnyRef>>>,
}

impl Deaths {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The queue of tokens.
    pub fn queue(&self) -> &FinalizerQueue {
        &self.queue
    }

    /// Who waited for the object of this token.
    pub fn take(&mut self, token: u64) -> Option<Death> {
        self.waiting.remove(&token)
    }
}

impl Death {
    /// The function by which it came to wait.
    pub fn function(&self) -> &'static str {
        self.names.create
    }

    /// Tells who waited.
    ///
    /// # Errors
    /// The function traps or throws, or does not take what it is called with.
    pub fn report(&self, mut store: impl AsContextMut) -> Result<()> {
        let mut arguments = Vec::new();
        for argument in &self.arguments {
            arguments.push(Val::AnyRef(Some(argument.to_rooted(&mut store)?)));
        }
        self.report.call(store, &arguments, &mut [])
    }
}

/// A weak reference, as programs hold it.
struct Weak {
    object: Arc<WeakRoot<AnyRef>>,
    is_string: bool,
}

/// What serves references to objects, and what serves those to strings.
#[derive(Debug)]
struct Names {
    is_string: bool,
    create: &'static str,
    deref: &'static str,
    report: &'static str,
}

static OBJECT: Names = Names {
    is_string: false,
    create: "teavm::createWeakRef",
    deref: "teavm::deref",
    report: "teavm.reportGarbageCollectedValue",
};
static STRING: Names = Names {
    is_string: true,
    create: "teavm::createStringWeakRef",
    deref: "teavm::stringDeref",
    report: "teavm.reportGarbageCollectedString",
};

/// Defines `teavm`, but for `getNativeOffset`.
pub(super) fn define<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) {
    let engine = linker.engine().clone();
    linker.resolve_with("teavm", move |import| {
        use Kind::{F32, F64, Host, I32, Object};
        let shape = |params, result| Shape { params, result };
        let with =
            |shape: Shape, make: &dyn Fn(FuncType) -> Resolved<T>| shape.resolve(&engine, import, make).map(Some);
        match import.name {
            "createWeakRef" => with(shape(&[Object; 3], Some(Host)), &|ty| {
                Resolved::func_new(ty, move |caller, args, results| create(caller, context, &OBJECT, args, results))
            }),
            "createStringWeakRef" => with(shape(&[Object; 2], Some(Host)), &|ty| {
                Resolved::func_new(ty, move |caller, args, results| create(caller, context, &STRING, args, results))
            }),
            "deref" => with(shape(&[Host], Some(Object)), &|ty| dereferencing(context, ty, &OBJECT)),
            "stringDeref" => with(shape(&[Host], Some(Object)), &|ty| dereferencing(context, ty, &STRING)),
            // Without a trace, which is a thing of JavaScript, `getStackTrace` is empty.
            "takeStackTrace" => with(shape(&[Host], Some(Host)), &|ty| {
                Resolved::func_new(ty, |_, _, results| {
                    results[0] = Val::ExternRef(None);
                    Ok(())
                })
            }),
            "decorateException" => with(shape(&[Object], None), &|ty| Resolved::func_new(ty, |_, _, _| Ok(()))),
            "isnan" | "isfinite" | "isinf" => {
                let test: fn(f64) -> bool = match import.name {
                    "isnan" => f64::is_nan,
                    "isfinite" => f64::is_finite,
                    _ => f64::is_infinite,
                };
                let is_f32 = import.ty.func().is_some_and(|ty| ty.params().next() == Some(F32.top()));
                let params: &[Kind] = if is_f32 { &[F32] } else { &[F64] };
                with(shape(params, Some(I32)), &|ty| testing(ty, test))
            }
            _ => Ok(None),
        }
    });
}

/// A test of a number.
fn testing<T: 'static>(ty: FuncType, test: fn(f64) -> bool) -> Resolved<T> {
    Resolved::func_new(ty, move |_, args, results| {
        let number = args[0].f64().or_else(|| args[0].f32().map(f64::from));
        results[0] = Val::I32(number.is_some_and(test).into());
        Ok(())
    })
}

/// `createWeakRef` of an object, a reference and a queue, which may be null; `createStringWeakRef` of a string and the
/// entry that holds it.
fn create<T: 'static>(
    mut caller: Caller<'_, T>,
    context: impl Context<T>,
    names: &'static Names,
    args: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let Val::AnyRef(Some(object)) = args[0] else {
        return Err(trap(names.create, "there is no weak reference to null"));
    };
    if let RefKind::I31(_) = object.kind(&caller)? {
        return Err(trap(names.create, "there is no weak reference to an i31, which never dies"));
    }
    let weak = Weak { object: Arc::new(object.downgrade(&mut caller)?), is_string: names.is_string };
    results[0] = ExternRef::new(&mut caller, weak)?.into();
    // The queue comes first in the call that reports; without one nobody is told.
    let arguments = args[1..].iter().rev().map(|value| match value {
        Val::AnyRef(object) => *object,
        _ => None,
    });
    let arguments: Option<Vec<Rooted<AnyRef>>> = arguments.collect();
    let report = caller.get_export(names.report).and_then(Extern::into_func);
    if names.is_string && context(caller.data_mut()).0.deaths.first_string.is_none() {
        let first = object.to_owned(&mut caller)?;
        context(caller.data_mut()).0.deaths.first_string = Some(Arc::new(first));
    }
    if let (Some(arguments), Some(report)) = (arguments, report) {
        let arguments = arguments.iter().map(|object| object.to_owned(&mut caller)).collect::<Result<_>>()?;
        let deaths = &mut context(caller.data_mut()).0.deaths;
        let (queue, token) = (deaths.queue.clone(), deaths.next_token);
        object.register_finalizer_in(&mut caller, &queue, token)?;
        let deaths = &mut context(caller.data_mut()).0.deaths;
        deaths.next_token += 1;
        deaths.waiting.insert(token, Death { names, report, arguments });
    }
    Ok(())
}

/// `deref`, `stringDeref`.
fn dereferencing<T: 'static>(context: impl Context<T>, ty: FuncType, names: &'static Names) -> Resolved<T> {
    let wanted = ty.results().next();
    Resolved::func_new(ty, move |mut caller, args, results| {
        let no_weak = || trap(names.deref, "the argument is null, or something else than what the surface gave for it");
        let Val::ExternRef(Some(weak)) = args[0] else { return Err(no_weak()) };
        let weak = weak.data(&caller)?.and_then(|any| any.downcast_ref::<Weak>());
        let weak = weak.filter(|weak| weak.is_string == names.is_string).ok_or_else(no_weak)?.object.clone();
        let mut object = weak.upgrade(&mut caller)?;
        if object.is_none() && names.is_string {
            let first = context(caller.data_mut()).0.deaths.first_string.clone();
            object = first.map(|first| first.to_rooted(&mut caller)).transpose()?;
        }
        if !wanted.as_ref().is_some_and(|ty| belongs(&caller, object, ty).unwrap_or(false)) {
            return Err(trap(names.deref, "the object is of another type than the result"));
        }
        results[0] = Val::AnyRef(object);
        Ok(())
    })
}
