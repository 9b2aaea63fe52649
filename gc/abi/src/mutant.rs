//! Faults that can be built in: what shows that the tests would notice them.
//!
//! 1. A *mutant* is one fault on purpose: a barrier that is not there, a width, a bound, a register that is not saved.
//!    Each is a row of [`MUTANTS`], with a test that has to fail when the fault is there.
//! 2. The place of the fault asks [`active`] in one short expression.
//! 3. All mutants are compiled at once, and only where `RUSTFLAGS` has `--cfg heapwood_mutants`. The environment
//!    variable
//!    [`VARIABLE`] chooses one of them by name; without it everything is as it should be. In every other build
//!    `active` is `false` when Heapwood is compiled, so nothing is left of its places.
//! 4. `.ci/mutants` runs the test of each row, with the mutant and without.

/// Names the mutant that is active, in a build that has them.
pub const VARIABLE: &str = "HEAPWOOD_MUTANT";

/// Names a file that is made when the place of the active mutant is reached: a test that fails without that did not
/// fail because of it.
pub const REACHED_VARIABLE: &str = "HEAPWOOD_MUTANT_REACHED";

/// How the test of a mutant ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// The test fails: by an assertion, or by a signal.
    Fails,
    /// The test does not end.
    Hangs,
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The mutant.
    pub mutant: Mutant,
    /// Name of the mutant.
    pub name: &'static str,
    /// The part of Heapwood in which it is a fault.
    pub part: &'static str,
    /// What is broken.
    pub broken: &'static str,
    /// How its test ends while the mutant is active.
    pub ends: Ends,
    /// The source of the test's program, without extension; of unit tests the folder.
    pub program: &'static str,
    /// The tests of the program, as a filter of their names.
    pub test: &'static str,
}

