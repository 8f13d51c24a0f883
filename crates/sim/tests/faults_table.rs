//! The README of the faults shows the table that the tests assert.

use spinney_sim::faults::table::markdown;

const BEGIN: &str = "<!-- table -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_readme_shows_the_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/faults/README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (shown, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("WRITE_TABLES").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", markdown())).unwrap();
        return;
    }
    assert_eq!(
        shown,
        markdown(),
        "write it anew with WRITE_TABLES=1 cargo test -p spinney-sim --test faults_table"
    );
}
