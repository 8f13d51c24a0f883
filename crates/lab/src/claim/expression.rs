//! The little language of claims.
//!
//! ```text
//! claim  = sum [ ("<" | "<=" | ">" | ">=" | "==") sum [ "within" number ] ] { "and" claim }
//! sum    = product { ("+" | "-") product }        product = factor { ("*" | "/") factor }
//! factor = number | "(" sum ")" | "-" factor | name "(" [ key "=" value { "," key "=" value } ] ")"
//! ```
//! A name is a column; its keys filter rows (`allocator=bitmap`), but `at` says which row of a case counts
//! (`last`, `first`, `mean`, `max`, `min`, `sum`; default `last`), `over` how cases combine (`median`, `mean`, `min`, `max`), and
//! `from` the first round that counts, for what has settled by then.
//!
//! Invariant: parsing never panics, whatever the text, nests at most 64 deep and has at most 256 terms.

use std::fmt;

/// How two sides are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`, up to a relative tolerance.
    Equal(f64),
}

/// A column of chosen rows, made one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The column.
    pub column: String,
    /// Columns that must equal.
    pub filters: Vec<(String, String)>,
    /// Which row of a case.
    pub at: String,
    /// How cases combine.
    pub over: String,
    /// Rows of earlier rounds do not count.
    pub from: u64,
}

/// A parsed claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// A number.
    Number(f64),
    /// A figure from the rows.
    Metric(Metric),
    /// `+ - * /`.
    Arithmetic(char, Box<Expression>, Box<Expression>),
    /// A comparison.
    Compare(Comparison, Box<Expression>, Box<Expression>),
    /// Both.
    And(Box<Expression>, Box<Expression>),
}

/// What is wrong, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte of the text.
    pub at: usize,
    /// In words.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at character {})", self.message, self.at + 1)
    }
}

const DEPTH_MAX: usize = 64;
/// Numbers and metrics of one claim: a chain of sums is as deep as it is long, and is walked by recursion.
const TERMS_MAX: usize = 256;

/// Parse a claim.
pub fn parse(text: &str) -> Result<Expression, ParseError> {
    let mut parser = Parser { text, at: 0, depth: 0, terms: 0 };
    let claim = parser.claim()?;
    parser.space();
    if parser.at < text.len() { parser.fail("this is not part of the claim") } else { Ok(claim) }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, message: &str) -> Result<T, ParseError> {
        Err(ParseError { at: self.at, message: message.into() })
    }
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }
    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }
    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }
    fn eat_word(&mut self, word: &str) -> bool {
        self.space();
        let after = self.rest().strip_prefix(word);
        let found = after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        self.at += if found { word.len() } else { 0 };
        found
    }
    fn while_(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        self.space();
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn claim(&mut self) -> Result<Expression, ParseError> {
        let mut claim = self.comparison()?;
        while self.eat_word("and") {
            claim = Expression::And(Box::new(claim), Box::new(self.comparison()?));
        }
        Ok(claim)
    }

    fn comparison(&mut self) -> Result<Expression, ParseError> {
        let left = self.sum()?;
        let found = ["<=", ">=", "==", "<", ">"].into_iter().find(|token| self.eat(token));
        let Some(found) = found else { return self.fail("a claim compares: use <, <=, >, >= or ==") };
        let right = self.sum()?;
        let comparison = match found {
            "<=" => Comparison::AtMost,
            ">=" => Comparison::AtLeast,
            "<" => Comparison::Less,
            ">" => Comparison::Greater,
            _ => Comparison::Equal(if self.eat_word("within") { self.number()? } else { 0.0 }),
        };
        Ok(Expression::Compare(comparison, Box::new(left), Box::new(right)))
    }

    fn sum(&mut self) -> Result<Expression, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail("too deeply nested");
        }
        let mut left = self.product()?;
        while let Some(sign) = ['+', '-'].into_iter().find(|sign| self.eat(sign.encode_utf8(&mut [0; 4]))) {
            left = Expression::Arithmetic(sign, Box::new(left), Box::new(self.product()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Expression, ParseError> {
        let mut left = self.factor()?;
        while let Some(sign) = ['*', '/'].into_iter().find(|sign| self.eat(sign.encode_utf8(&mut [0; 4]))) {
            left = Expression::Arithmetic(sign, Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expression, ParseError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return self.fail("the claim is too long; split it into several");
        }
        if self.eat("(") {
            let inner = self.sum()?;
            return if self.eat(")") { Ok(inner) } else { self.fail("`)` is missing") };
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-') {
            return Ok(Expression::Number(self.number()?));
        }
        let column = self.while_(|c| c.is_alphanumeric() || c == '_').to_owned();
        if column.is_empty() {
            return self.fail("a number, a metric such as free_runs(allocator=bitmap), or `(` is missing");
        }
        if self.eat("(") {
            self.metric(column)
        } else {
            self.fail("a metric is followed by `(`; write name() for all rows")
        }
    }

    fn number(&mut self) -> Result<f64, ParseError> {
        let start = self.at;
        let sign = if self.eat("-") { -1.0 } else { 1.0 };
        let digits = self.while_(|c| c.is_ascii_digit() || c == '.');
        let value: Option<f64> = digits.parse().ok();
        let value = value.map(|value| if self.eat("%") { value / 100.0 } else { value });
        value
            .map(|value| sign * value)
            .ok_or(ParseError { at: start, message: "this is not a number".into() })
    }

    fn metric(&mut self, column: String) -> Result<Expression, ParseError> {
        let mut metric =
            Metric { column, filters: Vec::new(), at: "last".into(), over: "median".into(), from: 0 };
        while !self.eat(")") {
            let key = self.while_(|c| c.is_alphanumeric() || "_.".contains(c)).to_owned();
            if key.is_empty() || !self.eat("=") {
                return self.fail("filters look like `allocator=bitmap`");
            }
            let value = if self.eat("\"") {
                let value = self.while_(|c| c != '"').to_owned();
                self.eat("\"");
                value
            } else {
                self.while_(|c| c.is_alphanumeric() || "_.-/".contains(c)).to_owned()
            };
            self.take_filter(&mut metric, key, value)?;
            if !self.eat(",") && !self.rest().trim_start().starts_with(')') {
                return self.fail("`,` or `)` is missing");
            }
        }
        Ok(Expression::Metric(metric))
    }

    fn take_filter(&self, metric: &mut Metric, key: String, value: String) -> Result<(), ParseError> {
        let allowed = match key.as_str() {
            "at" => &["last", "first", "mean", "max", "min", "sum"][..],
            "over" => &["median", "mean", "max", "min"][..],
            "from" => {
                let Ok(from) = value.parse() else { return self.fail("`from` is the number of a round") };
                metric.from = from;
                return Ok(());
            }
            _ => {
                metric.filters.push((key, value));
                return Ok(());
            }
        };
        if !allowed.contains(&value.as_str()) {
            return self.fail(&format!("`{key}` is one of {}", allowed.join(", ")));
        }
        if key == "at" {
            metric.at = value
        } else {
            metric.over = value
        }
        Ok(())
    }
}

impl Expression {
    /// Every metric in it.
    pub fn metrics<'a>(&'a self, each: &mut dyn FnMut(&'a Metric)) {
        match self {
            Expression::Number(_) => {}
            Expression::Metric(metric) => each(metric),
            Expression::Arithmetic(_, left, right)
            | Expression::Compare(_, left, right)
            | Expression::And(left, right) => {
                left.metrics(each);
                right.metrics(each);
            }
        }
    }
}