/// Rows by part: variant, name, what is broken, how a test ends, and which.
macro_rules! mutants {
    ($($part:literal {
        $($mutant:ident $name:literal $broken:literal $ends:ident $program:literal $test:literal;)*
    })*) => {
        /// A fault that can be built in.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Mutant {
            $($(#[doc = $broken] $mutant,)*)*
        }

        /// All mutants.
        pub const MUTANTS: &[Row] = &[$($(Row {
            mutant: Mutant::$mutant,
            name: $name,
            part: $part,
            broken: $broken,
            ends: Ends::$ends,
            program: $program,
            test: $test,
        },)*)*];
    };
}

mutants! {
    "compiler" {
        StructSetNotLogged "struct-set-not-logged"
            "compiled `struct.set` of a reference has no barrier"
            Fails "vm/tests/graphs" "programs";
        ArraySetNotLogged "array-set-not-logged"
            "compiled `array.set` of a reference has no barrier"
            Fails "vm/tests/gc" "each_chunk";
        GlobalSetNotLogged "global-set-not-logged"
            "compiled `global.set` of a reference has no barrier"
            Fails "vm/tests/graphs" "programs";
        ConstantHalfStored "constant-half-stored"
            "a constant of 64 bits is stored with 4 of its 8 bytes"
            Fails "vm/tests/generated" "stores_of_f64::default";
        ShortStoredAsByte "short-stored-as-byte"
            "of a packed i16 one byte is stored"
            Fails "vm/tests/generated" "stores_of_packed_integers::default";
        PackedReadSigned "packed-read-signed"
            "`struct.get_u` and `array.get_u` extend the sign"
            Fails "vm/tests/generated" "upper_halves_of_all_producers_are_clear::default";
        LoadSigned "load-signed"
            "`load8_u` and its kin extend the sign"
            Fails "vm/tests/generated" "accesses_end_with_their_memory::default";
        WrapKeepsUpperHalf "wrap-keeps-upper-half"
            "`i32.wrap_i64` leaves the upper half of its register"
            Fails "vm/tests/generated" "upper_halves_of_all_producers_are_clear::default";
        ArrayIndexAtLength "array-index-at-length"
            "an array has an element at its length"
            Fails "vm/tests/generated" "elements_end_with_their_array::default";
        ConstantIndexAtLength "constant-index-at-length"
            "an array has an element at its length, if that is a constant"
            Fails "vm/tests/generated" "elements_end_with_their_array::default";
        AccessOneBeyondMemory "access-one-beyond-memory"
            "a compared access may lie one byte beyond the memory"
            Fails "vm/tests/generated" "accesses_end_with_their_memory::mem64_slow";
        LargeOffsetIn32Bits "large-offset-in32-bits"
            "the sum of an address and a large offset has 32 bits"
            Fails "vm/tests/generated" "accesses_end_with_their_memory::default";
        Memory64ReachUnchecked "memory64-reach-unchecked"
            "an address beyond the reservation of a 64-bit memory is not compared"
            Fails "vm/tests/generated" "accesses_end_with_their_memory::default";
        TableGetAtLength "table-get-at-length"
            "a table has an element at its length"
            Fails "vm/tests/generated" "tables_at_edge_values::default";
        IndirectCallAtLength "indirect-call-at-length"
            "`call_indirect` finds a function at the length of its table"
            Fails "vm/tests/generated" "calls_at_edge_values::default";
        IndirectCallOfAnyType "indirect-call-of-any-type"
            "`call_indirect` does not compare the type"
            Fails "vm/tests/generated" "calls_at_edge_values::default";
        CastToExactTypeOnly "cast-to-exact-type-only"
            "a cast refuses subtypes"
            Fails "vm/tests/generated" "casts_agree_with_the_model::default";
        CastOfNullSucceeds "cast-of-null-succeeds"
            "a cast to a type without null takes null"
            Fails "vm/tests/generated" "casts_agree_with_the_model::default";
        CastForgetsI31 "cast-forgets-i31"
            "a cast takes an i31 for an object"
            Fails "vm/tests/generated" "casts_agree_with_the_model::default";
        KindOfArrayForStruct "kind-of-array-for-struct"
            "a cast to `array` takes structs"
            Fails "vm/tests/generated" "casts_agree_with_the_model::default";
        NullBranchInverted "null-branch-inverted"
            "`br_on_null` branches unless the reference is null"
            Fails "vm/tests/generated" "nulls_are_told::default";
        I31GetUnsigned "i31-get-unsigned"
            "`i31.get_s` does not extend the sign"
            Fails "vm/tests/generated" "upper_halves_of_all_producers_are_clear::default";
        SlowPathHidesRegisters "slow-path-hides-registers"
            "the record of a slow path names no registers with references"
            Fails "vm/tests/safepoints" "references";
        ColdCallHidesOperands "cold-call-hides-operands"
            "the record of a call out of line counts no operands"
            Fails "vm/tests/safepoints" "references";
        SafePointHidesOperands "safe-point-hides-operands"
            "the record of a safe point counts no operands"
            Fails "vm/tests/safepoints" "references";
        LastSlotOfCallMissing "last-slot-of-call-missing"
            "the record of a call misses the last reference slot"
            Fails "vm/tests/safepoints" "references";
        InlinedHomesNotZeroed "inlined-homes-not-zeroed"
            "the prologue leaves the home slots of inlined bodies as they are"
            Fails "vm/tests/inlining" "programs";
        InlinedBodyUnnamed "inlined-body-unnamed"
            "safe points and traps of an inlined body name the function around it"
            Fails "vm/tests/inlining" "programs";
        InlinedEntryNotPaid "inlined-entry-not-paid"
            "an inlined body does not pay for its first block"
            Fails "vm/tests/inlining" "programs";
        DeferredNotCompiled "deferred-not-compiled"
            "a function that was put off is not compiled, though code calls it"
            Fails "vm/tests/inlining" "what_can_be_entered";
        StoodForNotHeld "stood-for-not-held"
            "a local that a parameter stands for dies where its own body reads it last"
            Fails "vm/tests/inlining" "programs";
        TypeIdKnownAtLabels "type-id-known-at-labels"
            "where paths meet, the type that one of them tested is believed of all"
            Fails "vm/tests/cast_chains" "chains";
        TypeIdKnownForLong "type-id-known-for-long"
            "the type that was read is believed of the register, whatever code lies between"
            Fails "vm/tests/cast_chains" "chains";
        RefinedWhenWritten "refined-when-written"
            "what a test showed of a local is believed of the next value that is written there"
            Fails "vm/tests/conditions" "joined_conditions";
        ShortCircuitInverted "short-circuit-inverted"
            "where the first of two joined conditions decides, the other branch is taken"
            Hangs "vm/tests/conditions" "joined_conditions";
        ShortCircuitWithoutMoves "short-circuit-without-moves"
            "on the edge of the second of two joined conditions no value goes to where the first left it"
            Fails "vm/tests/conditions" "joined_conditions";
        InlinedHomesKept "inlined-homes-kept"
            "what an inlined body's locals referenced stays in their homes"
            Fails "vm/tests/inlining" "what_an_inlined_body_dropped";
        GuardInverted "guard-inverted"
            "a guard lets every function pass but the one that comes behind it"
            Fails "vm/tests/tiers" "calls_by_reference";
        ReplacedReferenceLost "replaced-reference-lost"
            "a frame that goes on in newer code loses the references that it holds in its slots"
            Fails "vm/tests/tiers" "loops_go_on";
        ReplacedCallersLost "replaced-callers-lost"
            "a frame that goes on in newer code forgets what its caller has in the registers that the older code used"
            Fails "vm/tests/tiers" "loops_go_on";
        ReplacedWhileSuspended "replaced-while-suspended"
            "the frame of a guest that goes on after it let others run is replaced below the words by which it goes on"
            Fails "vm/tests/tiers" "suspended_calls";
        SavedRegisterNotSaved "saved-register-not-saved"
            "a function does not save the first callee-saved register that it uses"
            Fails "vm/tests/nesting" "what_survives";
        AliasLostAtCall "alias-lost-at-call"
            "a local is not stored before a call whose caller needs it as an operand only"
            Fails "vm/tests/generated" "stores_of_i64::default";
        ConstantLostAtThrow "constant-lost-at-throw"
            "a local that is a constant is not stored before a call that may throw"
            Fails "vm/tests/generated" "locals_are_what_they_were";
        ConstantLostAtLabel "constant-lost-at-label"
            "a local that is a constant is not stored where paths meet"
            Fails "vm/tests/generated" "locals_are_what_they_were";
        TagNotCompared "tag-not-compared"
            "a handler takes exceptions of any tag"
            Fails "vm/tests/generated" "tags_are_told_apart::default";
        LargeFrameNotCompared "large-frame-not-compared"
            "a large frame is taken without a look at the limit of the stack"
            Fails "vm/tests/frames" "frames_of_every_size";
        LoopNotPaid "loop-not-paid"
            "the head of a loop takes no fuel"
            Fails "vm/tests/fuel" "programs_burn_what_they_should";
        LeftFrameJoined "left-frame-joined"
            "what follows a frame is paid for before it, though a branch may leave the frame"
            Fails "vm/tests/fuel" "generated_programs_burn_what_they_execute";
        EdgeNotPaid "edge-not-paid"
            "the way back to a loop's head does not pay for the head"
            Fails "vm/tests/fuel" "generated_programs_burn_what_they_execute";
        FuelNotCompared "fuel-not-compared"
            "a function runs on without fuel"
            Fails "vm/tests/fuel" "a_guest_without_fuel";
        LoopNotPolled "loop-not-polled"
            "a loop does not look whether it has to stop"
            Hangs "vm/tests/traps" "a_loop_is_interrupted";
        TableOneShort "table-one-short"
            "`br_table` takes its last label for the default"
            Fails "vm/tests/generated" "upper_halves_of_all_producers_are_clear::default";
        QuotientMayOverflow "quotient-may-overflow"
            "the quotient of the least integer and -1 is not caught"
            Fails "vm/tests/generated" "constants_divide_like_numbers";
        ShiftCountOf32Bits "shift-count-of32-bits"
            "a constant shift count of an i64 is taken modulo 32"
            Fails "vm/tests/generated" "counts_are_taken_modulo_the_width::default";
        MinimumOfZeros "minimum-of-zeros"
            "`min` of 0 and -0 is 0"
            Fails "tests/spec" "core/f64";
        MinimumOfNan "minimum-of-nan"
            "`min` and `max` of a NaN merge its bits with the other operand's"
            Fails "tests/spec" "core/f64";
        EqualityOfNan "equality-of-nan"
            "NaN equals everything"
            Fails "tests/spec" "core/f64_cmp";
        SaturationOfI32 "saturation-of-i32"
            "`i32.trunc_sat_f64_u` ends at the greatest signed number"
            Fails "tests/spec" "core/conversions";
        TruncationAtBound "truncation-at-bound"
            "a float one above the greatest integer is truncated"
            Fails "tests/spec" "core/conversions";
        TailArgumentsUpwards "tail-arguments-upwards"
            "arguments of a tail call are moved in the order that overwrites them"
            Fails "vm/tests/calls" "tail_calls_pass";
        ConditionKeepsItsRegister "condition-keeps-its-register"
            "a `select` holds the register of its condition to its end"
            Fails "vm/tests/generated" "loops_of_many_locals_agree_with_the_model::mem64_slow";
        TailCallerNotTold "tail-caller-not-told"
            "a host function that is called by a tail call takes the instance of another frame for its caller"
            Fails "vm/tests/callers" "the_calling_instance";
        StackResultsMisplaced "stack-results-misplaced"
            "results on the stack lie where the arguments do"
            Fails "vm/tests/calls" "many_values";
        MovesOverwriteEachOther "moves-overwrite-each-other"
            "parallel moves are made one after the other"
            Fails "vm/tests/calls" "arguments_change_places";
        PatternOfOneHalf "pattern-of-one-half"
            "`array.new` fills elements of 64 bits with their lower half"
            Fails "vm/tests/generated" "stores_of_i64::default";
        ObjectNotCleared "object-not-cleared"
            "the last 8 bytes of a default object are not cleared"
            Fails "vm/tests/graphs" "programs";
        LikelyBranchInverted "likely-branch-inverted"
            "a branch that is hinted to be likely is taken when its condition is false"
            Fails "vm/tests/branch_hints" "hints_change_no_result";
        MisalignedAtomic "misaligned-atomic"
            "an atomic access may be misaligned"
            Fails "vm/tests/atomics" "misaligned";
        VectorShiftNotMasked "vector-shift-not-masked"
            "the count of a vector shift is not taken modulo the bits of a lane"
            Fails "vm/tests/simd" "shifts";
        CarryLost "carry-lost"
            "the high half of a 128-bit sum has no carry"
            Fails "vm/tests/wide_arithmetic" "sums";
        BudgetNotKept "budget-not-kept"
            "compiling takes as much memory as it likes"
            Fails "vm/tests/limits" "a_module_that_takes_more_memory";
    }
    "stubs" {
        RegisterLostAtHandler "register-lost-at-handler"
            "a handler is entered without its value of r13"
            Fails "vm/tests/memories" "bases";
        RegisterLostAtExit "register-lost-at-exit"
            "a call out of the guest does not keep rbx for the unwinder"
            Fails "vm/tests/nesting" "what_survives";
        AllocationTopKept "allocation-top-kept"
            "the allocation top is not loaded again after a call of the runtime"
            Fails "vm/tests/gc" "arrays_of_all_sizes";
        VectorsLostInSlowPath "vectors-lost-in-slow-path"
            "a slow path does not restore the vector registers from the third on"
            Fails "vm/tests/generated" "values_survive_slow_paths";
        FloatsLostAtBarrier "floats-lost-at-barrier"
            "a return through the barrier loses results in vector registers"
            Fails "vm/tests/watermark" "results_of_every_kind";
        VectorArgumentHalved "vector-argument-halved"
            "vectors among stack arguments and results of the host are copied by half"
            Fails "vm/tests/calls" "many_values";
        ChunkOfHalfTheIndex "chunk-of-half-the-index"
            "a store into a large array looks at the state of another chunk"
            Fails "vm/tests/gc" "each_chunk";
        LoggedChunkMisnumbered "logged-chunk-misnumbered"
            "a stub enters the chunk behind the one that is stored into"
            Fails "vm/tests/gc" "each_chunk";
        HostResultsMisplaced "host-results-misplaced"
            "results of a host function on the stack lie where the arguments do"
            Fails "vm/tests/calls" "many_values";
    }
    "collector" {
        FieldWriteNotLogged "field-write-not-logged"
            "the heap's own write of a field has no barrier"
            Fails "gc/tests/model" "tiny_nursery";
        ElementWriteNotLogged "element-write-not-logged"
            "the heap's own write of an element has no barrier"
            Fails "gc/tests/overwrites" "young_references";
        BarrierOpenWhileMarking "barrier-open-while-marking"
            "compiled code lets stores of old objects pass while a marking runs"
            Fails "vm/tests/generated" "what_is_overwritten";
        LogBufferOpenWhileMarking "log-buffer-open-while-marking"
            "compiled code enters first stores by itself while a marking runs"
            Fails "vm/tests/generated" "what_is_overwritten";
        BufferedHostForgotten "buffered-host-forgotten"
            "the first object that compiled code has entered is not in the log"
            Fails "gc/tests/model" "tiny_nursery";
        CopyNotLogged "copy-not-logged"
            "a copy between arrays is not logged"
            Fails "gc/tests/overwrites" "young_references";
        CopyNotShaded "copy-not-shaded"
            "what a copy between arrays overwrites is not shaded"
            Fails "gc/tests/overwrites" "what_a_marking";
        CopyNotRecorded "copy-not-recorded"
            "a copy between arrays does not note edges into sparse blocks"
            Fails "gc/tests/sparse" "copies_between";
        FillNotLogged "fill-not-logged"
            "a fill of an array is not logged"
            Fails "gc/tests/overwrites" "young_references";
        FillNotShaded "fill-not-shaded"
            "what a fill of an array overwrites is not shaded"
            Fails "gc/tests/overwrites" "what_a_marking";
        FreshObjectNotLogged "fresh-object-not-logged"
            "an object that is pretenured is not logged for its initialising stores"
            Fails "vm/tests/generated" "pretenured::struct_new";
        FreshArrayLoggedInPart "fresh-array-logged-in-part"
            "of an array that is pretenured the first chunk is logged"
            Fails "vm/tests/generated" "pretenured::array_new_fixed";
        FullLogNotTold "full-log-not-told"
            "a full log asks for no collection"
            Fails "gc/tests/bounds" "a_full_log";
        LostLogTrusted "lost-log-trusted"
            "a log that lost an entry is taken for whole"
            Fails "gc/tests/faults" "a_lost_log";
        ChunkLoggedShort "chunk-logged-short"
            "a minor does not look at the last element of a logged chunk"
            Fails "vm/tests/gc" "each_chunk";
        PromotedArrayNotScanned "promoted-array-not-scanned"
            "a promoted array of references is not scanned"
            Fails "gc/tests/model" "tiny_nursery";
        PromotedObjectNotLogged "promoted-object-not-logged"
            "a promoted object with young references is not logged"
            Fails "gc/tests/heap" "a_promoted_object";
        EdgeToAgedNotLogged "edge-to-aged-not-logged"
            "a small promoted object with a reference to an aged one is not logged"
            Fails "gc/tests/model" "tiny_nursery";
        RootLeftBehind "root-left-behind"
            "a root that names an object which was moved already is not updated"
            Fails "gc/tests/model" "default_nursery";
        FirstStoreNotShaded "first-store-not-shaded"
            "what the first store into an object overwrites is not shaded"
            Fails "gc/tests/model" "marking_from_every_minor";
        MarkedByMutatorForgotten "marked-by-mutator-forgotten"
            "what the mutator marked itself is not scanned"
            Fails "gc/tests/weak" "an_ephemeron_that_is_scanned_twice";
        RootsLeftBehind "roots-left-behind"
            "a marking ends though it has not seen all roots"
            Fails "vm/tests/generated" "overwrites";
        OverflowForgotten "overflow-forgotten"
            "what finds no room on the mark stack is forgotten"
            Fails "gc/tests/faults" "a_small_mark_stack";
        LongArrayMarkedInPart "long-array-marked-in-part"
            "of a long array of references the first 1,024 elements are marked"
            Fails "gc/tests/heap" "large_objects";
        WideStructScannedInPart "wide-struct-scanned-in-part"
            "fields behind the first 64 words are not scanned"
            Fails "gc/tests/heap" "fields_behind";
        WeakCellNamesTheDead "weak-cell-names-the-dead"
            "a weak cell is not cleared"
            Fails "gc/tests/weak" "a_weak_cell_follows";
        WeakCellForgetsTheMoved "weak-cell-forgets-the-moved"
            "a weak cell forgets what a minor moved"
            Fails "gc/tests/weak" "a_weak_cell_follows";
        EphemeronValueStrong "ephemeron-value-strong"
            "an ephemeron keeps its value though its key is dead"
            Fails "gc/tests/weak" "a_value_does_not_keep";
        EphemeronNotWoken "ephemeron-not-woken"
            "an ephemeron that waits for its key never marks its value"
            Fails "gc/tests/weak" "a_chain_of_ephemerons";
        PendingCellRead "pending-cell-read"
            "a weak cell gives what the last marking found dead"
            Fails "gc/tests/weak" "dead_objects_read_as_null";
        HoleOverLastObject "hole-over-last-object"
            "a hole begins in the object before it"
            Fails "gc/tests/model" "tiny_nursery";
        OldMarksKept "old-marks-kept"
            "marks of the last marking stay until the next but one"
            Fails "gc/tests/model" "tiny_nursery";
        LargeObjectFreed "large-object-freed"
            "the sweep frees large objects that are marked"
            Fails "gc/tests/heap" "large_objects";
        ReadyRunNotZeroed "ready-run-not-zeroed"
            "a large object in blocks of dead ones is not zeroed"
            Fails "gc/tests/runs" "reused_runs_read_as_zero";
        DeadHostValueKept "dead-host-value-kept"
            "the death of a host value's cell is not told"
            Fails "gc/tests/heap" "dead_host_values";
        FrozenWriteForgotten "frozen-write-forgotten"
            "a frozen object that is written is not listed for markings"
            Fails "gc/tests/frozen" "the_model";
        FrozenBlockSwept "frozen-block-swept"
            "the sweep takes frozen blocks for old ones"
            Fails "gc/tests/frozen" "the_model";
        FrozenCopyNotLogged "frozen-copy-not-logged"
            "a copy of old references into a frozen array is not logged"
            Fails "gc/tests/frozen" "bulk_writes";
        FrozenWrittenNotVisited "frozen-written-not-visited"
            "markings do not visit the fields of frozen objects that were written"
            Fails "gc/tests/frozen" "the_model";
        OwnEdgesNotFollowed "own-edges-not-followed"
            "words that the mutator noted do not follow what moves out of sparse blocks"
            Fails "gc/tests/sparse" "programs_run";
        ListedCellsMove "listed-cells-move"
            "cells whose addresses are in lists move out of sparse blocks"
            Fails "gc/tests/sparse" "programs_run";
        RootWrittenNotTold "root-written-not-told"
            "a root that is written does not keep its sparse block"
            Fails "vm/tests/sparse" "objects_move";
        VerifierSilent "verifier-silent"
            "the verifier looks at nothing"
            Fails "gc/tests/verifier" "a_store_without_a_barrier";
    }
    "runtime" {
        HandlerTooFarOut "handler-too-far-out"
            "an exception goes to the handler around the innermost one"
            Fails "vm/tests/traps" "an_exception";
        RegistersOfThrower "registers-of-thrower"
            "a handler is entered with the callee-saved registers of the function that threw"
            Fails "vm/tests/nesting" "what_survives";
        NativeStackNotRestored "native-stack-not-restored"
            "the word of the native stack is that of an inner activation"
            Fails "vm/tests/nesting" "what_survives";
        ExitFrameNotRestored "exit-frame-not-restored"
            "the word of the frame that left is that of an inner activation"
            Fails "vm/tests/nesting" "what_survives";
        EntryFrameNotRestored "entry-frame-not-restored"
            "the word of the entry's frame is that of an inner activation"
            Fails "vm/tests/nesting" "what_survives";
        HandlerRegisterNotRestored "handler-register-not-restored"
            "a word of a callee-saved register is that of an inner activation"
            Fails "vm/tests/nesting" "what_survives";
        ResumedOnTheOldStack "resumed-on-the-old-stack"
            "a guest that is resumed calls the runtime on the native stack that it was suspended on"
            Fails "vm/tests/async_calls" "basics";
        ResumedRegisterLost "resumed-register-lost"
            "a guest that is resumed behind a host function has another's callee-saved register"
            Fails "vm/tests/async_calls" "programs_that_wait";
        SuspendedStackReused "suspended-stack-reused"
            "a host function that waits enters guests over what its own guest has left on the stack"
            Fails "vm/tests/async_calls" "programs_that_wait";
        ForgottenCallKept "forgotten-call-kept"
            "a host function returns to its guest below a call that it has forgotten"
            Fails "vm/tests/async_calls" "a_host_function_may_drop_or_forget";
        WaitNotWoken "wait-not-woken"
            "what stops a guest does not wake the task that waits for it"
            Hangs "vm/tests/async_calls" "a_deadline_a_token_and_an_interrupt";
        FaultAtAnyAddress "fault-at-any-address"
            "a fault of a guest is a trap wherever it reaches"
            Fails "vm/src" "rt::signals";
        FaultOfAnyInstruction "fault-of-any-instruction"
            "a fault of a guest is a trap whatever instruction it was"
            Fails "vm/src" "rt::signals";
        WalkEndsAtEntry "walk-ends-at-entry"
            "the collector does not see frames of outer activations"
            Fails "vm/tests/nesting" "what_survives";
        WatermarkOutlivesThrow "watermark-outlives-throw"
            "an exception leaves the watermark in frames that are given up"
            Fails "vm/tests/watermark" "returns_throws";
        LoweredFramesNotShaded "lowered-frames-not-shaded"
            "frames that come above the watermark while a marking runs are not shaded"
            Fails "vm/tests/idle_marking" "frames_below";
        SavedRegistersNotVisited "saved-registers-not-visited"
            "references in the registers of a slow path are not visited"
            Fails "vm/tests/safepoints" "references";
        BulkBoundsByPiece "bulk-bounds-by-piece"
            "the bounds of a bulk operation are looked at piece by piece"
            Fails "vm/tests/memories" "block_operations_beyond";
        CopyUpwards "copy-upwards"
            "an overlapping copy of a memory begins at the wrong end"
            Fails "vm/tests/interrupts" "bulk_copies";
        GrowthBeyondMaximum "growth-beyond-maximum"
            "a memory grows beyond its maximum"
            Fails "vm/tests/generated" "memories_at_edge_values::default";
        LengthNotPublished "length-not-published"
            "compiled code does not see that a memory has grown"
            Fails "vm/tests/generated" "memories_that_grow";
        ShortCopyNotLogged "short-copy-not-logged"
            "the stub of `array.copy` copies references into objects that are not logged"
            Fails "vm/tests/generated" "short_copies_of_references";
        ShortCopyAlwaysUpwards "short-copy-always-upwards"
            "the stub of `array.copy` begins at the front though the target begins inside of the source"
            Fails "vm/tests/generated" "short_copies_of_numbers";
        ArrayRangeOneBeyond "array-range-one-beyond"
            "a range may lie one element beyond its array"
            Fails "vm/tests/generated" "ranges_that_overflow_trap::default";
        FreshStructNotLogged "fresh-struct-not-logged"
            "a large struct is given to compiled code without being logged"
            Fails "vm/tests/generated" "pretenured::a_pretenured_struct";
        DeepCastExact "deep-cast-exact"
            "a cast to a type of depth 8 and more refuses subtypes"
            Fails "vm/tests/generated" "fields_lie_where_the_supertype_has_them::default";
        NativeStackNotMeasured "native-stack-not-measured"
            "an entry does not look how much of the native stack is left"
            Fails "vm/tests/threads" "nesting_ends";
        FaultsStayBlocked "faults-stay-blocked"
            "an entry leaves the signals of faults blocked"
            Fails "vm/src" "rt::thread::tests::blocked";
        ScopeOfHostKept "scope-of-host-kept"
            "handles of a host call do not end with it"
            Fails "vm/tests/gc" "references_in_host_calls";
        AllWaitersWoken "all-waiters-woken"
            "`memory.atomic.notify` wakes more than it was told"
            Fails "vm/src" "waiters::tests";
        WaitOneBeyond "wait-one-beyond"
            "waiting and waking may lie one byte beyond the memory"
            Fails "vm/tests/atomics" "notify_and_wait_end";
    }
    "store" {
        InterruptNotSeen "interrupt-not-seen"
            "the runtime does not look for interrupts"
            Fails "vm/tests/interrupts" "each_part";
        DroppedDataRead "dropped-data-read"
            "a dropped data segment has its bytes still"
            Fails "vm/tests/generated" "segments_are_told_apart::default";
        DroppedFunctionsRead "dropped-functions-read"
            "a dropped segment of functions has its elements still"
            Fails "tests/spec" "core/bulk-memory/table_init";
        TableSetNotLogged "table-set-not-logged"
            "a minor does not look at written elements of tables"
            Fails "vm/tests/graphs" "programs";
        TableSetNotShaded "table-set-not-shaded"
            "overwritten elements of tables are not shaded"
            Fails "vm/tests/generated" "overwrites";
        TableCopiedUpwards "table-copied-upwards"
            "an overlapping copy of a table begins at the wrong end"
            Fails "vm/tests/generated" "tables_at_edge_values::default";
        TablePointerStale "table-pointer-stale"
            "compiled code does not see where a table that has grown lies"
            Fails "vm/tests/generated" "tables_that_move";
        GlobalSetNotShaded "global-set-not-shaded"
            "what a global held when a marking began is not shaded"
            Fails "vm/tests/generated" "overwrites";
        TablesNotMarked "tables-not-marked"
            "a collection of everything does not see tables"
            Fails "vm/tests/generated" "overwrites";
        GlobalsNotMarked "globals-not-marked"
            "a collection of everything does not see globals"
            Fails "vm/tests/generated" "overwrites";
        HandlesNotRemembered "handles-not-remembered"
            "a minor does not see handles of the host"
            Fails "vm/tests/gc" "references_in_host_calls";
        SegmentsNotRemembered "segments-not-remembered"
            "a minor does not see elements of segments"
            Fails "vm/tests/generated" "pretenured::array_new_elem";
        TemporariesNotRemembered "temporaries-not-remembered"
            "a minor does not see what the runtime holds for a moment"
            Fails "vm/tests/safepoints" "references_live";
        ElementDropNotShaded "element-drop-not-shaded"
            "elements of a segment that is dropped are not shaded"
            Fails "vm/tests/generated" "overwrites";
        ScopeEndNotShaded "scope-end-not-shaded"
            "handles of a scope that ends are not shaded"
            Fails "vm/src" "roots::tests::a_marking_sees";
        StaleHandleRead "stale-handle-read"
            "a handle is read after the end of its scope"
            Fails "vm/src" "roots::tests::handles_end";
        LimitOfMemoriesNotKept "limit-of-memories-not-kept"
            "memories and tables take as much as they like"
            Fails "vm/tests/embedding" "tables_and_element";
        ImportOfAnyFunction "import-of-any-function"
            "a function of any type fits an import"
            Fails "vm/tests/generated" "imported_functions_are_what_they_are::default";
        SubtypeOfAnyDepth "subtype-of-any-depth"
            "a type is a subtype of every other of less depth"
            Fails "vm/src" "registry::tests";
    }
    "validation" {
        GateOpen "gate-open"
            "what needs a feature that is off is compiled"
            Fails "vm/tests/feature_gates" "need_their_feature";
    }
}

/// Whether this fault is to be there.
#[cfg(not(heapwood_mutants))]
#[inline(always)]
#[must_use]
pub const fn active(_: Mutant) -> bool {
    false
}

#[cfg(heapwood_mutants)]
pub use chosen::active;

#[cfg(heapwood_mutants)]
mod chosen {
    use super::{MUTANTS, Mutant, REACHED_VARIABLE, VARIABLE};
    use std::fs::File;
    use std::sync::{Once, OnceLock};

    /// Whether this fault is to be there.
    ///
    /// # Panics
    /// The variable names none.
    #[must_use]
    pub fn active(mutant: Mutant) -> bool {
        static CHOSEN: OnceLock<Option<Mutant>> = OnceLock::new();
        let is_chosen = *CHOSEN.get_or_init(choose) == Some(mutant);
        if is_chosen {
            tell();
        }
        is_chosen
    }

    fn choose() -> Option<Mutant> {
        let name = std::env::var(VARIABLE).ok().filter(|name| !name.is_empty())?;
        let row = MUTANTS.iter().find(|row| row.name == name);
        Some(row.unwrap_or_else(|| panic!("{VARIABLE}: there is no mutant of the name {name}")).mutant)
    }

    fn tell() {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            if let Some(path) = std::env::var_os(REACHED_VARIABLE) {
                File::create(path).expect("a file that tells of the mutant");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_say_what_their_variants_say() {
        let mut seen = HashSet::new();
        for row in MUTANTS {
            assert!(seen.insert(row.name), "{} is there twice", row.name);
            let letters = |text: &str| text.replace('-', "").to_lowercase();
            assert_eq!(letters(row.name), letters(&format!("{:?}", row.mutant)), "name and variant");
            let columns = [row.name, row.part, row.broken, row.program];
            assert!(columns.iter().all(|column| !column.is_empty()), "{row:?}");
            // A filter may be empty: all tests of the program.
            assert!(columns.iter().chain([&row.test]).all(|column| !column.contains(['\t', '\n'])), "{row:?}");
        }
        assert!(seen.len() >= 45, "{} mutants", seen.len());
    }

    #[test]
    fn none_is_active_unless_it_is_chosen() {
        if std::env::var_os(VARIABLE).is_none() {
            assert!(MUTANTS.iter().all(|row| !active(row.mutant)));
        }
    }
}
