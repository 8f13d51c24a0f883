//! Each kind of figure: what the SVG says, what size the PNG has, that equal input gives equal bytes. Invariant:
//! tested only through the public interface. It does not judge beauty; the gallery is looked at for that.

use crate::common::{charts, check, palette};
use spinney_plot::{Axis, Bar, Bars, Facets, Frame, Heatmap, Lines, Point, Unit};

#[test]
fn every_kind_draws_its_labels_as_text_and_a_png_of_its_size() {
    for (kind, chart, labels) in charts() {
        let frame = Frame::new("The finding of this figure").caption("median of 3 seeds");
        let figure = chart.render(&frame, &palette());
        check(&figure, kind);
        for label in labels.iter().chain(&["The finding of this figure", "median of 3 seeds"]) {
            let found = figure.svg.contains(&format!(">\n{label}\n</text>"));
            assert!(found, "{kind}: no text {label:?} in {}", figure.svg);
        }
        assert!(figure.alt.starts_with("The finding of this figure."), "{kind}: {}", figure.alt);
        assert_eq!(figure.notes, Vec::<String>::new(), "{kind}");
    }
}

#[test]
fn equal_input_gives_equal_bytes() {
    for (kind, chart, _) in charts() {
        let draw = || chart.render(&Frame::new("Same"), &palette());
        assert_eq!(draw(), draw(), "{kind}");
    }
}

#[test]
fn a_name_keeps_its_color_when_other_names_join() {
    let points = || [Point::new(0.0, 1.0), Point::new(1.0, 2.0)];
    let axes = || (Axis::new("x", Unit::Plain), Axis::new("y", Unit::Plain));
    let alone = Lines::new(axes().0, axes().1).series("extent", points());
    let joined = Lines::new(axes().0, axes().1).series("bitmap", points()).series("extent", points());
    // The third color of the palette, in which "extent" is the third name.
    for chart in [alone, joined] {
        assert!(chart.render(&Frame::new("t"), &palette()).svg.contains("stroke=\"#009E73\""));
    }
}

#[test]
fn hostile_text_is_escaped_everywhere() {
    let evil = "</text><script>alert('x')</script>&\"\u{0}\u{1b}";
    let chart = Lines::new(Axis::new(evil, Unit::Plain), Axis::new(evil, Unit::Named(evil.into())))
        .series(evil, [Point::new(0.0, 1.0), Point::new(1.0, 2.0)])
        .guide(1.5, evil);
    let frame = Frame::new(evil).caption(evil).id(evil).legend(evil);
    let lines = chart.render(&frame, &palette());
    let bars = Bars::new(evil, [evil, evil], Axis::new(evil, Unit::Plain)).series(evil, [Bar::new(1.0)]);
    let all = Facets::new().panel(evil, bars.clone()).panel(evil, bars).render(&frame, &palette());
    for figure in [lines, all] {
        check(&figure, "hostile");
        assert!(!figure.svg.contains("<script"), "{}", figure.svg);
        assert!(!figure.svg.chars().any(|c| c.is_control() && c != '\n'), "control character");
    }
}

#[test]
fn a_heat_map_is_one_image_whatever_its_cells() {
    let columns = vec![vec![0.5; 300]; 1000];
    let axis = |label| Axis::new(label, Unit::Plain);
    let figure = Heatmap::new(axis("x"), axis("y"), axis("v"), columns).render(&Frame::new("t"), &palette());
    // One for the cells, one for the color bar.
    assert_eq!(figure.svg.matches("<image ").count(), 2);
    assert!(figure.svg.len() < 60_000, "{} bytes", figure.svg.len());
}

#[test]
fn facets_share_axes_and_have_one_legend() {
    let panel = |top: f64| {
        Lines::new(Axis::new("round", Unit::Plain), Axis::new("runs", Unit::Plain))
            .series("bitmap", [Point::new(0.0, 0.0), Point::new(30.0, top)])
    };
    let all = Facets::new().panel("one", panel(10.0)).panel("two", panel(1000.0));
    let svg = all.render(&Frame::new("t"), &palette()).svg;
    let count = |text: &str| svg.matches(&format!(">\n{text}\n</text>")).count();
    assert_eq!((count("bitmap"), count("runs"), count("round")), (1, 1, 1));
    assert_eq!((count("1000"), count("30")), (1, 2), "y ticks once, x ticks below both: {svg}");
    assert_eq!((count("one"), count("two")), (1, 1));
}

#[test]
fn ids_of_two_figures_differ_and_a_given_id_is_kept() {
    let figures: Vec<_> =
        charts().into_iter().map(|(_, c, _)| c.render(&Frame::new("t"), &palette())).collect();
    let id =
        |svg: &str| svg.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let ids: std::collections::BTreeSet<_> = figures.iter().map(|figure| id(&figure.svg)).collect();
    assert_eq!(ids.len(), figures.len());
    let given = charts()[0].1.render(&Frame::new("t").id("aging__runs"), &palette());
    assert_eq!(id(&given.svg).as_deref(), Some("plot-aging__runs"));
}
