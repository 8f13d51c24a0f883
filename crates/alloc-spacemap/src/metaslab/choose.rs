//! Which region a request is served from.
//!
//! Invariant: `None` only if no run satisfies the request, over borders of regions too; so the last resort looks at every region that
//! is not known to be in vain. The cursor of a region always advances (P1): a failed walk leaves it at the end of what best fit gave.

use super::Metaslabs;
use spinney_alloc::{FreeIndex, Gang, Want};
use spinney_core::{Extent, Flow, PageRead, Pba, Result};

/// How far a search goes.
#[derive(Clone, Copy)]
struct Effort {
    regions: u64,
    /// Load whatever is not known to be in vain.
    hard: bool,
}

impl Metaslabs {
    /// Take a run: of the full size if some good region has one, else as long as it comes, else from anywhere.
    pub(super) fn find(&mut self, want: &Want, pages: &dyn PageRead) -> Result<Option<Extent>> {
        let blocks_max = want.blocks_max.min(self.region_blocks).max(want.blocks_min);
        let want = Want { blocks_max, ..*want };
        let full = Want { blocks_min: blocks_max, ..want };
        let easy = Effort { regions: self.tuning.tries_max, hard: false };
        let open = self
            .gang
            .as_ref()
            .is_some_and(|(stream, gang)| *stream == want.stream && gang.missing() == blocks_max);
        if !open {
            self.gang = None;
            if let Some(run) = self.search(&full, easy, pages)? {
                return Ok(Some(run));
            }
            self.effort.fallbacks += 1;
        }
        if let Some(run) = self.child(&want, easy, pages)? {
            return Ok(Some(run));
        }
        for effort in [easy, Effort { regions: u64::MAX, hard: true }] {
            if let Some(run) = self.search(&want, effort, pages)? {
                return Ok(Some(run));
            }
            self.effort.fallbacks += 1;
        }
        self.span(&want, pages)
    }

    /// The next piece of a gang: of the one that is open, else of a new one. The caller comes back for the rest.
    fn child(&mut self, want: &Want, effort: Effort, pages: &dyn PageRead) -> Result<Option<Extent>> {
        let Some(children) = self.tuning.gang.filter(|_| want.blocks_min < want.blocks_max) else {
            return Ok(None);
        };
        let mut gang =
            self.gang.take().map_or_else(|| Gang::new(want.blocks_max, children), |(_, gang)| gang);
        while let Some((blocks_min, blocks_max)) = gang.next().filter(|(share, _)| *share > want.blocks_min) {
            if let Some(run) = self.search(&Want { blocks_min, blocks_max, ..*want }, effort, pages)? {
                gang.took(run.blocks);
                self.gang = (gang.missing() > 0).then_some((want.stream, gang));
                return Ok(Some(run));
            }
            gang.missed();
        }
        Ok(None)
    }

