//! Data that breaks naive charts: none, one value, not a number, zeros on log axes, all magnitudes, random
//! everything. Invariant: a figure always comes out whole, and what it leaves out it says.

use crate::common::{check, palette};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use spinney_plot::{
    Axis, Bar, Bars, Better, Chart, Colormap, Dot, Facets, Figure, Frame, Heatmap, Lines, Point, Scale,
    Scatter, Unit,
};

fn axis() -> Axis {
    Axis::new("x", Unit::Plain)
}

fn line(values: &[f64]) -> Lines {
    let points = values.iter().enumerate().map(|(n, v)| Point::new(n as f64, *v));
    Lines::new(axis(), axis()).series("bitmap", points)
}

fn drawn(chart: impl Into<Chart>) -> Figure {
    let figure = chart.into().render(&Frame::new("Odd").size(400, 100), &palette());
    check(&figure, "odd");
    figure
}

#[test]
fn charts_without_data_say_so() {
    let none: [Chart; 6] = [
        Lines::new(axis(), axis()).into(),
        line(&[f64::NAN, f64::INFINITY]).into(),
        Bars::new("x", Vec::<String>::new(), axis()).into(),
        Bars::new("x", ["a"], axis()).series("bitmap", []).into(),
        Heatmap::new(axis(), axis(), axis(), vec![vec![f64::NAN]]).into(),
        Scatter::new(axis(), axis()).front(Better::Low, Better::High).into(),
    ];
    for chart in none {
        let figure = drawn(chart.clone());
        assert!(figure.svg.contains(">\nno data\n</text>"), "{chart:?}");
        assert_eq!(figure.notes.first().map(String::as_str), Some("no data"), "{chart:?}");
    }
    let figure = Facets::new().render(&Frame::new("Odd"), &palette());
    assert!(figure.svg.contains(">\nno data\n</text>"));
}

#[test]
fn values_with_no_place_are_counted_by_reason() {
    let values = [1.0, f64::NAN, 0.0, -3.0, 10.0, f64::INFINITY, 100.0];
    let chart = Lines { y: axis().log(), ..line(&values) };
    let notes = drawn(chart).notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("2 values not drawn: not a number"), "{notes:?}");
    assert!(notes[1].starts_with("2 values not drawn: outside the scale"), "{notes:?}");
    let notes = drawn(Lines { y: axis().range(0.0, 5.0), ..line(&[1.0, 9.0, 2.0]) }).notes;
    assert_eq!(notes, ["1 value outside the shown range"]);
}

#[test]
fn a_line_does_not_bridge_a_gap() {
    let bridges = |figure: &Figure| figure.svg.matches("stroke=\"#0072B2\" stroke-width=\"8\"").count();
    // One stroke for each stretch; the swatch beside the line is one more.
    assert_eq!(bridges(&drawn(line(&[1.0, 2.0, 3.0, 4.0]))), 2);
    assert_eq!(bridges(&drawn(line(&[1.0, 2.0, f64::NAN, 3.0, 4.0]))), 3);
}

#[test]
fn single_points_zeros_and_far_magnitudes_are_drawn() {
    for values in [
        &[5.0][..],
        &[0.0, 0.0],
        &[-2.0, -1.0],
        &[1e-9, 1e12],
        &[1e-300, 1e199],
        &[7.0, 7.0],
        &[1e16, 1e16 + 2.0],
    ] {
        for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
            for unit in [Unit::Plain, Unit::Bytes, Unit::Nanoseconds] {
                let y = Axis::new("y", unit).scale(scale);
                drawn(Lines { y, ..line(values) });
            }
        }
    }
}

#[test]
fn bars_stand_on_zero_even_when_asked_otherwise() {
    let y = axis().log().range(90.0, 100.0);
    let figure = drawn(Bars::new("x", ["a", "b"], y).series("bitmap", [Bar::new(95.0), Bar::new(-20.0)]));
    let has = |text: &str| figure.svg.contains(&format!(">\n{text}\n</text>"));
    assert!(has("0") && has("95") && has("−20"), "{}", figure.svg);
}

#[test]
fn a_line_axis_above_zero_is_admitted_in_a_note() {
    let narrow = line(&[100.0, 101.0, 99.0]);
    assert_eq!(drawn(narrow.clone()).notes, ["the vertical axis does not start at zero"]);
    assert!(drawn(Lines { y: axis().from_zero(), ..narrow }).notes.is_empty());
    assert!(drawn(line(&[50.0, 101.0])).notes.is_empty());
}

