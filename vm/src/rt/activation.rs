//! What an entry into the guest does with the state of the guests that wait.
//!
//! A host function may enter the guest again. The inner guest returns, traps, or throws an exception that goes through
//! the host function to a handler of the outer guest, which goes on as if nothing had been. So whatever the runtime
//! keeps between two of its functions has a rule for this, in a table that is complete by construction:
//!
//! * words below the heap base: [`HOT_WORDS`] and [`RESUME_WORDS`], which define them;
//! * fields of a store: the rows of [`state`](super::state) below each of its parts, which take the structure apart;
//! * what is kept for a thread: `THREAD_FIELDS` in [`thread`](super::thread), likewise;
//! * registers: the callee-saved ones of the native caller by the entry trampoline; of the guest, rbx and r13 by the
//!   native functions and r10 by the stub for a return, all of `CALLEE_SAVED` by their words for an exception.
//!
//! [`Activation`] is derived from the tables of words, and `Balance` checks those of fields where assertions are on.

use super::hot::Hot;
use heapwood_gc_abi::hot::{ENTRY_FP, EXIT_FP, EXIT_PC, EXIT_REGS, EXIT_SP, HOT_WORDS, HotWord, NATIVE_SP, WordRule};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::{RESUME_SAVED, RESUME_WORDS};

/// Where the words of all tables stand.
const TABLES: [&[HotWord]; 2] = [HOT_WORDS, RESUME_WORDS];

/// What a dead word holds where assertions are on: no address.
const POISON: u64 = 0xdead_dead_dead_dead;

const fn count(rule: WordRule) -> usize {
    let (mut found, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            found += (TABLES[table][row].rule as u8 == rule as u8) as usize;
            row += 1;
        }
        table += 1;
    }
    found
}

/// Displacements of the words with this rule.
const fn words<const N: usize>(rule: WordRule) -> [i32; N] {
    let (mut words, mut found, mut table) = ([0; N], 0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            let word = &TABLES[table][row];
            if word.rule as u8 == rule as u8 {
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

/// Words that an entry saves and puts back.
const KEPT: [i32; count(WordRule::Activation)] = words(WordRule::Activation);
/// Words that mean nothing at an entry.
const DEAD: [i32; count(WordRule::Dead)] = words(WordRule::Dead);

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

/// The words of the guest that waits while an entry runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activation {
    words: [u64; KEPT.len()],
}

impl Activation {
    #[inline]
    pub fn save(hot: Hot) -> Activation {
        Activation { words: KEPT.map(|word| hot.get(word)) }
    }

    #[inline]
    pub fn restore(&self, hot: Hot) {
        let kept = KEPT.iter().zip(self.words).filter(|(word, _)| !is_forgotten(**word));
        kept.for_each(|(word, value)| hot.set(*word, value));
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

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_gc_abi::hot::{BUILTIN_TABLE, BUILTINS_MAX};
    use heapwood_jit::abi::CALLEE_SAVED;

    #[test]
    fn every_word_has_a_place_of_its_own_and_one_rule() {
        let all: Vec<&HotWord> = TABLES.into_iter().flatten().collect();
        let mut places: Vec<(i32, i32)> = all.iter().map(|word| (word.disp, word.disp + word.bytes as i32)).collect();
        places.push((BUILTIN_TABLE, BUILTIN_TABLE + 8 * BUILTINS_MAX as i32));
        places.sort_unstable();
        assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0), "words overlap: {places:?}");
        assert!(all.iter().all(|word| word.disp % word.bytes as i32 == 0 && word.disp < 0), "{all:?}");
        let with = |rule| all.iter().filter(|word| word.rule == rule).map(|word| word.disp).collect::<Vec<_>>();
        assert_eq!((with(WordRule::Activation), with(WordRule::Dead)), (KEPT.to_vec(), DEAD.to_vec()));
        let shared = with(WordRule::Shared).len();
        println!("{} words: {} kept, {} dead, {shared} shared", all.len(), KEPT.len(), DEAD.len());
        assert_eq!((all.len(), KEPT.len(), DEAD.len()), (18, 9, 2), "a new word: is its rule right?");
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
        let known = ["BUILTIN_TABLE", "RESUME_SAVED"];
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
