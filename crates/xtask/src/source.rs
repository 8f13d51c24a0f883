//! Rules of one source file: header, sizes, words that do not belong.
//!
//! Invariant: rustfmt has run, so a function ends at the first `}` that stands as far left as its `fn`.

/// Longest file and function without a reason in `tidy.toml`.
pub(crate) const FILE_LINES_MAX: usize = 500;
/// Longest function.
pub(crate) const FUNCTION_LINES_MAX: usize = 70;

/// Everything wrong with `text`, each with its line (from 1); `shipped` is false for tests, benches and examples.
pub(crate) fn check(text: &str, shipped: bool, unsafe_allowed: bool) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut wrong = Vec::new();
    if !lines.first().is_some_and(|line| line.starts_with("//!") || line.starts_with("#![doc")) {
        wrong.push((1, "a file opens with `//!`: what it is, its invariant, what it does not know".into()));
    }
    let tests_from = lines.iter().position(|line| line.trim() == "#[cfg(test)]").unwrap_or(lines.len());
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or("");
        let mut complain = |message: &str| wrong.push((number + 1, message.to_owned()));
        if shipped && number < tests_from && code.contains(concat!(".unwrap", "()")) {
            complain(
                "no unwrap outside tests: return an error, or `expect` with the reason why it cannot happen",
            );
        }
        if [concat!("_ne", "_bytes"), concat!("_ne", "_slice")].iter().any(|word| code.contains(word)) {
            complain("on-disk bytes are little-endian: use the `_le_` form");
        }
        if !unsafe_allowed && code.contains(concat!("unsa", "fe {")) {
            complain("unsafe code belongs in `device` and `export` only");
        }
        if [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/")]
            .iter()
            .any(|path| line.contains(path))
        {
            complain("no path of a machine");
        }
    }
    wrong
}

/// Functions longer than allowed: line, name, length.
pub(crate) fn long_functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let closes = |line: &&str| line.trim_end() == format!("{}}}", " ".repeat(indent));
        let length = lines[start..].iter().position(closes).map_or(1, |end| end + 1);
        if length > FUNCTION_LINES_MAX && !line.trim_end().ends_with(['}', ';']) {
            long.push((start + 1, name.to_owned(), length));
        }
    }
    long
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifiers = ["pub", "const", "async", "unsafe", "pub(crate)", "pub(super)", "extern", "\"C\""];
    let plain = before.split_whitespace().all(|word| modifiers.contains(&word));
    plain.then(|| after.split(['(', '<']).next().unwrap_or(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_function_is_found_by_name() {
        let body = "    let x = 1;\n".repeat(80);
        let text = format!("//! x\npub fn short() {{\n    1\n}}\nfn long() {{\n{body}}}\n");
        assert_eq!(long_functions(&text), [(5, "long".to_owned(), 82)]);
    }

    #[test]
    fn unwrap_is_found_in_code_but_not_in_tests() {
        let call = concat!("x.unwrap", "();");
        let text = format!("//! x\nfn a() {{ {call} }}\n#[cfg(test)]\nmod tests {{ {call} }}\n");
        assert_eq!(check(&text, true, false).len(), 1);
        assert_eq!(check(&text, false, false).len(), 0);
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(check("fn a() {}\n", true, false).len(), 1);
    }
}
