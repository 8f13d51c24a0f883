//! What all runs have of one chunk, joined: where a reference began and where it ended.
//!
//! Invariant: the references of a key take turns beginning and ending. An end without a beginning is that of what a clone
//! inherited, and began at 0; a beginning without an end goes on. Anything else is damage.
//!
//! Source: Backlog (FAST 2010), outer join of From and To.

use crate::row::{FOREVER, Key, Row, Table};
use spinney_core::{Error, Pba, Place, Result};

/// References of a chunk.
#[derive(Default, Debug)]
pub(crate) struct Gathered {
    /// Key, version, whether it ended there.
    ends: Vec<(Key, u64, bool)>,
    whole: Vec<Row>,
}

impl Gathered {
    /// Add a row of that table.
    pub(crate) fn push(&mut self, table: Table, row: Row) {
        match table {
            Table::From => self.ends.extend(row.singles().map(|one| (one.key, one.from, false))),
            Table::To => self.ends.extend(row.singles().map(|one| (one.key, one.to, true))),
            Table::Combined => self.whole.extend(row.singles()),
        }
    }

    /// The block of each reference, and the version that it names, the later one of two.
    pub(crate) fn each_block(&self, each: &mut dyn FnMut(u64, u64)) {
        let ends = self.ends.iter().map(|(key, version, _)| (key.block, *version));
        let whole = self.whole.iter().map(|row| (row.key.block, row.to));
        ends.chain(whole).for_each(|(block, version)| each(block, version));
    }

    /// Intervals of one block each, sorted by block. Errors: `Corrupt` at the block.
    pub(crate) fn join(mut self) -> Result<Vec<Row>> {
        self.ends.sort_unstable();
        let mut rows = self.whole;
        for of_key in self.ends.chunk_by(|a, b| a.0 == b.0) {
            join_key(of_key, &mut rows)?;
        }
        rows.sort_unstable();
        let overlap = |pair: &[Row]| pair[0].key == pair[1].key && pair[0].to > pair[1].from;
        match rows.windows(2).find(|pair| overlap(pair)) {
            Some(pair) => Err(damage(pair[0].key)),
            None => Ok(rows),
        }
    }
}

fn damage(key: Key) -> Error {
    Error::Corrupt { what: "back references (ends that do not match)", place: Place::Block(Pba(key.block)) }
}

fn join_key(ends: &[(Key, u64, bool)], rows: &mut Vec<Row>) -> Result<()> {
    let mut open = None;
    for (number, &(key, version, ended)) in ends.iter().enumerate() {
        let from = match (ended, open.take()) {
            (false, None) => {
                open = Some(version);
                continue;
            }
            (true, Some(from)) if from < version => from,
            (true, None) if number == 0 => 0,
            _ => return Err(damage(key)),
        };
        rows.push(Row { key, from, to: version, blocks: 1 });
    }
    let last = ends.last().map(|(key, ..)| *key);
    rows.extend(last.zip(open).map(|(key, from)| Row { key, from, to: FOREVER, blocks: 1 }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { block: 70, line: 1, at: 5 };

    fn joined(rows: &[(Table, u64, u64)]) -> Result<Vec<(u64, u64)>> {
        let mut gathered = Gathered::default();
        for &(table, from, to) in rows {
            gathered.push(table, Row { key: KEY, from, to, blocks: 1 });
        }
        Ok(gathered.join()?.into_iter().map(|row| (row.from, row.to)).collect())
    }

    #[test]
    fn ends_meet_their_beginnings() {
        use Table::{Combined, From, To};
        let rows = [(To, 0, 3), (From, 5, FOREVER), (To, 0, 8), (Combined, 9, 11), (From, 12, FOREVER)];
        assert_eq!(joined(&rows).unwrap(), [(0, 3), (5, 8), (9, 11), (12, FOREVER)]);
        assert_eq!(joined(&[]).unwrap(), []);
    }

    #[test]
    fn ends_that_do_not_match_are_damage() {
        use Table::{Combined, From, To};
        for rows in [
            [(To, 0, 3), (To, 0, 5)],
            [(From, 3, FOREVER), (From, 5, FOREVER)],
            [(Combined, 2, 7), (From, 5, FOREVER)],
            [(Combined, 2, 7), (To, 0, 5)],
        ] {
            assert!(joined(&rows).is_err(), "{rows:?}");
        }
    }
}
