//! What a nested entry does with each field of [`Guest`]: see `rt/activation.rs`.

use super::Guest;
use crate::roots::RootSet;
use crate::rt::frames::Frames;

/// What becomes of a field when the host enters the guest again while an outer guest waits for the host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Grows and shrinks with the calls: an entry leaves it as high as it was.
    Stack,
    /// Empty whenever an entry begins or is over.
    Dead,
    /// One for all activations: whoever runs keeps it current.
    Shared,
}

/// How high a field of the rule `Stack` is.
trait Height {
    fn height(&self) -> usize;
}

impl<T> Height for Vec<T> {
    fn height(&self) -> usize {
        self.len()
    }
}

impl Height for Frames {
    fn height(&self) -> usize {
        self.depth()
    }
}

impl Height for RootSet {
    fn height(&self) -> usize {
        self.enter_scope()
    }
}

impl<T> Height for Option<T> {
    fn height(&self) -> usize {
        self.is_some() as usize
    }
}

macro_rules! height {
    (Shared, $field:expr) => {
        None
    };
    ($rule:ident, $field:expr) => {
        Some($field.height())
    };
}

macro_rules! guest_fields {
    ($($field:ident: $rule:ident,)*) => {
        /// All fields, in the order of the structure: one without a row does not compile.
        pub(crate) const GUEST_FIELDS: &[(&str, Rule)] = &[$((stringify!($field), Rule::$rule)),*];

        /// How high each field is that has a height.
        fn heights(guest: &Guest) -> [Option<usize>; GUEST_FIELDS.len()] {
            let Guest { $($field),* } = guest;
            $(let _ = $field;)*
            [$(height!($rule, $field)),*]
        }
    };
}

guest_fields! {
    engine: Shared,
    hot: Shared,
    // Activations are a stack; the watermark and what a marking has not seen go over all of them.
    frames: Stack,
    // Of the handles those in scopes.
    roots: Stack,
    instances: Shared,
    failed_modules: Shared,
    memories: Shared,
    tables: Shared,
    table_bytes: Shared,
    globals: Shared,
    ref_globals: Shared,
    dirty_globals: Shared,
    tags: Shared,
    host_funcs: Shared,
    host_listener: Shared,
    alloc_profiler: Shared,
    exhaustion_listener: Shared,
    signatures: Shared,
    held_types: Shared,
    host_values: Shared,
    free_host_values: Shared,
    temporaries: Stack,
    left: Dead,
    // A request ends one activation, the innermost at the time.
    interrupt: Shared,
    stack: Shared,
    host_activations: Stack,
    snapshot_cursor: Shared,
    verify: Shared,
    collects: Shared,
}

/// Heights at the beginning of an entry, to be compared when it is over.
#[derive(Debug)]
pub(crate) struct Balance([Option<usize>; GUEST_FIELDS.len()]);

impl Balance {
    /// Where assertions are on.
    #[inline]
    pub fn of(guest: &Guest) -> Option<Balance> {
        cfg!(debug_assertions).then(|| Balance(heights(guest)))
    }

    /// An entry is over that began like this.
    pub fn assert_restored(&self, guest: &Guest) {
        for ((before, after), (name, rule)) in self.0.iter().zip(heights(guest)).zip(GUEST_FIELDS) {
            assert_eq!(*before, after, "`{name}` after an entry");
            assert!(*rule != Rule::Dead || after == Some(0), "`{name}` outlives an entry");
        }
    }
}
