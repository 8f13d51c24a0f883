//! The versions that live, as lines: a line is a branch of history, with a writable version at its head and snapshots along it.
//!
//! Invariant: a line is known as long as its head, a snapshot of it or a line that began on it is; so a deleted version that
//! others began at stays in their way (a *zombie*) until they are gone. A line began on one with a smaller number. Knows no block.

use spinney_core::DevId;
use std::collections::BTreeMap;

/// A line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Line {
    /// Where it began, if it inherits anything: a line and a version of it.
    pub(crate) origin: Option<(u64, u64)>,
    /// Whether its writable version lives.
    pub(crate) head: bool,
    /// Snapshots, by the version that they are.
    pub(crate) snapshots: BTreeMap<u64, Vec<DevId>>,
    /// Lines that began here, by the version that they began at.
    pub(crate) branches: BTreeMap<u64, Vec<u64>>,
}

impl Line {
    fn is_needed(&self) -> bool {
        self.head || !self.snapshots.is_empty() || !self.branches.is_empty()
    }
    /// Whether anybody needs to know what the line referred to in `from..to`.
    fn needs(&self, from: u64, to: u64) -> bool {
        let inherited = from == 0 && self.origin.is_some(); // says what is not inherited
        inherited
            || self.head && to == crate::row::FOREVER
            || self.snapshots.range(from..to).next().is_some()
            || self.branches.range(from..to).next().is_some()
    }
}

/// All lines, and the line and version of each live version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Lines {
    lines: BTreeMap<u64, Line>,
    snapshots: BTreeMap<DevId, (u64, u64)>,
}

impl Lines {
    pub(crate) fn get(&self, line: u64) -> Option<&Line> {
        self.lines.get(&line)
    }
    /// Lines and snapshots.
    pub(crate) fn len(&self) -> u64 {
        (self.lines.len() + self.snapshots.len()) as u64
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Line)> {
        self.lines.iter().map(|(line, state)| (*line, state))
    }
    /// Whether anybody needs to know what a line referred to in `from..to`.
    pub(crate) fn need(&self, line: u64, from: u64, to: u64) -> bool {
        self.get(line).is_some_and(|line| line.needs(from, to))
    }
    /// The line of a live version and its place on it: `None` is the head.
    pub(crate) fn place(&self, dev: DevId) -> Option<(u64, Option<u64>)> {
        match self.snapshots.get(&dev) {
            Some(&(line, version)) => Some((line, Some(version))),
            None => self.lines.get(&dev.0).filter(|line| line.head).map(|_| (dev.0, None)),
        }
    }
    /// A new line. `None` if the number is taken, or where it began is not known or later.
    pub(crate) fn begin(&mut self, line: u64, origin: Option<(u64, u64)>) -> Option<()> {
        if self.lines.contains_key(&line) || self.snapshots.contains_key(&DevId(line)) {
            return None;
        }
        if let Some((parent, version)) = origin {
            let parent = self.lines.get_mut(&parent).filter(|_| parent < line)?;
            parent.branches.entry(version).or_default().push(line);
        }
        self.lines.insert(line, Line { origin, head: true, ..Line::default() });
        Some(())
    }
    /// A new snapshot. `None` if the number is taken or the line is not known.
    pub(crate) fn snapshot(&mut self, dev: DevId, line: u64, version: u64) -> Option<()> {
        if self.lines.contains_key(&dev.0) || self.snapshots.contains_key(&dev) {
            return None;
        }
        self.lines.get_mut(&line)?.snapshots.entry(version).or_default().push(dev);
        self.snapshots.insert(dev, (line, version));
        Some(())
    }
    /// A version is gone, and with it each line that nobody needs any more. `None` if it is not known.
    pub(crate) fn remove(&mut self, dev: DevId) -> Option<()> {
        let line = match (self.place(dev)?, self.snapshots.remove(&dev)) {
            ((line, Some(version)), _) => {
                drop_from(&mut self.lines.get_mut(&line)?.snapshots, version, dev);
                line
            }
            ((line, None), _) => {
                self.lines.get_mut(&line)?.head = false;
                line
            }
        };
        let mut line = Some(line);
        while let Some(number) =
            line.filter(|line| self.lines.get(line).is_some_and(|line| !line.is_needed()))
        {
            let origin = self.lines.remove(&number)?.origin;
            line = origin.map(|(parent, version)| {
                if let Some(parent) = self.lines.get_mut(&parent) {
                    drop_from(&mut parent.branches, version, number);
                }
                parent
            });
        }
        Some(())
    }
}

fn drop_from<T: PartialEq>(map: &mut BTreeMap<u64, Vec<T>>, at: u64, what: T) {
    if let Some(list) = map.get_mut(&at) {
        list.retain(|other| *other != what);
        if list.is_empty() {
            map.remove(&at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::FOREVER;

    #[test]
    fn a_deleted_snapshot_stays_a_zombie_until_its_clones_are_gone() {
        let mut lines = Lines::default();
        lines.begin(0, None).unwrap();
        lines.snapshot(DevId(1), 0, 5).unwrap();
        lines.begin(2, Some((0, 5))).unwrap();
        lines.remove(DevId(1)).unwrap();
        lines.remove(DevId(0)).unwrap();
        assert!(lines.need(0, 5, 6) && !lines.need(0, 6, FOREVER), "the clone inherits version 5");
        assert!(lines.need(2, 0, 6), "what it no longer has is to be told from what it inherits");
        lines.remove(DevId(2)).unwrap();
        assert_eq!(lines, Lines::default());
    }

    #[test]
    fn what_is_not_known_or_known_twice_is_refused() {
        let mut lines = Lines::default();
        lines.begin(3, None).unwrap();
        let refused = [
            lines.begin(3, None),
            lines.begin(2, Some((3, 1))),
            lines.begin(4, Some((9, 1))),
            lines.snapshot(DevId(3), 3, 1),
            lines.snapshot(DevId(4), 9, 1),
            lines.remove(DevId(4)),
        ];
        assert!(refused.iter().all(Option::is_none));
    }
}
