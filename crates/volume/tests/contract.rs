//! Every test that the published contract names exists.

use std::path::Path;

#[test]
fn every_line_of_the_contract_names_tests_that_exist() {
    let text = include_str!("../CONTRACT.md");
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut named = 0;
    for (file, test) in text.split('`').filter_map(|word| word.split_once(".rs: ")) {
        let path = top.join(format!("{file}.rs"));
        let code = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(code.contains(&format!("#[test]\nfn {test}()")), "{file}.rs has no test `{test}`");
        named += 1;
    }
    assert!(named >= 15, "only {named} are named");
    assert!((1..=10).all(|line| text.contains(&format!("\n{line}. **"))), "ten lines");
}
