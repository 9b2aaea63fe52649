//! The type section of a module, which is made when somebody asks for it.
//!
//! Compiled code has what it needs of types in it, and the engine's registry what casts and the collector do. So
//! whoever loads compiled code keeps the words that [`encode_section`](crate::encode_section) wrote, and few programs
//! ever ask for more.

use crate::{GroupReader, GroupReference, ModuleBytes, TypeSection, TypeSectionBuilder};
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// A type section, or words of which one is made. It is used like the section.
#[derive(Default)]
pub struct LazyTypes {
    section: OnceLock<TypeSection>,
    words: Option<ModuleBytes>,
}

impl LazyTypes {
    /// The types of these words, four bytes each.
    ///
    /// # Panics
    /// Not now, but when the section is made: if the words are none that [`encode_section`](crate::encode_section)
    /// writes. The caller has read them.
    pub fn of_words(words: ModuleBytes) -> LazyTypes {
        LazyTypes { section: OnceLock::new(), words: Some(words) }
    }
}

impl From<TypeSection> for LazyTypes {
    fn from(section: TypeSection) -> LazyTypes {
        LazyTypes { section: section.into(), words: None }
    }
}

impl Deref for LazyTypes {
    type Target = TypeSection;

    #[inline]
    fn deref(&self) -> &TypeSection {
        match self.section.get() {
            Some(section) => section,
            None => self.section.get_or_init(|| self.words.as_deref().map(read).unwrap_or_default()),
        }
    }
}

#[cold]
fn read(words: &[u8]) -> TypeSection {
    const READ_BEFORE: &str = "the words of a type section were read before";
    let mut reader = GroupReader::new(words.as_chunks::<4>().0);
    let (mut builder, mut start) = (TypeSectionBuilder::default(), 0);
    while !reader.is_at_end() {
        let count = reader.count().expect(READ_BEFORE);
        let index = |reference| match reference {
            GroupReference::Own(place) => start + place,
            GroupReference::Outer(index) => index,
        };
        builder.push_group((0..count).map(|_| reader.sub_type(index).expect(READ_BEFORE)));
        start += count;
    }
    builder.finish()
}

impl fmt::Debug for LazyTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
