//! The only unsafe code of the collector: memory of the system, and access to the cage.
//!
//! Everything above is safe code over these primitives. What each file offers, and what makes it safe to call:
//!
//! | file | offers | safe since |
//! |---|---|---|
//! | `backing` | calls of the system on a [`backing::Reservation`] | ranges are asserted (B2), only its owner unmaps |
//! | `system`, in Miri `interpreted` | each call of the system as a function | `unsafe fn`s, of `backing` only |
//! | `shape`, `cage` | what lies where, commits | it owns the reservations; offsets are asserted |
//! | `pool` | cages that wait for the next heap | their pages were given back or cleared |
//! | `memory` | words, marks, chunk states, copies | every access is atomic or of `bulk`; M1, M2, B3 |
//! | `block` | entries of the block table | atomics, any byte is valid |
//! | `types` | descriptors | atomics, any byte is valid; ids are masked, offsets asserted (M4) |
//! | `object` | headers, sizes, slots | made of `memory` |
//! | `elements` | elements of an array of numbers as a slice | the cage is borrowed (M6) |
//! | `strings` | units of strings, and of arrays of 16-bit numbers | the cage is borrowed (M6, M7) |
//! | `side`, `edges` | vectors and stacks beside the heap | they own or borrow their range (S1); what is not checked is an `unsafe fn` |
//! | `leases` | values that holders on any thread give back | who may touch a record changes hands by atomics (L1, L2) |
//! | `bulk` | copies and fills | `unsafe fn`s, of this module only |
//!
//! # Invariants that the blocks name
//!
//! **B1** A new mapping replaces nothing. **B2** A range passed to the system lies inside a reservation that we own
//! (asserted). **B3** A reservation is shared by its [`cage::Cage`] and each [`side::SideVec`]; whoever stores a
//! [`memory::Memory`] (spaces, old space, blocks, marker, batch) belongs to the heap that owns the cage, and the heap
//! has marker and batch back before it goes. This is the one promise that the types do not express: a `Memory` is
//! `Copy` and has no lifetime, because it lives in registers and travels with the marker.
//!
//! **M1 Reach.** A word index is a `u32` and the cage reserves all `2^32` words (16 GiB) and a guard behind them that
//! is larger than any object which is copied in one go, so base + 4 * index never leaves the reservation, whatever the
//! index: a wrong one reads or writes the guest's own heap, or faults. So it is with the offset of a value, which is
//! asserted to be one that references reach; ranges are asserted to lie in the cage. (A cage may reach less far: the
//! second thousand of a process, and those of a process with little address space (`shape`). Then an index of a word, a
//! mark or a value is inside only as far as references are valid: comparing each, or masking it, costs collections 10 %
//! and 7 %.) **M2 Side.** The block table is reserved for every index; so are the chunk states, but in a sparse cage,
//! which has them as far as it can reach, and indices of others are asserted; marks as the words that they belong to.
//! **M4 Types.** The type table is mapped in whole, and all ids of 24 bits can be read. (In a process with little
//! address space the table is shorter, and an id is inside only as far as headers are valid.) A descriptor is written
//! before its id is used in a header and not rewritten while an object has it.
//! **M6 Elements.** Those of an array of numbers are nobody's but who has the heap under `&mut`, and the guest's, which
//! does not run then: helpers read headers and lengths of what is alive, and words that are references (T1, T2). So a
//! Rust reference to them may live as long as the cage is borrowed.
//! **M7 Strings.** Their units are written under `&mut` of the heap before anybody else has the string, and never
//! again. Helpers read headers and lengths, and the two references of ropes. So a Rust reference to them, and to
//! elements that are only read (M6), may live as long as the cage is borrowed in whatever way.
//! **F1** A file of frozen memory is written before it is mapped, and never afterwards, and never shrinks.
//! **L1 Records** and **L2 Desks** of leases: as `leases` says.
//! **S1** A side vector's elements below its committed capacity are readable and writable, by it alone; they are plain
//! old data.
//!
//! # Who may do what (a wrong answer here is a broken heap, not undefined behaviour)
//!
//! **M3 Owner.** Memory of the cage is read and written by its `Heap` under `&mut`, or by guest code and the runtime
//! of the same store, which run only while no method of the heap does; but for T1 and T2.
//! **M5 Alignment.** References of objects are even, so objects are 8-byte aligned; words are 4-byte aligned.
//! **T1 Helper.** A thread that marks beside the mutator reads words, epochs and groups of blocks, and reads and writes
//! marks, overflow and marked bytes; both sides may take a block out of its group. It looks at the overflow and the
//! state of any block below the highest, also of one that the mutator is taking into use: it finds no overflow there.
//! It writes one word of the heap, the link of ephemerons that it has scanned, which nobody else reads while it marks.
//! Everything else of the cage is the mutator's alone.
//! **T2 Batch.** A thread that sweeps a batch beside the mutator owns, of the listed blocks, mark bytes, table entries
//! but for the state, and what is dead; nobody else touches them until the batch is merged. Of what is alive there it
//! reads headers and lengths as under T1: types and lengths never change. Blocks come and go with the lock of
//! `hand_off`.
//!
//! # Order
//!
//! **O1 Publication.** An object is complete (header, length, fields; the epoch of its block) before a word that names
//! it is stored, and that store is a *release* ([`memory::Memory::set_word`]; compiled code's stores are, by the order
//! of x86-64, which is all that it is made for; so are those of `bulk`). Whoever follows a slot beside the mutator
//! *acquires* it ([`memory::Memory::slot`], [`memory::Memory::word_acquire`]), and so sees header, length, descriptor
//! and epoch.
//! **O2 Marks** are relaxed: a mark says nothing about other memory. Two sides that find an object unmarked both mark
//! it, with the same byte, and scan it twice; only WAITING is set by compare and exchange (`ephemerons`).
//! **O3 Entries of blocks** are relaxed: O1 orders the epoch, the lock of `hand_off` the rest. A group that is dropped
//! late is an edge too many in a list.
//! **O4 Hot words and chunk states** are relaxed: one thread has them at a time (M3), and changes with the store, by
//! what its owner uses to hand it over.
#![allow(unsafe_code, reason = "the one place where the heap touches memory that the compiler knows nothing of")]

pub mod backing;
pub mod block;
mod bulk;
pub mod cage;
pub mod edges;
mod elements;
pub mod leases;
pub mod memory;
pub mod object;
pub mod pool;
mod ranges;
pub mod shape;
pub mod side;
pub mod strings;
#[cfg_attr(miri, path = "interpreted.rs")]
mod system;
pub mod types;
