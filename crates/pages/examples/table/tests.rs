//! The table and its index stay in step.

use super::*;
use spinney_testkit::MemoryPages;

#[test]
fn the_index_stays_in_step_with_the_table() {
    let mut pages = MemoryPages::new();
    let users = Users::create(&mut pages).unwrap();
    for step in 0..4000u64 {
        let (id, name) = (step * 7 % 300, format!("name {}", step * 13 % 400));
        match step % 3 {
            0 => drop(users.remove(id, &mut pages).unwrap()),
            _ => drop(users.put(id, &user(&name, "Rome"), &mut pages).unwrap()),
        }
    }
    let names = users.names(&pages).unwrap();
    assert!(names.len() > 100 && names.is_sorted());
    let mut rows = 0;
    users
        .by_id
        .range(EVERYTHING, &pages, &mut |id, row| {
            rows += 1;
            assert_eq!(users.find(&decode(row).name, &pages).unwrap().unwrap().0.to_ordered(), id);
            Flow::Continue
        })
        .unwrap();
    assert_eq!(rows, names.len());
}

#[test]
fn a_taken_name_is_refused_and_the_main_program_runs() {
    let mut pages = MemoryPages::new();
    let users = Users::create(&mut pages).unwrap();
    assert!(users.put(1, &user("ada", "Turin"), &mut pages).unwrap());
    assert!(!users.put(2, &user("ada", "Bonn"), &mut pages).unwrap());
    assert_eq!(users.get(2, &pages).unwrap(), None);
    assert!(users.put(1, &user("ada", "Bonn"), &mut pages).unwrap());
    assert_eq!(users.find("ada", &pages).unwrap(), Some((1, user("ada", "Bonn"))));
    main().unwrap();
}
