//! The anchor: one page from which a scheme finds everything that it keeps.
//!
//! Invariant: its number never changes, so a scheme's [`Root`] is constant and all that changes stands on pages: a reader
//! with an older view finds the older state through the same handle. Knows not what the words mean.

use spinney_core::{Error, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result, Root, look};

/// What the anchor page is charged to.
const KIND: PageKind = PageKind::CATALOGUE;

/// The page with a scheme's own words. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor(pub PageNo);

/// A word of some bytes.
#[must_use]
pub fn word(bytes: &Payload, index: usize) -> u64 {
    u64::from_le_bytes(*bytes[index * 8..].first_chunk().expect("a word lies inside its page"))
}

/// Change a word.
pub fn set_word(bytes: &mut Payload, index: usize, value: u64) {
    bytes[index * 8..index * 8 + 8].copy_from_slice(&value.to_le_bytes());
}

impl Anchor {
    /// A new page of zeros.
    pub fn create(pages: &mut dyn PageTxn) -> Result<Anchor> {
        pages.alloc(KIND).map(Anchor)
    }
    /// The root of a scheme: its format's mark, the anchor, and a parameter that the format depends on.
    #[must_use]
    pub fn root(self, mark: u64, parameter: u64) -> Root {
        Root::from_words(&[mark, self.0.0, parameter])
    }
    /// The anchor and the parameter of `root`. Errors: `Corrupt` if it has another mark.
    pub fn open(root: &Root, mark: u64) -> Result<(Anchor, u64)> {
        let what = "scheme root";
        let [found, page, parameter] = root.words(what)?;
        if found == mark {
            return Ok((Anchor(PageNo(page)), parameter));
        }
        Err(Error::Corrupt { what, place: spinney_core::Place::Pool })
    }
    /// All words.
    pub fn read(self, pages: &dyn PageRead) -> Result<PageRef> {
        pages.read(self.0, KIND)
    }
    /// One word.
    pub fn get(self, index: usize, pages: &dyn PageRead) -> Result<u64> {
        look(pages, self.0, KIND, |bytes| word(bytes, index))
    }
    /// Some words, one after the other.
    pub fn words<const COUNT: usize>(self, first: usize, pages: &dyn PageRead) -> Result<[u64; COUNT]> {
        look(pages, self.0, KIND, |bytes| std::array::from_fn(|index| word(bytes, first + index)))
    }
    /// Change one word; nothing is dirtied if it has that value.
    pub fn set(self, index: usize, value: u64, pages: &mut dyn PageTxn) -> Result<()> {
        if self.get(index, pages)? != value {
            set_word(pages.edit(self.0, KIND)?, index, value);
        }
        Ok(())
    }
    /// Errors: `Corrupt`, with the anchor's place.
    pub fn corrupt<T>(self, what: &'static str) -> Result<T> {
        Err(Error::corrupt_page(what, self.0))
    }
}
