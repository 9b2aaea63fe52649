//! Rows for the fields of what keeps state between two functions of the runtime: see `activation`.

/// How high each field is that has a height.
pub(crate) type Levels = smallvec::SmallVec<[Level; 8]>;

/// What becomes of a field when the host enters the guest again while an outer guest waits for the host. Two further
/// rules need no look: `Shared` is one for all activations, whoever runs keeps it current; `Part` has rows of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// Grows and shrinks with the calls: an entry leaves it as high as it was.
    Stack,
    /// Empty whenever an entry begins or is over.
    Dead,
}

/// How high a field of the rules `Stack` and `Dead` is.
pub(crate) trait Height {
    /// The number of entries, or the depth.
    fn height(&self) -> usize;
}

impl<T> Height for Vec<T> {
    fn height(&self) -> usize {
        self.len()
    }
}

impl<T> Height for Option<T> {
    fn height(&self) -> usize {
        self.is_some() as usize
    }
}

/// A field that has a height.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Level {
    /// Name of the field.
    pub name: &'static str,
    /// What a nested entry does with the field.
    pub rule: Rule,
    /// How high it is now.
    pub height: usize,
}

/// A structure with a row for each field.
pub(crate) trait State {
    /// Calls `visit` for each field that has a height, those of its parts included.
    fn each_level(&self, visit: &mut dyn FnMut(Level));
}

/// All fields of a structure, in its order, each with its rule: one without a row does not compile.
macro_rules! state {
    ($structure:ident { $($(#[$cfg:meta])* $field:ident: $rule:ident,)* }) => {
        impl $crate::rt::state::State for $structure {
            fn each_level(&self, visit: &mut dyn FnMut($crate::rt::state::Level)) {
                let $structure { $($(#[$cfg])* $field),* } = self;
                let _ = &visit;
                $($(#[$cfg])* { $crate::rt::state::row!(visit, $field: $rule); })*
            }
        }
    };
}

/// One row of [`state`].
macro_rules! row {
    ($visit:ident, $field:ident: Shared) => {
        let _ = $field;
    };
    ($visit:ident, $field:ident: Part) => {
        $crate::rt::state::State::each_level($field, $visit);
    };
    ($visit:ident, $field:ident: $rule:ident) => {
        let height = $crate::rt::state::Height::height($field);
        let rule = $crate::rt::state::Rule::$rule;
        $visit($crate::rt::state::Level { name: stringify!($field), rule, height });
    };
}

pub(crate) use {row, state};
