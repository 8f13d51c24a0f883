//! Sizes in words: `4 GiB`, `64k`, `512`.
//!
//! Invariant: units are binary whether written `K`, `KB` or `KiB`; a size that overflows or is negative is refused.

/// Bytes of a size in words, or of a bare number. Errors: what is wrong, in words.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_lowercase();
    let shift = match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(format!("`{text}` is not a size; write for example `64 MiB`")),
    };
    let refused = || format!("`{text}` is not a size below 8 EiB; write for example `64 MiB`");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).filter(|bytes| *bytes < 1 << 63).ok_or_else(refused);
    }
    let bytes = number.parse::<f64>().map_err(|_| refused())? * (1u64 << shift) as f64;
    if bytes.is_finite() && bytes < (1u64 << 63) as f64 { Ok(bytes as u64) } else { Err(refused()) }
}

/// A size in the largest unit that keeps it short.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut value = bytes as f64;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value.fract() == 0.0 || value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_units_in_any_spelling() {
        for (text, bytes) in
            [("512", 512), ("4k", 4096), ("1 GiB", 1 << 30), ("1.5 MB", 3 << 19), ("2T", 2 << 40)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        for text in ["", "-1", "4 miles", "99999999 PiB", "1e9", "18446744073709551615"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}
