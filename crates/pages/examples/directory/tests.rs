//! The tree against plain vectors and maps.

use super::tree::Run;
use super::*;
use spinney_testkit::MemoryPages;

#[test]
fn a_file_reads_back_as_a_vector_of_blocks_would() {
    let mut pages = MemoryPages::new();
    let mut tree = Tree::create(&mut pages).unwrap();
    let file = tree.make(Kind::File, "/f", &mut pages).unwrap().unwrap();
    let other = tree.make(Kind::File, "/g", &mut pages).unwrap().unwrap();
    tree.write(other, 0, 500, &mut pages).unwrap();
    let (mut model, mut next) = (vec![None; 400], tree.read(other, 0, &pages).unwrap().unwrap() + 500);
    for step in 0..900u64 {
        let (from, length) = (step * 61 % 380, step * 17 % 19 + 1);
        let mut given_up: Vec<u64> = Vec::new();
        let freed = match step % 5 {
            0 => tree.punch(file, from, from + length, &mut pages).unwrap(),
            _ => tree.write(file, from, length, &mut pages).unwrap(),
        };
        for at in from..from + length {
            given_up.extend(model[at as usize].take());
            if step % 5 != 0 {
                model[at as usize] = Some(next);
                next += 1;
            }
        }
        assert_eq!(freed.iter().flat_map(blocks).collect::<Vec<_>>(), given_up, "step {step}");
    }
    let read: Vec<_> = (0..400).map(|at| tree.read(file, at, &pages).unwrap()).collect();
    assert_eq!(read, model);
    assert!((0..500).all(|at| tree.read(other, at, &pages).unwrap().is_some()));
    let held: u64 = tree.remove("/f", &mut pages).unwrap().unwrap().iter().map(|(_, length)| length).sum();
    assert_eq!(held, model.iter().flatten().count() as u64);
    assert_eq!(tree.extents(file, 0, u64::MAX, &pages).unwrap(), []);
}

fn blocks((block, length): &Run) -> std::ops::Range<u64> {
    *block..block + length
}

#[test]
fn writes_in_a_row_are_one_extent_and_an_overwrite_splits_it() {
    let mut pages = MemoryPages::new();
    let mut tree = Tree::create(&mut pages).unwrap();
    let file = tree.make(Kind::File, "/f", &mut pages).unwrap().unwrap();
    (0..10).for_each(|at| assert_eq!(tree.write(file, at, 1, &mut pages).unwrap(), []));
    let first = tree.read(file, 0, &pages).unwrap().unwrap();
    assert_eq!(tree.extents(file, 0, 10, &pages).unwrap(), [(0, first, 10)]);
    tree.write(file, 4, 2, &mut pages).unwrap();
    let split = [(0, first, 4), (4, first + 10, 2), (6, first + 6, 4)];
    assert_eq!(tree.extents(file, 0, 10, &pages).unwrap(), split);
}

#[test]
fn names_are_found_listed_and_removed() {
    let mut pages = MemoryPages::new();
    let mut tree = Tree::create(&mut pages).unwrap();
    let a = tree.make(Kind::Directory, "/a", &mut pages).unwrap().unwrap();
    for name in ["z", "b", "m"] {
        assert!(tree.make(Kind::File, &format!("/a/{name}"), &mut pages).unwrap().is_some());
    }
    assert_eq!(tree.list(a, &pages).unwrap(), ["b", "m", "z"]);
    assert_eq!(tree.list(ROOT, &pages).unwrap(), ["a"]);
    assert_eq!(tree.make(Kind::File, "/a/b", &mut pages).unwrap(), None, "taken");
    assert_eq!(tree.make(Kind::File, "/none/b", &mut pages).unwrap(), None, "no parent");
    assert_eq!(tree.make(Kind::File, "/a/b/c", &mut pages).unwrap(), None, "a file is no directory");
    assert_eq!(tree.remove("/a", &mut pages).unwrap(), None, "not empty");
    assert_eq!(tree.remove("/a/b", &mut pages).unwrap(), Some(vec![]));
    assert_eq!(tree.walk("/a/b", &pages).unwrap(), None);
    assert_eq!(tree.walk("/a/", &pages).unwrap(), Some((Kind::Directory, a)));
}

#[test]
fn the_main_program_runs() {
    main().unwrap();
}
