//! A claim against rows.
//!
//! Invariant: rows of one case (same `case` cell) are first made one number, then cases are combined; a selection
//! without rows is never a number.

use super::{Claim, Comparison, Expression, Metric, parse};
use crate::fold::{Sample, Sampled, fold};
use crate::table::{Table, print_number};
use std::collections::BTreeMap;

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds here.
    Reproduced,
    /// It does not.
    Differs,
    /// It could not be asked.
    NotComparable,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Reproduced => "reproduced",
            Verdict::Differs => "differs",
            Verdict::NotComparable => "not comparable",
        }
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// Both numbers, or what is missing.
    pub detail: String,
}

/// Ask the rows.
#[must_use]
pub fn evaluate(claim: &Claim, rows: &Table) -> Outcome {
    let not = |detail: String| Outcome { verdict: Verdict::NotComparable, detail };
    if let Some(reason) = &claim.not_comparable {
        return not(reason.clone());
    }
    let asked = match parse(&claim.expect) {
        Ok(expression) => holds(&expression, rows),
        Err(error) => return not(error.to_string()),
    };
    match asked {
        Ok((true, detail)) => Outcome { verdict: Verdict::Reproduced, detail },
        Ok((false, detail)) => Outcome { verdict: Verdict::Differs, detail },
        Err(missing) => not(missing),
    }
}

fn holds(expression: &Expression, rows: &Table) -> Result<(bool, String), String> {
    match expression {
        Expression::And(left, right) => {
            let ((one, first), (other, second)) = (holds(left, rows)?, holds(right, rows)?);
            Ok((one && other, format!("{first}; {second}")))
        }
        Expression::Compare(comparison, left, right) => {
            let (left, right) = (value(left, rows)?, value(right, rows)?);
            let (held, sign) = match comparison {
                Comparison::Less => (left < right, "<"),
                Comparison::AtMost => (left <= right, "<="),
                Comparison::Greater => (left > right, ">"),
                Comparison::AtLeast => (left >= right, ">="),
                Comparison::Equal(tolerance) => ((left - right).abs() <= tolerance * right.abs(), "=="),
            };
            Ok((held, format!("{} {sign} {} expected", print_number(left), print_number(right))))
        }
        _ => Err("the claim compares nothing".into()),
    }
}

fn value(expression: &Expression, rows: &Table) -> Result<f64, String> {
    match expression {
        Expression::Number(number) => Ok(*number),
        Expression::Metric(metric) => measure(metric, rows),
        Expression::Arithmetic(sign, left, right) => {
            let (left, right) = (value(left, rows)?, value(right, rows)?);
            let result = match sign {
                '+' => left + right,
                '-' => left - right,
                '*' => left * right,
                _ => left / right,
            };
            if result.is_finite() {
                Ok(result)
            } else {
                Err(format!("{} / {} is no number", print_number(left), print_number(right)))
            }
        }
        _ => Err("a comparison has no value".into()),
    }
}

/// One number from the rows.
pub(crate) fn measure(metric: &Metric, rows: &Table) -> Result<f64, String> {
    let find = |name: &str| rows.column(name).ok_or_else(|| format!("no column `{name}` in the rows"));
    find(&metric.column)?;
    let (sampled, case) = (Sampled::of(&metric.column, rows), find("case")?);
    let filters = metric.filters.iter().map(|(key, value)| Ok((find(key)?, value)));
    let filters = filters.collect::<Result<Vec<_>, String>>()?;
    let mut cases: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let counts = from_round(metric.from, rows);
    let kept = |row: &&Vec<String>| filters.iter().all(|(at, value)| row[*at] == **value) && counts(row);
    for row in rows.rows.iter().filter(kept) {
        if let Some(sample) = sampled.as_ref().and_then(|sampled| sampled.read(row)) {
            cases.entry(&row[case]).or_default().push(sample);
        }
    }
    let values = cases.values().filter_map(|samples| fold(samples, &metric.at));
    let numbers: Vec<Sample> = values.map(|value| Sample { value, weight: 1.0 }).collect();
    fold(&numbers, &metric.over).ok_or_else(|| format!("no row has a number for {}", shown(metric)))
}

/// Whether a row is of round `from` or a later one; of any row if `from` is 0.
pub(crate) fn from_round(from: u64, rows: &Table) -> impl Fn(&[String]) -> bool + use<> {
    let round = rows.column("round");
    move |row| {
        from == 0 || round.and_then(|at| Table::number(row, at)).is_some_and(|round| round >= from as f64)
    }
}

fn shown(metric: &Metric) -> String {
    let filters: Vec<String> = metric.filters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{}({})", metric.column, filters.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Table {
        let mut table = Table::new(["case", "allocator", "pages"]);
        for (case, allocator, pages) in
            [("a", "log", "1"), ("a", "log", "2"), ("b", "bits", "8"), ("c", "bits", "10")]
        {
            table.push([case, allocator, pages].map(String::from).to_vec());
        }
        table
    }

    fn ask(expect: &str) -> Outcome {
        let [name, says, paper] = ["n", "s", "p"].map(String::from);
        evaluate(&Claim { name, says, paper, expect: expect.into(), not_comparable: None }, &rows())
    }

    #[test]
    fn a_claim_that_holds_is_reproduced_with_both_numbers() {
        let outcome = ask("pages(allocator=bits) / pages(allocator=log) >= 4");
        assert_eq!((outcome.verdict, outcome.detail.as_str()), (Verdict::Reproduced, "4.5 >= 4 expected"));
    }

    #[test]
    fn rounds_before_from_do_not_count() {
        let mut rows = Table::new(["case", "round", "pages"]);
        for (round, pages) in [("1", "9"), ("9", "5"), ("10", "1")] {
            rows.push(["a", round, pages].map(String::from).to_vec());
        }
        let mean = |expect: &str| match parse(expect) {
            Ok(Expression::Compare(_, left, _)) => value(&left, &rows).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(mean("pages(at=mean) > 0"), 5.0);
        assert_eq!(mean("pages(at=mean, from=9) > 0"), 3.0, "9 is before 10, also as text");
        assert!(parse("pages(from=last) > 0").is_err());
    }

    #[test]
    fn a_claim_that_does_not_hold_differs() {
        assert_eq!(ask("pages(allocator=log, at=sum) == 4 within 1%").verdict, Verdict::Differs);
        assert_eq!(
            ask("pages(allocator=log) == 2 and pages(allocator=bits, over=max) < 10").verdict,
            Verdict::Differs
        );
    }

    #[test]
    fn missing_rows_and_columns_are_not_comparable() {
        for expect in
            ["pages(allocator=tree) > 1", "paes() > 1", "pages() / 0 > 1", "pages(", "1 + 2", "pages() > 1 x"]
        {
            assert_eq!(ask(expect).verdict, Verdict::NotComparable, "{expect}");
        }
    }

    #[test]
    fn any_text_parses_or_is_refused() {
        let (sum, ands) =
            (format!("1{} < 2", "+1".repeat(300_000)), format!("1<2{}", " and 1<2".repeat(100_000)));
        for text in ["", "((((", "-", "a(b=\"", "1 > -.", "é(ü=ö) < 1", &"(".repeat(10_000), &sum, &ands] {
            assert!(parse(text).is_err() || text.starts_with('é'), "{text}");
        }
    }
}