#[test]
fn very_many_names_and_panels_are_cut_with_a_note() {
    let points = || [Point::new(0.0, 1.0), Point::new(1.0, 2.0)];
    let many = (0..500).fold(Lines::new(axis(), axis()), |all, n| all.series(format!("name {n}"), points()));
    assert!(drawn(many).svg.contains("and 440 more names"));
    let panels = (0..40).fold(Facets::new(), |all, n| all.panel(format!("{n}"), line(&[1.0, 2.0])));
    let figure = panels.render(&Frame::new("Odd").size(400, 80), &palette());
    assert_eq!(figure.notes, ["4 more panels are not drawn"]);
}

struct Random(ChaCha8Rng);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64() % limit
    }
    /// Any bit pattern now and then, else numbers near zero, whole numbers and a few favorites.
    fn number(&mut self) -> f64 {
        match self.below(8) {
            0 => f64::from_bits(self.0.next_u64()),
            1 => [0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN, f64::MIN_POSITIVE, 1.0, 0.999]
                [self.below(8) as usize],
            2 => self.below(10) as f64,
            3 => -(self.below(1 << 40) as f64),
            _ => self.below(1 << 20) as f64 / 1024.0,
        }
    }
    fn numbers(&mut self) -> Vec<f64> {
        let count = self.below(12);
        (0..count).map(|_| self.number()).collect()
    }
    fn axis(&mut self) -> Axis {
        let unit = [Unit::Plain, Unit::Bytes, Unit::Nanoseconds, Unit::Share][self.below(4) as usize].clone();
        let scale = [Scale::Linear, Scale::Linear, Scale::Log, Scale::Nines][self.below(4) as usize];
        let range = (self.below(4) == 0).then(|| (self.number(), self.number()));
        Axis { range, from_zero: self.below(2) == 0, ..Axis::new("a<x>is", unit).scale(scale) }
    }
    fn pair(&mut self) -> Option<(f64, f64)> {
        (self.below(2) == 0).then(|| (self.number(), self.number()))
    }
    fn lines(&mut self) -> Chart {
        let (x, y) = (self.axis(), self.axis());
        let count = self.below(4);
        let chart = (0..count).fold(Lines::new(x, y), |all, n| {
            let points: Vec<Point> = self
                .numbers()
                .into_iter()
                .map(|y| Point { x: self.number(), y, band: self.pair() })
                .collect();
            all.series(["bitmap", "", "extent", "&"][n as usize], points)
        });
        chart.guide(self.number(), "guide").into()
    }
    fn bars(&mut self) -> Chart {
        let names = ["a", "b", "a long name of a category", "a"];
        let categories = names[..self.below(5) as usize].to_vec();
        let chart = Bars { stacked: self.below(2) == 0, ..Bars::new("x", categories, self.axis()) };
        let count = self.below(4);
        let bars = |this: &mut Self| -> Vec<Bar> {
            this.numbers().into_iter().map(|value| Bar { value, error: this.pair() }).collect()
        };
        (0..count).fold(chart, |all, _| all.series("bitmap", bars(self))).into()
    }
    fn heat(&mut self) -> Chart {
        let count = self.below(6);
        let columns = (0..count).map(|_| self.numbers()).collect();
        let chart = Heatmap::new(self.axis(), self.axis(), self.axis(), columns);
        let map = [Colormap::Cividis, Colormap::Viridis, Colormap::Diverging][self.below(3) as usize];
        let chart = Heatmap { numbers: self.below(2) == 0, map, ..chart };
        if self.below(2) == 0 { chart.x_names(["p", "q"]).into() } else { chart.into() }
    }
    fn scatter(&mut self) -> Chart {
        let goals = [Better::Low, Better::High];
        let chart = Scatter::new(self.axis(), self.axis())
            .front(goals[self.below(2) as usize], goals[self.below(2) as usize]);
        let dots = self.numbers().into_iter();
        dots.fold(chart, |all, x| {
            let dot =
                Dot { x_error: self.pair(), y_error: self.pair(), ..Dot::new("bitmap", x, self.number()) };
            all.dot(dot.label(["", "here", "a label that is long"][self.below(3) as usize]))
        })
        .into()
    }
    fn chart(&mut self) -> Chart {
        match self.below(4) {
            0 => self.lines(),
            1 => self.bars(),
            2 => self.heat(),
            _ => self.scatter(),
        }
    }
}

#[test]
fn random_charts_always_come_out_whole() {
    for seed in 0..80 {
        let mut random = Random(ChaCha8Rng::seed_from_u64(seed));
        let panels = 1 + random.below(3);
        let facets =
            (0..panels).fold(Facets::new(), |all, n| all.panel(format!("panel {n}"), random.chart()));
        // A panic must name its seed.
        println!("seed {seed}");
        let figure = facets.render(&Frame::new("Random").size(320, 80), &palette());
        check(&figure, &format!("seed {seed}"));
        assert!(!figure.svg.contains("NaN") && !figure.svg.contains("inf,"), "seed {seed}");
    }
}
