//! Fewer points for long lines. Invariant: in each pixel column the first, last, lowest and highest point stay,
//! so the thinned line covers the same pixels. It does not know what the points mean.

use crate::scene::At;

/// Lines up to this many points are drawn as they are.
const FEW: usize = 1500;

/// Whether a line has so many points that only its outline can be seen.
pub(crate) fn is_many(points: &[At]) -> bool {
    points.len() > FEW
}

/// The points of a line that runs to the right, thinned if there are many.
pub(crate) fn thinned(points: &[At]) -> Vec<At> {
    if !is_many(points) {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    let column = |p: &At| p.x.floor() as i64;
    for group in points.chunk_by(|a, b| column(a) == column(b)) {
        keep(group, &mut kept);
    }
    kept
}

fn keep(group: &[At], kept: &mut Vec<At>) {
    let by_height = |a: &(usize, &At), b: &(usize, &At)| a.1.y.total_cmp(&b.1.y);
    let lowest = group.iter().enumerate().max_by(by_height).map(|(n, _)| n);
    let highest = group.iter().enumerate().min_by(by_height).map(|(n, _)| n);
    let ends = [Some(0), lowest, highest, group.len().checked_sub(1)];
    let mut indices: Vec<usize> = ends.into_iter().flatten().collect();
    indices.sort_unstable();
    indices.dedup();
    kept.extend(indices.into_iter().map(|n| group[n]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::at;

    #[test]
    fn a_spike_among_many_points_stays() {
        let mut points: Vec<At> = (0..100_000).map(|n| at(f64::from(n) / 200.0, 10.0)).collect();
        points[43_210].y = 99.0;
        let thin = thinned(&points);
        assert!(thin.len() <= 4 * 501, "{}", thin.len());
        assert!(thin.iter().any(|p| p.y == 99.0));
        assert_eq!((thin.first(), thin.last()), (points.first(), points.last()));
    }
}
