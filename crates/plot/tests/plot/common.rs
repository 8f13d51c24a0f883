//! What the tests of figures share: small charts of each kind and checks of the two files. Invariant: a check
//! that passes means the SVG nests and the PNG decodes to twice the figure's size.

use spinney_plot::{
    Axis, Bar, Bars, Better, Chart, Colormap, Dot, Figure, Heatmap, Lines, Palette, Point, Scatter, Unit,
};

pub(crate) fn palette() -> Palette {
    Palette::of(["bitmap", "space map", "extent"])
}

/// One chart of each kind with texts that must appear in it.
pub(crate) fn charts() -> Vec<(&'static str, Chart, Vec<&'static str>)> {
    let rounds = || Axis::new("round", Unit::Plain);
    let lines = Lines::new(rounds(), Axis::new("free space", Unit::Bytes))
        .series("bitmap", (0..=30).map(|n| Point::new(f64::from(n), f64::from(n) * 1e6).band(0.0, 4e7)));
    let bars = Bars::new("workload", ["zipf", "random"], Axis::new("amplification", Unit::Plain))
        .series("bitmap", [Bar::new(1.5).error(1.2, 1.9), Bar::new(2.25)])
        .series("extent", [Bar::new(1.0), Bar::new(3.0)]);
    let heat = Heatmap::new(
        rounds().range(0.0, 4.0),
        Axis::new("address", Unit::Bytes).range(0.0, 4096.0 * 1024.0),
        Axis::new("fullness", Unit::Share).range(0.0, 1.0),
        vec![vec![0.0, 0.5], vec![0.25, 0.75], vec![1.0, f64::NAN], vec![0.1, 0.2]],
    );
    let matrix =
        heat.clone().x_names(["a", "b", "c", "d"]).y_names(["low", "high"]).map(Colormap::Viridis).numbers();
    let scatter = Scatter::new(Axis::new("latency", Unit::Nanoseconds), Axis::new("space", Unit::Bytes))
        .dot(Dot::new("bitmap", 2e3, 1e6).x_error(1e3, 3e3).y_error(9e5, 2e6))
        .dot(Dot::new("extent", 4e3, 5e5).label("extent tree"))
        .front(Better::Low, Better::Low);
    vec![
        ("lines", lines.into(), vec!["round", "free space", "bitmap", "30", "16 MiB"]),
        ("stacked", bars.clone().stacked().into(), vec!["workload", "zipf", "extent", "2.5", "5.25"]),
        ("bars", bars.into(), vec!["amplification", "random", "bitmap", "2.25", "0"]),
        ("heat map", heat.into(), vec!["fullness", "address", "100 %", "4 MiB"]),
        ("matrix", matrix.into(), vec!["low", "high", "d", "75 %", "n/a"]),
        ("scatter", scatter.into(), vec!["latency", "space", "extent tree", "bitmap", "3 µs"]),
    ]
}

/// Checks that both files of a figure are whole.
pub(crate) fn check(figure: &Figure, what: &str) {
    let decoder = png::Decoder::new(std::io::Cursor::new(&figure.png));
    let mut reader = decoder.read_info().unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut pixels = vec![0; reader.output_buffer_size().expect("the picture fits in memory")];
    let info = reader.next_frame(&mut pixels).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!((info.width, info.height), (2 * figure.width, 2 * figure.height), "{what}");
    assert!(pixels.iter().any(|byte| *byte < 100), "{what}: nothing dark was drawn");
    check_nesting(&figure.svg, what);
}

/// Every element is closed in order and no bare markup stands in text.
fn check_nesting(svg: &str, what: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "{what}: bare > in text {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("{what}: unclosed tag"));
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{what}: odd quotes in {tag}");
        let name = tag.trim_matches('/').split([' ', '\n']).next().unwrap_or("");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{what}: closed out of order");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{what}: still open {open:?}");
    for entity in svg.split('&').skip(1) {
        let known = ["lt;", "gt;", "amp;", "quot;", "apos;"];
        assert!(known.iter().any(|e| entity.starts_with(e)), "{what}: bare & before {:.20}", entity);
    }
}
