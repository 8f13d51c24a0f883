//! One slot of an index node: a pointer and a tag in eight bytes.
//!
//! Invariant: the low 40 bits are 0 exactly when the slot is empty, whatever the tag. Knows not whether the pointer is a
//! node or a data block, nor what a scheme keeps in the tag.

/// Bits of a slot that are the pointer, plus one so that 0 is "empty".
const POINTER_BITS: u32 = 40;
const POINTER_MASK: u64 = (1 << POINTER_BITS) - 1;

/// Pointers are below this: 4 EiB of 4 KiB blocks.
pub const POINTER_LIMIT: u64 = POINTER_MASK;

/// A slot: empty, or a page or block number below [`POINTER_LIMIT`], with 24 bits that belong to the scheme.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slot(pub u64);

impl Slot {
    /// Nothing there.
    pub const EMPTY: Slot = Slot(0);

    /// A slot that points at `pointer` (below [`POINTER_LIMIT`], a programmer error otherwise) without a tag.
    #[must_use]
    pub fn to(pointer: u64) -> Slot {
        assert!(pointer < POINTER_LIMIT, "pointer {pointer} does not fit a slot");
        Slot(pointer + 1)
    }
    /// The same pointer with another tag (24 bits, a programmer error otherwise).
    #[must_use]
    pub fn tagged(self, tag: u32) -> Slot {
        assert!(tag >> (64 - POINTER_BITS) == 0, "tag {tag} does not fit a slot");
        Slot(self.0 & POINTER_MASK | u64::from(tag) << POINTER_BITS)
    }
    /// Where it points.
    #[must_use]
    pub fn pointer(self) -> Option<u64> {
        (self.0 & POINTER_MASK).checked_sub(1)
    }
    /// The scheme's bits.
    #[must_use]
    pub fn tag(self) -> u32 {
        (self.0 >> POINTER_BITS) as u32
    }
    /// Whether it points nowhere.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 & POINTER_MASK == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointer_and_tag_do_not_touch() {
        for pointer in [0, 1, POINTER_LIMIT - 1] {
            for tag in [0, 1, (1 << 24) - 1] {
                let slot = Slot::to(pointer).tagged(tag);
                assert_eq!((slot.pointer(), slot.tag(), slot.is_empty()), (Some(pointer), tag, false));
            }
        }
        assert!(Slot::EMPTY.tagged(7).is_empty());
    }

    #[test]
    #[should_panic(expected = "does not fit")]
    fn a_pointer_beyond_the_limit_is_a_programmer_error() {
        let _ = Slot::to(POINTER_LIMIT);
    }
}
