//! The only unsafe code of the collector: memory of the system, and unchecked access to the cage.
//!
//! Everything above is safe code over these primitives. Invariants that the blocks below name:
//!
//! **B1** A new mapping replaces nothing. **B2** A range passed to the system lies inside a reservation that we own
//! (asserted). **B3** A [`cage::Memory`] is used only while its [`cage::Cage`] lives: it never leaves the `Heap`.
//!
//! **M1 Reach.** A word index is a `u32` and the cage reserves all `2^32` words (16 GiB) and a guard behind them,
//! so base + 4 * index never leaves the reservation, whatever the index: a wrong one reads or writes the guest's own
//! heap, or faults. (With a limited reach, where the system refused, it faults or reads no memory of ours only
//! as far as the guard goes; valid references are the same.)
//! **M2 Side.** The side tables (marks, chunk states, blocks) are reserved for every index that a word can give.
//! **M3 Owner.** Memory of the cage is read and written by its `Heap` under `&mut`, or by guest code and the runtime
//! of the same store, which run only while no method of the heap does; but for T1 and T2. No Rust reference into the cage is kept
//! across a call of the heap (slices of arrays borrow the heap).
//! **M4 Types.** The type table is mapped in whole. A descriptor is written before its id is used in a header and
//! not rewritten while an object has it; bytes of kinds are written by `TypeTable` only and are valid.
//! **M5 Alignment.** References of objects are even, so objects are 8-byte aligned; words are 4-byte aligned.
//! **T1 Helper.** A thread that marks beside the mutator reads words and epochs of blocks, and reads and writes marks,
//! all of them as relaxed atomics; both may take a block out of its group; an object is complete before a word that names it is written (release). What
//! compiled code and block copies write are whole words too. It writes one word of the heap, the link of ephemerons that it
//! has scanned, which nobody else reads while it marks. Everything else of the cage is the mutator's alone.
//! **T2 Batch.** A thread that sweeps a batch beside the mutator owns, of the listed blocks, mark bytes, table entries but
//! for the state, and what is dead; nobody else touches them until the batch is merged. Of what is alive there it
//! reads headers and lengths as under T1: types and lengths never change. Blocks come and go with the lock of `lending`.
//! **S1** A side vector's elements below its committed capacity are readable and writable; they are plain old data.
#![allow(unsafe_code, reason = "the one place where the heap touches memory that the compiler knows nothing of")]

pub mod backing;
pub mod cage;
pub mod edges;
pub mod object;
pub mod side;
pub mod types;
