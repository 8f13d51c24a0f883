//! What is drawn and what its title says.
//!
//! Invariant of the tests: each makes its rows by hand, so that every number can be followed.

use super::chart::{all_x, bars, draw};
use super::select::{Selected, Selection};
use super::title::{heat_title, title};
use super::{ReportKind, ReportSpec};
use crate::results::Tables;
use crate::table::Table;
use spinney_plot::{Chart, Frame, Palette};

/// A series of one number at each x.
fn series(name: &str, points: &[(f64, f64)]) -> Selected {
    let points = points.iter().map(|(x, y)| (*x, vec![*y])).collect();
    let categories = ["8 GiB", "128 GiB"].map(String::from).to_vec();
    Selected { series: name.into(), points, categories, ..Selected::default() }
}

fn spec(x: &str) -> ReportSpec {
    let (mut problems, origin) = (Vec::new(), crate::config::Origin { file: 0, bytes: 0..0 });
    let spec = super::read_report("x", crate::config::Table::new(), origin, &mut problems).unwrap();
    ReportSpec { kind: ReportKind::Bars, x: x.into(), y: "free_runs".into(), ..spec }
}

#[test]
fn a_title_compares_series_at_one_x_only() {
    let all = vec![series("one", &[(0.0, 3.0), (1.0, 30.0)]), series("other", &[(0.0, 4.0), (1.0, 33.0)])];
    let selection = Selection { phase: "measure".into(), all, repeats: 1 };
    let title = title(&spec("volume.size"), &selection);
    assert!(title.contains("other 1.33 times as much (size 8 GiB, where they differ most)"), "{title}");
}

fn table(text: &str) -> Table {
    let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
    let mut table = Table::new(lines.next().unwrap());
    lines.for_each(|row| table.push(row));
    table
}

#[test]
fn the_title_of_a_scatter_is_of_the_dots_that_are_drawn() {
    let rows = table(
        "case,allocator,phase,round,bluestore_score_new,free_runs\na,one,measure,1,0.1,2\na,one,measure,2,0.3,4\n\
         b,other,measure,1,0.6,9\nb,other,measure,2,0.8,15",
    );
    let spec = ReportSpec {
        kind: ReportKind::Scatter,
        x: "bluestore_score_new".into(),
        series: vec!["allocator".into()],
        at: "mean".into(),
        title: "{highest} {high} at {highest_x}, {lowest} {low} at {lowest_x}".into(),
        ..spec("")
    };
    let tables = Tables { rows, ..Tables::default() };
    let palette = Palette::of(["one", "other"].map(String::from));
    let drawn =
        draw(&spec, &tables, &["allocator".into()], &palette, "").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(drawn.title, "other 12 at 0.7, one 3 at 0.2");
}

#[test]
fn the_title_of_a_heat_map_is_of_its_last_round() {
    let histogram = table(
        "case,phase,round,run_blocks,runs,blocks\na,measure,1,1,9,9\na,measure,2,1,2,2\na,measure,2,4,1,6\nb,measure,2,2,4,8",
    );
    let fullness = table(
        "case,phase,round,slot,fullness\na,measure,1,0,0.5\na,measure,2,0,1\na,measure,2,1,0\nb,measure,2,0,0.4\nb,measure,2,1,1",
    );
    let tables = Tables { histogram, fullness, ..Tables::default() };
    let cases = [("a", "one"), ("b", "other")].map(|(case, name)| (case.to_owned(), name.to_owned()));
    let title = |histogram| heat_title("{lowest} {low}, {highest} {high}", &tables, histogram, &cases);
    // Of one's 8 free blocks, 2 lie in runs of 1 and 6 in one of 6: 38 / 8 blocks on average.
    assert_eq!(title(true), format!("other 8 KiB, one {}", crate::config::format_bytes(19_456)));
    assert_eq!(title(false), "one 0 %, other 50 %");
}

#[test]
fn a_plain_title_stands_as_it_is() {
    let all = vec![series("one", &[(0.0, 3.0), (1.0, 30.0)]), series("other", &[(0.0, 4.0), (1.0, 33.0)])];
    let selection = Selection { phase: "measure".into(), all, repeats: 1 };
    let spec = ReportSpec { title: "Which is it?".into(), ..spec("volume.size") };
    assert_eq!(title(&spec, &selection), "Which is it?");
}

#[test]
fn bars_stand_at_their_x_where_series_have_gaps() {
    let (one, other) = (series("one", &[(0.0, 3.5)]), series("other", &[(1.0, 7.25)]));
    assert_eq!(all_x(&[&one, &other]), [0.0, 1.0]);
    let spec = spec("volume.size");
    let names = ["one", "other"].map(String::from);
    let chart: Chart = bars(&spec, &[&one, &other]).into();
    let figure = chart.render(&Frame::new("x"), &Palette::of(names));
    let place = |text: &str| {
        let at =
            figure.svg.find(&format!(">\n{text}\n<")).unwrap_or_else(|| panic!("no {text}: {}", figure.svg));
        let tag = &figure.svg[figure.svg[..at].rfind("<text").unwrap()..at];
        let x = tag.split(" x=\"").nth(1).unwrap();
        x[..x.find('"').unwrap()].parse::<f64>().unwrap()
    };
    // Each value stands nearer to its own category than to the other one.
    let nearer = |value: &str, own: &str, other: &str| {
        (place(value) - place(own)).abs() < (place(value) - place(other)).abs()
    };
    assert!(nearer("3.5", "8 GiB", "128 GiB") && nearer("7.25", "128 GiB", "8 GiB"));
}
