//! What an entry into the guest, and a suspension of it, do with the state of the guests that wait.
//!
//! A host function may enter the guest again. The inner guest returns, traps, or throws an exception that goes through
//! the host function to a handler of the outer guest, which goes on as if nothing had been. So whatever the runtime
//! keeps between two of its functions has a rule for this, in a table that is complete by construction:
//!
//! * words below the heap base: [`HOT_WORDS`] and [`RESUME_WORDS`], which define them;
//! * fields of a store: the rows of [`state`](super::state) below each of its parts, which take the structure apart;
//! * what is kept for a thread: [`thread`](super::thread) says so;
//! * registers: the callee-saved ones of the native caller by the entry trampoline; of the guest, rbx and r13 by the
//!   native functions and r10 by the stub for a return, all of `CALLEE_SAVED` by their words for an exception.
//!
//! A suspended guest keeps its activation, its frames and all that lies below them; the store may go to another thread.
//! A word has a second rule for this, which says whether it is the store's or the thread's. Fields of a store are the
//! store's: those of the rule `Stack` stay as high as they were, and those of the rule `Dead` are empty. Of a thread
//! nothing stays: [`Entered`](super::thread::Entered) ends with the suspension, and begins anew with the resumption.
//! Registers are on the guest's stack: all of them at a slow path, those that native functions keep at a host function.
//!
//! [`Activation`] is derived from the tables of words, and `Balance` checks those of fields where assertions are on.

use super::hot::Hot;
use heapwood_gc_abi::hot::{
    ENTRY_FP, EXIT_FP, EXIT_PC, EXIT_REGS, EXIT_SP, HOT_WORDS, HotWord, NATIVE_SP, Suspended, WordRule,
};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::{RESUME_SAVED, RESUME_WORDS};

/// Where the words of all tables stand.
const TABLES: [&[HotWord]; 2] = [HOT_WORDS, RESUME_WORDS];

/// What a word holds that is dead, or is another thread's, where assertions are on: no address.
const POISON: u64 = 0xdead_dead_dead_dead;

/// Whether a word is of a kind.
type Kind = (Option<WordRule>, Option<Suspended>);

const fn is_of(word: &HotWord, kind: Kind) -> bool {
    match kind {
        (Some(rule), _) => word.rule as u8 == rule as u8,
        (_, Some(suspended)) => word.suspended as u8 == suspended as u8,
        _ => false,
    }
}

const fn count(kind: Kind) -> usize {
    let (mut found, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            found += is_of(&TABLES[table][row], kind) as usize;
            row += 1;
        }
        table += 1;
    }
    found
}

/// Displacements of the words of this kind.
const fn words<const N: usize>(kind: Kind) -> [i32; N] {
    let (mut words, mut found, mut table) = ([0; N], 0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            let word = &TABLES[table][row];
            if is_of(word, kind) {
                assert!(word.bytes == 8, "saved and poisoned as a whole");
                words[found] = word.disp;
                found += 1;
            }
            row += 1;
        }
        table += 1;
    }
    words
}

const OF_ACTIVATIONS: Kind = (Some(WordRule::Activation), None);
const DEAD_AT_ENTRIES: Kind = (Some(WordRule::Dead), None);
#[cfg(feature = "async")]
const OF_THREADS: Kind = (None, Some(Suspended::Renewed));

/// Words that an entry saves and puts back, if a guest waits meanwhile.
const KEPT: [i32; count(OF_ACTIVATIONS)] = words(OF_ACTIVATIONS);
/// Words that mean nothing at an entry.
const DEAD: [i32; count(DEAD_AT_ENTRIES)] = words(DEAD_AT_ENTRIES);
/// Words that mean nothing while the guest is suspended.
#[cfg(feature = "async")]
const RENEWED: [i32; count(OF_THREADS)] = words(OF_THREADS);

const fn position(disp: i32) -> usize {
    let mut at = 0;
    while KEPT[at] != disp {
        at += 1;
    }
    at
}

/// Whether a mutant leaves this word as it is.
#[inline(always)]
fn is_forgotten(word: i32) -> bool {
    match word {
        NATIVE_SP => active(Mutant::NativeStackNotRestored),
        EXIT_FP => active(Mutant::ExitFrameNotRestored),
        ENTRY_FP => active(Mutant::EntryFrameNotRestored),
        RESUME_SAVED => active(Mutant::HandlerRegisterNotRestored),
        _ => false,
    }
}

/// Where a guest was left, or a frame waits for the return of the one that it called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    /// Return address, possibly a replaced one.
    pub pc: usize,
    pub fp: usize,
    /// Just above the return address; used for frames that are not set up.
    pub sp: usize,
    /// Saved registers, or 0.
    pub regs: usize,
    /// Where the return address lies.
    pub slot: usize,
}

/// Whether a guest may leave the native stack and go on later.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Suspendable {
    /// This one may: there is nothing but a future between it and who waits for it.
    #[cfg_attr(not(feature = "async"), expect(dead_code, reason = "none may"))]
    pub itself: bool,
    /// So may all guests below it: if it lets others run, nobody who cannot wait is in between.
    pub with_others: bool,
}

