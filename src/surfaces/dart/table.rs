//! All functions by name, with the types that programs may declare for them.
//!
//! | letter | type |
//! |---|---|
//! | i, l, f | i32, i64, f64 |
//! | e | a reference of the `extern` hierarchy |
//! | a | one of the `any` hierarchy |
//! | c | a function |
//! | b, w | an array of i8, i16 |

use super::call::{Call, Given};
use super::{Context, MODULE};
use super::{buffers, finalizers, numbers, regexps, strings, tasks, weak, world};
use crate::{
    ArrayType, Engine, ExternType, FieldType, FuncType, HeapType, Linker, Mutability, RefType, Resolved, Result,
    StorageType, ValType,
};

/// A function of the surface.
struct Row<T: 'static, C> {
    name: &'static str,
    params: &'static str,
    /// A letter, or nothing.
    result: &'static str,
    serve: fn(&mut Call<'_, '_, T, C>) -> Given,
}

macro_rules! functions {
    ($($name:ident $params:literal $result:literal $module:ident :: $function:ident)*) => {
        /// The names of all functions.
        pub(super) const NAMES: [&str; 82] = [$(stringify!($name),)*];

        fn rows<T: 'static, C: Context<T>>() -> [Row<T, C>; 82] {
            [$(Row {
                name: stringify!($name),
                params: $params,
                result: $result,
                serve: $module::$function,
            },)*]
        }
    };
}

functions! {
    scheduleOnce "lca" "e" tasks::schedule_once
    scheduleRepeated "lca" "e" tasks::schedule_repeated
    queueMicrotask "ca" "" tasks::queue_microtask
    clearSchedule "e" "" tasks::clear_schedule
    stringFromCharCodeArray "wii" "e" strings::from_char_codes
    stringFromAsciiBytes "bii" "e" strings::from_ascii
    stringLength "e" "i" strings::length
    stringEquals "ee" "i" strings::equals
    stringCompare "ee" "i" strings::compare
    stringCodeUnitAt "ei" "i" strings::code_unit_at
    stringIndexOfString "eei" "i" strings::index_of
    stringLastIndexOfString "eei" "i" strings::last_index_of
    stringReplaceAllString "eee" "e" strings::replace_all
    stringReplaceAllRegExp "eee" "e" regexps::replace_all
    stringSubstring "eii" "e" strings::substring
    stringToLowerCase "e" "e" strings::to_lower_case
    stringToUpperCase "e" "e" strings::to_upper_case
    stringConcat "ee" "e" strings::concat
    stringRepeat "ei" "e" strings::repeat
    stringReplaceRange "eiie" "e" strings::replace_range
    stringToCodeUnits "ewi" "" strings::to_code_units
    stringBufferCreate "" "e" buffers::create
    stringBufferWriteString "ee" "" buffers::write_string
    stringBufferWriteCharCode "ei" "" buffers::write_char_code
    stringBufferClear "e" "" buffers::clear
    stringBufferLength "e" "i" buffers::length
    stringBufferToString "e" "e" buffers::to_string
    jsonEncodeString "e" "e" strings::json_encode
    i64ToString "li" "e" numbers::i64_to_string
    f64ToString "f" "e" numbers::f64_to_string
    f64ToFixed "fi" "e" numbers::f64_to_fixed
    f64ToExponential "f" "e" numbers::f64_to_exponential
    f64ToExponentialWithFractionDigits "fi" "e" numbers::f64_to_exponential_with_digits
    f64ToPrecision "fi" "e" numbers::f64_to_precision
    doubleTryParse "e" "e" numbers::try_parse
    tryParseResultGetDouble "e" "f" numbers::parsed
    doubleParseInfallible "e" "f" numbers::parse
    mathPow "ff" "f" numbers::pow
    mathAtan2 "ff" "f" numbers::atan2
    mathSin "f" "f" numbers::sin
    mathCos "f" "f" numbers::cos
    mathTan "f" "f" numbers::tan
    mathAcos "f" "f" numbers::acos
    mathAsin "f" "f" numbers::asin
    mathAtan "f" "f" numbers::atan
    mathExp "f" "f" numbers::exp
    mathLog "f" "f" numbers::log
    randomInt "" "l" numbers::random
    randomIntSecure "" "l" numbers::random
    regexpCreateOrFailWithString "eiiii" "e" regexps::create
    regexpIsRegexp "e" "i" regexps::is_regexp
    regexpEscape "e" "e" strings::escape_pattern
    regexpMatch "eeii" "e" regexps::find
    regexpMatchGetStart "e" "i" regexps::start
    regexpMatchGetEnd "e" "i" regexps::end
    regexpMatchGetGroupCount "e" "i" regexps::group_count
    regexpMatchGetGroup "ei" "e" regexps::group
    regexpMatchGetNamedGroups "e" "i" regexps::name_count
    regexpMatchGetGroupName "ei" "e" regexps::name
    regexpMatchGetGroupByName "ei" "e" regexps::group_by_name
    weakRefCreate "a" "e" weak::create_reference
    weakRefGet "e" "a" weak::target
    expandoCreate "" "e" weak::create_expando
    expandoGet "eal" "a" weak::get
    expandoSet "eala" "" weak::set
    finalizerCreate "ca" "e" finalizers::create
    finalizerAttach "eaaa" "" finalizers::attach
    finalizerDetach "ea" "" finalizers::detach
    currentTime "" "l" world::current_time
    monotonicClockFrequency "" "i" world::clock_frequency
    monotonicClockTicks "" "l" world::clock_ticks
    timeZoneNameForClampedSeconds "l" "e" world::zone_name
    timeZoneOffsetInSecondsForClampedSeconds "l" "i" world::zone_offset
    baseUri "" "e" world::base_uri
    isWindows "" "i" world::zero
    stackTraceGetCurrent "" "e" world::stack_trace
    stackTraceToString "e" "e" world::stack_trace_text
    print "e" "" world::print
    debugger "e" "" world::nothing
    inspect "a" "" world::nothing
    timelineStreamEnabled "" "i" world::zero
    reportTaskEvent "iiiee" "i" world::zero
}

