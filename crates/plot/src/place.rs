//! Where labels go so that they do not cover each other. Invariant: spread labels keep their order and their
//! distance as long as the room allows. It does not know what the labels say.

use crate::scene::Area;

/// Moves `wanted` places apart to at least `gap`, inside `low..=high`, each as near to its wish as the others
/// allow. The answer is in the order of `wanted`.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]).then(a.cmp(b)));
    // Groups of labels that touch: (sum of wishes less their offsets, members), merged while they overlap.
    let mut groups: Vec<(f64, Vec<usize>)> = Vec::new();
    let top = |group: &(f64, Vec<usize>)| {
        let count = group.1.len() as f64;
        (group.0 / count).min(high - (count - 1.0) * gap).max(low)
    };
    for index in order {
        groups.push((wanted[index], vec![index]));
        while let [.., above, below] = groups.as_slice() {
            if top(above) + above.1.len() as f64 * gap <= top(below) + 1e-9 {
                break;
            }
            let Some((sum, members)) = groups.pop() else { break };
            let Some(last) = groups.last_mut() else { break };
            last.0 += sum - members.len() as f64 * last.1.len() as f64 * gap;
            last.1.extend(members);
        }
    }
    let mut places = vec![0.0; wanted.len()];
    for group in &groups {
        for (n, index) in group.1.iter().enumerate() {
            places[*index] = top(group) + n as f64 * gap;
        }
    }
    places
}

/// The first of `choices` that lies in `room` and covers nothing in `taken`.
pub(crate) fn first_free(choices: &[Area], room: &Area, taken: &[Area]) -> Option<Area> {
    let free = |choice: &&Area| room.holds(choice) && !taken.iter().any(|other| other.overlaps(choice));
    choices.iter().find(free).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_apart_stay() {
        assert_eq!(spread(&[50.0, 10.0, 90.0], 16.0, 0.0, 100.0), [50.0, 10.0, 90.0]);
    }

    #[test]
    fn labels_on_one_place_are_spread_round_it() {
        assert_eq!(spread(&[50.0, 50.0, 50.0], 16.0, 0.0, 100.0), [34.0, 50.0, 66.0]);
    }

    #[test]
    fn labels_at_the_edge_are_pushed_inward() {
        assert_eq!(spread(&[99.0, 100.0], 16.0, 0.0, 100.0), [84.0, 100.0]);
        assert_eq!(spread(&[0.0, 1.0, 2.0], 16.0, 0.0, 100.0), [0.0, 16.0, 32.0]);
    }
}
