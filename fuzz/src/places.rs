//! Which operators a module has, and in which places their operands are: counted from its bytes, not by the generator.
//!
//! An abstract stack notes for each operand where it was made. After a call everything that was in registers is on the
//! stack, locals too until they are set again.

use std::collections::BTreeMap;
use wasmparser::{
    FuncValidator, FuncValidatorAllocations, Operator, Parser, ValidPayload, Validator, WasmFeatures,
    WasmModuleResources,
};

/// Where an operand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// An immediate.
    Constant,
    /// A local that was set since the last call, or is a parameter.
    Local,
    /// A value from before a call.
    Spilled,
    /// What a call returned.
    Call,
    /// What a load, or a read of a field, element, global or table, gave.
    Load,
    /// Anything else.
    Other,
}

/// Names of the columns.
pub const NAMES: [&str; 6] = ["constant", "local", "spilled", "call", "load", "other"];

/// Uses of an operator: how often it stands somewhere, and its operands by place.
#[derive(Clone, Copy, Default, Debug)]
pub struct Uses {
    /// Times.
    pub count: u64,
    /// Operands by place.
    pub places: [u64; 6],
}

/// Uses by the name of the operator.
pub type Table = BTreeMap<String, Uses>;

/// Counts a module's operators.
///
/// # Errors
/// The module is not valid.
pub fn count(bytes: &[u8], table: &mut Table) -> Result<(), String> {
    let features =
        WasmFeatures::all().difference(WasmFeatures::CUSTOM_DESCRIPTORS | WasmFeatures::SHARED_EVERYTHING_THREADS);
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| error.to_string())?;
        if let ValidPayload::Func(func, body) = validator.payload(&payload).map_err(|error| error.to_string())? {
            let mut func = func.into_validator(allocations);
            count_body(&mut func, &body, table).map_err(|error| error.to_string())?;
            allocations = func.into_allocations();
        }
    }
    Ok(())
}

fn count_body<R: WasmModuleResources>(
    func: &mut FuncValidator<R>,
    body: &wasmparser::FunctionBody<'_>,
    table: &mut Table,
) -> wasmparser::Result<()> {
    let mut reader = body.get_binary_reader();
    func.read_locals(&mut reader)?;
    let mut operators = wasmparser::OperatorsReader::new(reader);
    let mut stack: Vec<Place> = Vec::new();
    // Locals that were set since the last call.
    let mut fresh: Vec<u32> = (0..16).collect();
    while !operators.eof() {
        let (operator, offset) = operators.read_with_offset()?;
        let (params, results) = operator.operator_arity(func).unwrap_or((0, 0));
        let reached = !func.get_control_frame(0).is_some_and(|frame| frame.unreachable);
        func.op(offset, &operator)?;
        let from = stack.len().saturating_sub(params as usize);
        if reached {
            let name = format!("{operator:?}");
            let end = name.find(|char: char| !char.is_alphanumeric()).unwrap_or(name.len());
            let uses = table.entry(name[..end].to_owned()).or_default();
            uses.count += 1;
            stack[from..].iter().for_each(|place| uses.places[*place as usize] += 1);
        }
        stack.truncate(from);
        let place = result_of(&operator, &mut fresh);
        if place == Place::Call {
            stack.iter_mut().filter(|place| **place != Place::Constant).for_each(|place| *place = Place::Spilled);
            fresh.clear();
        }
        // Blocks have their parameters twice: where they end, height is what the validator says.
        stack.resize(stack.len() + results as usize, place);
        let height = func.operand_stack_height() as usize;
        stack.resize(height, Place::Other);
    }
    Ok(())
}

fn result_of(operator: &Operator<'_>, fresh: &mut Vec<u32>) -> Place {
    use Operator::*;
    match operator {
        I32Const { .. }
        | I64Const { .. }
        | F32Const { .. }
        | F64Const { .. }
        | V128Const { .. }
        | RefNull { .. }
        | RefFunc { .. } => Place::Constant,
        LocalGet { local_index } if fresh.contains(local_index) => Place::Local,
        LocalGet { .. } => Place::Spilled,
        LocalTee { local_index } => {
            fresh.push(*local_index);
            Place::Local
        }
        LocalSet { local_index } => {
            fresh.push(*local_index);
            Place::Other
        }
        Call { .. } | CallIndirect { .. } | CallRef { .. } => Place::Call,
        GlobalGet { .. }
        | TableGet { .. }
        | StructGet { .. }
        | StructGetS { .. }
        | StructGetU { .. }
        | ArrayGet { .. }
        | ArrayGetS { .. }
        | ArrayGetU { .. } => Place::Load,
        I32Load { .. }
        | I64Load { .. }
        | F32Load { .. }
        | F64Load { .. }
        | I32Load8S { .. }
        | I32Load8U { .. }
        | I32Load16S { .. }
        | I32Load16U { .. }
        | I64Load8S { .. }
        | I64Load8U { .. }
        | I64Load16S { .. }
        | I64Load16U { .. }
        | I64Load32S { .. }
        | I64Load32U { .. }
        | V128Load { .. }
        | V128Load8x8S { .. }
        | V128Load8x8U { .. }
        | V128Load16x4S { .. }
        | V128Load16x4U { .. }
        | V128Load32x2S { .. }
        | V128Load32x2U { .. }
        | V128Load8Splat { .. }
        | V128Load16Splat { .. }
        | V128Load32Splat { .. }
        | V128Load64Splat { .. }
        | V128Load32Zero { .. }
        | V128Load64Zero { .. } => Place::Load,
        _ => Place::Other,
    }
}

/// All operators of what Heapwood has, in the order of the specification.
pub fn all_operators() -> Vec<&'static str> {
    macro_rules! names {
        ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            vec![$((stringify!($proposal), stringify!($op))),*]
        };
    }
    let all = wasmparser::for_each_operator!(names);
    let absent = ["shared_everything_threads", "stack_switching", "memory_control", "custom_descriptors"];
    all.into_iter().filter(|(proposal, _)| !absent.contains(proposal)).map(|(_, name)| name).collect()
}
