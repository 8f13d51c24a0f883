//! Run lengths: neighbors of a chunk that a line refers to in order, for the same versions, are one row.
//!
//! Invariant: `expand` of what `compress` gives is what went in, sorted. A sequential write takes one row for 64 blocks.

use crate::row::Row;

/// Rows of one block each, all of one chunk, made as few as they can be; sorted by key.
pub(crate) fn compress(singles: &[Row]) -> Vec<Row> {
    let mut rows = singles.to_vec();
    // Those that can be joined come to lie behind each other: the same line, shift and versions.
    rows.sort_unstable_by_key(|row| {
        (row.key.line, row.key.at.wrapping_sub(row.key.block), row.from, row.to, row.key.block)
    });
    let mut joined: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match joined.last_mut() {
            Some(last) if continues(last, &row) => last.blocks += 1,
            _ => joined.push(row),
        }
    }
    joined.sort_unstable();
    joined
}

fn continues(last: &Row, next: &Row) -> bool {
    let (a, b) = (last.key, next.key);
    (a.line, last.from, last.to) == (b.line, next.from, next.to)
        && a.block + last.blocks == b.block
        && a.at.checked_add(last.blocks) == Some(b.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Key;

    #[test]
    fn compression_loses_nothing_and_joins_what_is_in_order() {
        let row = |block, line, at, from| Row { key: Key { block, line, at }, from, to: 9, blocks: 1 };
        let mut singles: Vec<Row> = (0..64).map(|by| row(128 + by, 1, 500 + by, 3)).collect();
        singles.extend((0..20).map(|by| row(128 + by, 2, 900 - by, 4)));
        singles.extend((0..20).map(|by| row(140 + by, 3, by, 4 + by / 10)));
        let rows = compress(&singles);
        assert_eq!(rows.len(), 1 + 20 + 2);
        assert!(rows.is_sorted());
        let mut back: Vec<Row> = rows.into_iter().flat_map(Row::singles).collect();
        back.sort_unstable();
        singles.sort_unstable();
        assert_eq!(back, singles);
    }
}