/// Serves imports of the surface's module.
pub(super) fn define<T: 'static, C: Context<T>>(linker: &mut Linker<T>, context: C) {
    let engine = linker.engine().clone();
    linker.resolve_with(MODULE, move |import| {
        let (Some(row), ExternType::Func(ty)) =
            (rows::<T, C>().into_iter().find(|row| row.name == import.name), &import.ty)
        else {
            return Ok(None);
        };
        // Of another type it is there as well, so that the error says which one it has.
        let ty = if row.fits(ty) { ty.clone() } else { row.usual_type(&engine)? };
        Ok(Some(Resolved::func_new(ty, move |caller, args, results| {
            let given = (row.serve)(&mut Call::new(row.name, caller, args, context))?;
            results.iter_mut().zip(given).for_each(|(result, value)| *result = value);
            Ok(())
        })))
    });
}

impl<T, C> Row<T, C> {
    /// Whether a program may declare this type.
    fn fits(&self, ty: &FuncType) -> bool {
        let all = |letters: &str, mut types: Vec<ValType>| {
            letters.len() == types.len() && letters.chars().zip(types.drain(..)).all(|(letter, ty)| fits(letter, &ty))
        };
        all(self.params, ty.params().collect()) && all(self.result, ty.results().collect())
    }

    /// The widest type.
    fn usual_type(&self, engine: &Engine) -> Result<FuncType> {
        let types = |letters: &str| letters.chars().map(|letter| widest(letter, engine)).collect::<Result<Vec<_>>>();
        FuncType::new(engine, types(self.params)?, types(self.result)?)
    }
}

/// Whether a letter stands for a type.
fn fits(letter: char, ty: &ValType) -> bool {
    let ValType::Ref(RefType { heap, .. }) = ty else {
        return matches!((letter, ty), ('i', ValType::I32) | ('l', ValType::I64) | ('f', ValType::F64));
    };
    match letter {
        'e' => heap.top() == HeapType::Extern,
        'a' => heap.top() == HeapType::Any,
        'c' => heap.top() == HeapType::Func,
        'b' | 'w' => match heap {
            HeapType::ConcreteArray(array) => array.element_type() == element(letter),
            // What it is shows when it is passed.
            _ => matches!(heap, HeapType::Array | HeapType::Eq | HeapType::Any),
        },
        _ => false,
    }
}

fn element(letter: char) -> StorageType {
    if letter == 'b' { StorageType::I8 } else { StorageType::I16 }
}

fn widest(letter: char, engine: &Engine) -> Result<ValType> {
    Ok(match letter {
        'i' => ValType::I32,
        'l' => ValType::I64,
        'f' => ValType::F64,
        'e' => ValType::EXTERNREF,
        'a' => ValType::ANYREF,
        'c' => ValType::FUNCREF,
        _ => {
            let array = ArrayType::try_new(engine, FieldType::new(Mutability::Var, element(letter)))?;
            ValType::Ref(RefType::new(true, HeapType::ConcreteArray(array)))
        }
    })
}
