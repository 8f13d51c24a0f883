//! Whether times tell the truth about counts (T2 and T3 of the notes on dm-thin).
//!
//! Invariant: changes nothing. Only versions that can be written are walked: of a snapshot all was mapped before it was made.

use super::state::{State, snapshotted};
use crate::Stretch;
use spinney_core::{Finding, Flow, LbaRange, PageRead, Place, Result};
use spinney_snap::Access;

/// Nothing was mapped after now, and what was mapped since the last snapshot of its version has one owner.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let now = state.time(pages)?;
    state.catalogue.visit(pages, &mut |dev, record| {
        let since = snapshotted(&record);
        let mut late = since > now;
        let mut young = Vec::new();
        if record.access == Access::Writable {
            let whole = LbaRange { start: spinney_core::Lba(0), blocks: record.blocks };
            state.tree(&record).visit(whole, pages, &mut |stretch| {
                let Stretch::Leaf(part, node, low) = stretch else { return };
                for slot in node.slots(low, low + part.blocks - 1).filter(|slot| !slot.is_empty()) {
                    late |= slot.tag() > now;
                    young.extend(slot.pointer().filter(|_| slot.tag() >= since));
                }
            })?;
        }
        young.sort_unstable();
        let mut counts = state.blocks.reader(pages);
        let mut shared = young.windows(2).any(|pair| pair[0] == pair[1]);
        for on in young {
            shared |= counts.extra(on)? > 0;
        }
        let rules = [
            (late, "nothing was mapped after now"),
            (shared, "what was mapped since a version's last snapshot has one owner"),
        ];
        let broken = rules.into_iter().filter(|(broken, _)| *broken);
        broken.for_each(|(_, rule)| found(Finding { rule, place: Place::Version(dev) }));
        Ok(Flow::Continue)
    })
}