    /// The active region, then the others by weight.
    fn search(&mut self, want: &Want, effort: Effort, pages: &dyn PageRead) -> Result<Option<Extent>> {
        let active = self.active.map(|(at, _)| at);
        if let Some(at) = active
            && let Some(run) = self.try_region(at, want, effort.hard, pages)?
        {
            return Ok(Some(run));
        }
        // What a try changes in the order is the place of the region tried, so the next one is the first behind its old place.
        let (mut from, mut tries) = (None, 0);
        while tries < effort.regions {
            let next = match from {
                None => self.order.first().copied(),
                Some(key) => self
                    .order
                    .range((core::ops::Bound::Excluded(key), core::ops::Bound::Unbounded))
                    .next()
                    .copied(),
            };
            let Some(key) = next else { return Ok(None) };
            from = Some(key);
            if Some(key.1) == active {
                continue;
            }
            tries += 1;
            if let Some(run) = self.try_region(key.1, want, effort.hard, pages)? {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Whether to look into a region at all, loading it if need be.
    fn is_candidate(&self, at: u32, blocks: u64, hard: bool) -> bool {
        let region = &self.regions[at as usize];
        if region.index.is_some() {
            return region.may_hold(blocks);
        }
        if hard { region.free_blocks >= blocks } else { region.may_hold(blocks) }
    }

    fn try_region(
        &mut self,
        at: u32,
        want: &Want,
        hard: bool,
        pages: &dyn PageRead,
    ) -> Result<Option<Extent>> {
        self.effort.steps += 1;
        if !self.is_candidate(at, want.blocks_min, hard) {
            return Ok(None);
        }
        if self.regions[at as usize].index.is_none() {
            self.loads += 1;
        }
        let index = self.load(at, pages)?;
        let (before, longest) = (index.effort(), index.set().longest_blocks());
        let picked = if want.blocks_min <= longest { index.pick(want) } else { None };
        let after = index.effort();
        self.effort.steps += after.steps - before.steps;
        self.effort.passed += after.passed - before.passed;
        match picked {
            None => self.leave(at),
            Some(run) => {
                self.took(at, run);
                self.stay(at, longest);
            }
        }
        Ok(picked)
    }

    /// The region did not serve a request.
    fn leave(&mut self, at: u32) {
        if self.active.is_some_and(|(active, _)| active == at) {
            self.active = None;
        }
        self.reweigh(at);
    }

    /// The region served a request; its longest run had `longest` blocks before. Go on with it, or let it go if it is not
    /// what it was: if its longest run has fallen below a quarter, unless that run is nearly all that is free in it.
    fn stay(&mut self, at: u32, longest: u64) {
        let chosen = match self.active {
            Some((active, order)) if active == at => order,
            _ => longest.ilog2(),
        };
        if let Some((other, _)) = self.active.replace((at, chosen)).filter(|(other, _)| *other != at) {
            self.reweigh(other);
        }
        if self.tuning.weight == super::Weight::Space {
            return; // by space, a region is left when it fails
        }
        let region = &self.regions[at as usize];
        let now = region.longest_blocks().unwrap_or(0);
        let whole = self.tuning.keep_whole && u128::from(now) * 16 > u128::from(region.free_blocks) * 15;
        if now == 0 || !whole && now.ilog2() + 2 <= chosen {
            self.leave(at);
        }
    }

    /// Take a run that goes over borders of regions: no region alone has one.
    fn span(&mut self, want: &Want, pages: &dyn PageRead) -> Result<Option<Extent>> {
        if want.blocks_min > self.free_blocks {
            return Ok(None);
        }
        let mut open: Option<Extent> = None;
        let mut choice = None;
        for at in 0..self.regions.len() as u32 {
            let (head, tail) = self.edges(at, pages)?;
            let here = self.regions[at as usize].extent;
            if let Some(run) = &mut open {
                run.blocks += head;
                choice = want.fit(*run);
                if choice.is_some() {
                    break;
                }
            }
            if head < here.blocks || open.is_none() {
                open = Extent::checked(here.end().0 - tail, tail);
            }
        }
        let Some(run) = choice else { return Ok(None) };
        for (at, part) in self.parts(run) {
            self.load(at, pages)?.remove(part);
            self.took(at, part);
            self.reweigh(at);
        }
        Ok(Some(run))
    }

    /// Free blocks at the beginning of a region and at its end.
    fn edges(&mut self, at: u32, pages: &dyn PageRead) -> Result<(u64, u64)> {
        let region = &self.regions[at as usize];
        let extent = region.extent;
        if region.free_blocks == 0 || region.free_blocks == extent.blocks {
            return Ok((region.free_blocks, region.free_blocks));
        }
        let set = self.load(at, pages)?.set();
        let head = set.run_at(extent.start).map_or(0, |run| run.blocks);
        let tail = set.run_at(Pba(extent.end().0 - 1)).map_or(0, |run| run.blocks);
        Ok((head, tail))
    }

    /// Maximal free runs of all regions, joined over their borders.
    pub(super) fn visit_all(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        let (mut run, mut stopped): (Option<Extent>, _) = (None, false);
        for region in &self.regions {
            let mut step = |part: Extent| {
                match &mut run {
                    Some(last) if last.end() == part.start => last.blocks += part.blocks,
                    _ => stopped = run.replace(part).is_some_and(|run| each(run) == Flow::Stop),
                }
                if stopped { Flow::Stop } else { Flow::Continue }
            };
            match &region.index {
                Some(index) => index.visit(region.extent, &mut step),
                None if region.free_blocks == 0 => {}
                None => self.free_set(region, pages)?.visit(region.extent, &mut step),
            }
            if stopped {
                return Ok(());
            }
        }
        run.map(each);
        Ok(())
    }
}
