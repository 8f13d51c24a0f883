//! What lives went through, so that a run can say how much it tried.
//!
//! Invariant: sums; nothing of it depends on time or threads.

/// Counts of one life, or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifeStats {
    /// Steps carried out on the pool.
    pub steps: u64,
    /// Power cuts.
    pub cuts: u64,
    /// Of these, cuts with requests that no flush covered.
    pub cuts_with_pending: u64,
    /// Of these, cuts inside a commit: metadata pages or a superblock were on their way.
    pub cuts_in_commit: u64,
    /// Of these, cuts that sheared a superblock.
    pub shears: u64,
    /// Cuts that no step ran into: they came at the end.
    pub late_cuts: u64,
    /// Requests refused for want of space, or for what names are.
    pub refused: u64,
    /// Times that the pool was opened again with the power on.
    pub reopened: u64,
    /// Readers opened.
    pub readers: u64,
    /// Requests that the device failed and the pool reported.
    pub failed: u64,
    /// Flushes that were a record in the intent log.
    pub records: u64,
    /// Records that opening replayed.
    pub replayed: u64,
    /// Sum of the hashes of all that the devices saw.
    pub trace: u64,
}

impl LifeStats {
    /// Both together.
    #[must_use]
    pub fn and(self, other: LifeStats) -> LifeStats {
        LifeStats {
            steps: self.steps + other.steps,
            cuts: self.cuts + other.cuts,
            cuts_with_pending: self.cuts_with_pending + other.cuts_with_pending,
            cuts_in_commit: self.cuts_in_commit + other.cuts_in_commit,
            shears: self.shears + other.shears,
            late_cuts: self.late_cuts + other.late_cuts,
            refused: self.refused + other.refused,
            reopened: self.reopened + other.reopened,
            readers: self.readers + other.readers,
            failed: self.failed + other.failed,
            records: self.records + other.records,
            replayed: self.replayed + other.replayed,
            trace: self.trace.wrapping_add(other.trace),
        }
    }
}