/// A guest that waits while an entry runs: its words, and how it was entered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activation {
    words: [u64; KEPT.len()],
    suspendable: Suspendable,
}

impl Activation {
    /// The words of now, of a guest that was entered so.
    #[inline]
    pub fn save(hot: Hot, suspendable: Suspendable) -> Activation {
        Activation { words: KEPT.map(|word| hot.get(word)), suspendable }
    }

    /// Puts the words back; how the guest was entered.
    #[inline]
    pub fn restore(&self, hot: Hot) -> Suspendable {
        let kept = KEPT.iter().zip(self.words).filter(|(word, _)| !is_forgotten(**word));
        kept.for_each(|(word, value)| hot.set(*word, value));
        self.suspendable
    }

    /// Where this guest waits.
    pub fn exit(&self) -> Exit {
        exit_of(|word| self.words[position(word)])
    }
}

/// Where the guest waits that the hot words are of.
#[inline]
pub(super) fn current_exit(hot: Hot) -> Exit {
    exit_of(|word| hot.get(word))
}

#[inline]
fn exit_of(word: impl Fn(i32) -> u64) -> Exit {
    let word = |disp| word(disp).narrow::<usize>();
    let sp = word(EXIT_SP);
    Exit { pc: word(EXIT_PC), fp: word(EXIT_FP), sp, regs: word(EXIT_REGS), slot: sp.wrapping_sub(8) }
}

/// An entry begins or is over: what is dead there is made useless, where assertions are on.
#[inline]
pub(super) fn poison_dead(hot: Hot) {
    if cfg!(debug_assertions) {
        DEAD.iter().for_each(|word| hot.set(*word, POISON));
    }
}

/// No guest is there any more: what is an activation's is made useless, where assertions are on.
#[inline]
pub(super) fn poison_kept(hot: Hot) {
    if cfg!(debug_assertions) {
        KEPT.iter().for_each(|word| hot.set(*word, POISON));
    }
}

/// The guest was suspended: what is the thread's is made useless, where assertions are on.
#[cfg(feature = "async")]
#[inline]
pub(super) fn poison_renewed(hot: Hot) {
    if cfg!(debug_assertions) {
        RENEWED.iter().for_each(|word| hot.set(*word, POISON));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_gc_abi::hot::{BUILTIN_TABLE, BUILTINS_MAX, LOG_BUFFER, LOG_BUFFER_ENTRIES};
    use heapwood_jit::abi::CALLEE_SAVED;

    #[test]
    fn every_word_has_a_place_of_its_own_and_one_rule() {
        let all: Vec<&HotWord> = TABLES.into_iter().flatten().collect();
        let mut places: Vec<(i32, i32)> = all.iter().map(|word| (word.disp, word.disp + word.bytes as i32)).collect();
        places.push((BUILTIN_TABLE, BUILTIN_TABLE + 8 * BUILTINS_MAX as i32));
        places.push((LOG_BUFFER, LOG_BUFFER + 8 * LOG_BUFFER_ENTRIES as i32));
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0), "words overlap: {places:?}");
        assert!(all.iter().all(|word| word.disp % word.bytes as i32 == 0 && word.disp < 0), "{all:?}");
        let with = |rule| all.iter().filter(|word| word.rule == rule).map(|word| word.disp).collect::<Vec<_>>();
        assert_eq!((with(WordRule::Activation), with(WordRule::Dead)), (KEPT.to_vec(), DEAD.to_vec()));
        let shared = with(WordRule::Shared).len();
        println!("{} words: {} kept, {} dead, {shared} shared", all.len(), KEPT.len(), DEAD.len());
        assert_eq!((all.len(), KEPT.len(), DEAD.len()), (20, 9, 2), "a new word: is its rule right?");
        // What is renewed must not be another guest's: an entry puts it back.
        assert!(RENEWED.iter().all(|word| KEPT.contains(word)), "{RENEWED:?}");
        let suspended =
            |rule| all.iter().filter(|word| word.suspended == rule).map(|word| word.disp).collect::<Vec<_>>();
        assert_eq!((suspended(Suspended::Renewed), suspended(Suspended::Nothing)), (vec![NATIVE_SP], DEAD.to_vec()));
    }

    #[test]
    fn each_register_of_the_guest_has_a_word_that_is_kept() {
        for k in 0..CALLEE_SAVED.len() as i32 {
            assert!(KEPT.contains(&(RESUME_SAVED + 8 * k)), "{:?}", CALLEE_SAVED[k as usize]);
        }
    }

    /// A word that is no row of a table would have no rule.
    #[test]
    fn words_are_defined_by_the_tables_only() {
        let known = ["BUILTIN_TABLE", "LOG_BUFFER", "RESUME_SAVED"];
        for source in [include_str!("../../../gc/abi/src/hot.rs"), include_str!("../../../jit/src/abi/resume.rs")] {
            for line in
                source.lines().filter(|line| line.trim_start().starts_with("pub const") && line.contains(": i32"))
            {
                let name = line.trim_start().trim_start_matches("pub const ").split(':').next().unwrap_or_default();
                assert!(name == "$name" || known.contains(&name) || line.contains("$("), "{name} has no rule");
            }
        }
    }
}
