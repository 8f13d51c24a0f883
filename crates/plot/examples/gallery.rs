//! Draws one figure of each kind into a folder: `cargo run -p spinney-plot --example gallery -- OUTDIR`.
//! Invariant: all data here is made up by formulas and says so; no figure of it is a result. It knows only the
//! public interface.

use spinney_plot::{
    Axis, Bar, Bars, Better, Colormap, Dot, Facets, Figure, Frame, Heatmap, Lines, Palette, Point, Scale,
    Scatter, Style, Unit,
};
use std::path::Path;

const MADE_UP: &str = "made-up data · line: median, band: min–max of 3 seeds (1, 2, 3) · config 5f3a90c1";
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args().nth(1) else {
        return Err(std::io::Error::other("usage: gallery OUTDIR"));
    };
    std::fs::create_dir_all(&folder)?;
    let names = ["bitmap", "space map", "extent tree", "buddy", "log", "zones"];
    let palette = Palette::of(names)
        .also("data")
        .also("tree nodes")
        .also("counts")
        .also("free-space log")
        .also("superblock")
        .with("baseline", Style::baseline());
    for (name, figure) in figures(&palette) {
        save(Path::new(&folder), name, &figure)?;
    }
    Ok(())
}

fn save(folder: &Path, name: &str, figure: &Figure) -> std::io::Result<()> {
    std::fs::write(folder.join(format!("{name}.svg")), &figure.svg)?;
    std::fs::write(folder.join(format!("{name}.png")), &figure.png)?;
    std::fs::write(folder.join(format!("{name}.txt")), format!("{}\n", figure.alt))
}

fn figures(palette: &Palette) -> Vec<(&'static str, Figure)> {
    vec![
        ("lines", lines(palette)),
        ("lines-log", lines_log(palette)),
        ("lines-many", lines_many(palette)),
        ("lines-nines", nines(palette)),
        ("bars-grouped", bars_grouped(palette)),
        ("bars-stacked", bars_stacked(palette)),
        ("bars-names", bars_names(palette)),
        ("heat-free-runs", heat_free_runs(palette)),
        ("heat-address", heat_address(palette)),
        ("heat-matrix", heat_matrix(palette)),
        ("scatter", scatter(palette)),
        ("facets-lines", facets_lines(palette)),
        ("facets-bars", facets_bars(palette)),
        ("facets-heat", facets_heat(palette)),
        (
            "empty",
            Lines::new(Axis::new("round", Unit::Plain), Axis::new("free runs", Unit::Plain))
                .render(&Frame::new("No case finished, so there is nothing to draw"), palette),
        ),
        ("odd", odd(palette)),
    ]
}

/// A curve with a band, rising to `top` and with a wiggle of its own.
fn curve(top: f64, number: f64, points: usize) -> Vec<Point> {
    let at = |n: usize| {
        let x = 200.0 * n as f64 / (points - 1) as f64;
        let y = top * (1.0 - (-x / 60.0).exp()) * (1.0 + 0.03 * (x * 0.21 + number).sin());
        let spread = top * 0.05 * (1.0 + 0.5 * (x * 0.13).cos());
        Point::new(x, y).band((y - spread).max(0.0), y + spread)
    };
    (0..points).map(at).collect()
}

fn lines(palette: &Palette) -> Figure {
    Lines::new(Axis::new("round", Unit::Plain), Axis::new("free runs", Unit::Plain))
        .series("bitmap", curve(30_000.0, 0.0, 41))
        .series("space map", curve(21_000.0, 1.0, 41))
        .series("extent tree", curve(19_500.0, 2.0, 41))
        .series("baseline", curve(9_000.0, 3.0, 41))
        .guide(25_000.0, "half of all blocks alone")
        .render(
            &Frame::new("Free space breaks into 3× more runs under the bitmap than under the baseline, and stays so after 150 rounds of random overwrite at 80 % fill")
                .caption(MADE_UP),
            palette,
        )
}

fn lines_log(palette: &Palette) -> Figure {
    let cost = |base: f64, power: f64| -> Vec<Point> {
        (0..=10)
            .map(|n| {
                let x = f64::from(1 << n);
                let y = base * x.powf(power);
                Point::new(x, y).band(y * 0.8, y * 1.3)
            })
            .collect()
    };
    let mut with_zero = cost(900.0, 0.0);
    with_zero[0].y = 0.0;
    Lines::new(
        Axis::new("snapshots", Unit::Plain).log(),
        Axis::new("time to delete one snapshot", Unit::Nanoseconds).log(),
    )
    .series("bitmap", cost(12_000.0, 1.1))
    .series("space map", cost(40_000.0, 0.5))
    .series("extent tree", with_zero)
    .render(&Frame::new("Only the extent tree deletes a snapshot in constant time").caption(MADE_UP), palette)
}

fn lines_many(palette: &Palette) -> Figure {
    let sizes = |scale: f64| -> Vec<Point> {
        (0..=20_000)
            .map(|n| {
                let x = f64::from(n) * 60e9 * 0.05;
                Point::new(
                    x,
                    scale * MIB * (1.0 + (f64::from(n) * 0.01).sin() * 0.1 + f64::from(n % 7) * 0.02),
                )
            })
            .collect()
    };
    let base = Lines::new(
        Axis::new("virtual time", Unit::Nanoseconds),
        Axis::new("largest free run", Unit::Bytes).from_zero(),
    );
    let all = ["bitmap", "space map", "extent tree", "buddy", "log", "zones"];
    let chart = all.iter().enumerate().fold(base, |chart, (n, name)| {
        let end = if n == 2 { 12_000 } else { 20_001 };
        chart.series(*name, sizes(40.0 + 38.0 * n as f64).into_iter().take(end))
    });
    chart.render(
        &Frame::new("The largest free run stays above 32 MiB everywhere")
            .caption("made-up data · 20,001 samples each"),
        palette,
    )
}

fn nines(palette: &Palette) -> Figure {
    let tail = |base: f64, power: f64| {
        (0..=40).map(move |n| {
            let p = 1.0 - 10f64.powf(-f64::from(n) / 10.0);
            Point::new(p, base * (1.0 - p).powf(-power))
        })
    };
    Lines::new(
        Axis::new("share of writes that finish within the latency", Unit::Share).scale(Scale::Nines),
        Axis::new("latency", Unit::Nanoseconds).log(),
    )
    .series("bitmap", tail(80e3, 0.3))
    .series("space map", tail(60e3, 0.5))
    .render(
        &Frame::new("Space maps are faster at the median and slower from 76 % on").caption("made-up data"),
        palette,
    )
}

fn bars_grouped(palette: &Palette) -> Figure {
    let bars = |values: [f64; 4]| values.map(|v| Bar::new(v).error(v * 0.92, v * 1.1));
    Bars::new(
        "workload",
        ["random", "zipf 0.9", "hot/cold", "MSR prn_0"],
        Axis::new("write amplification", Unit::Plain),
    )
    .series("bitmap", bars([3.1, 2.2, 1.84, 1.4]))
    .series("space map", bars([1.9, 1.75, 1.6, 1.31]))
    .series("extent tree", bars([2.45, f64::NAN, 1.7, 1.36]))
    .render(
        &Frame::new("The space map writes least on every workload")
            .legend("allocator")
            .caption("made-up data · median and min–max of 3 seeds · n/a: the case failed"),
        palette,
    )
}

fn bars_stacked(palette: &Palette) -> Figure {
    let bars = |values: [f64; 4]| values.map(Bar::new);
    Bars::new(
        "allocator",
        ["bitmap", "space map", "extent tree", "buddy"],
        Axis::new("bytes written per user byte", Unit::Plain),
    )
    .series("data", bars([1.0, 1.0, 1.0, 1.0]))
    .series("tree nodes", bars([0.62, 0.41, 0.58, 0.77]))
    .series("counts", bars([0.31, 0.3, 0.29, 0.33]))
    .series("free-space log", bars([0.0, 0.12, 0.0, 0.0]))
    .series("superblock", bars([0.02, 0.02, 0.02, 0.02]))
    .stacked()
    .render(
        &Frame::new("Besides the data itself, tree nodes are the largest part of what is written")
            .caption("made-up data · medians of 3 seeds"),
        palette,
    )
}

fn bars_names(palette: &Palette) -> Figure {
    let names =
        (0..14).map(|n| format!("alloc-{}_with-a-long-name/{n}", ["bitmap", "spacemap", "extent"][n % 3]));
    let values = (0..14).map(|n| Bar::new(f64::from(n * n) * 9.7e5 + 1.0));
    Bars::new("allocator", names, Axis::new("recovery time", Unit::Nanoseconds))
        .series("recovery time", values)
        .render(
            &Frame::new("Recovery time grows with the length of the log").caption("made-up data"),
            palette,
        )
}

fn heat_free_runs(palette: &Palette) -> Figure {
    let columns = (0..120)
        .map(|x| {
            (0..14)
                .map(|y| {
                    let peak = 12.0 - f64::from(x) * 0.08;
                    let v = 20_000.0 * (-(f64::from(y) - peak).powi(2) / 4.0).exp();
                    if v < 1.0 { 0.0 } else { v.round() }
                })
                .collect()
        })
        .collect();
    Heatmap::new(
        Axis::new("round", Unit::Plain).range(0.0, 120.0),
        Axis::new("size of the free run", Unit::Bytes).log().range(4096.0, 4096.0 * 16384.0),
        Axis::new("free runs", Unit::Plain).log(),
        columns,
    )
    .render(
        &Frame::new("Large free runs dissolve into runs of 16 to 64 KiB within 120 rounds")
            .caption("made-up data · space map, seed 1 · grey: none"),
        palette,
    )
}

fn address(shift: f64) -> Vec<Vec<f64>> {
    (0..200)
        .map(|x| {
            (0..128)
                .map(|y| {
                    let (x, y) = (f64::from(x), f64::from(y));
                    (0.5 + 0.5 * ((x * 0.05 + y * 0.11 + shift).sin() * (y * 0.031 - x * 0.01).cos()))
                        .clamp(0.0, 1.0)
                })
                .collect()
        })
        .collect()
}

fn heat(shift: f64) -> Heatmap {
    Heatmap::new(
        Axis::new("round", Unit::Plain).range(0.0, 200.0),
        Axis::new("address", Unit::Bytes).range(0.0, 4096.0 * MIB),
        Axis::new("fullness", Unit::Share).range(0.0, 1.0),
        address(shift),
    )
}

fn heat_address(palette: &Palette) -> Figure {
    heat(0.0).render(
        &Frame::new("Free space moves in waves through the device")
            .caption("made-up data · extent tree, seed 1"),
        palette,
    )
}

fn heat_matrix(palette: &Palette) -> Figure {
    let columns =
        vec![vec![1.0, 0.52, 0.7], vec![1.31, 0.8, f64::NAN], vec![1.9, 1.02, 0.33], vec![2.4, 1.5, 1.11]];
    Heatmap::new(
        Axis::new("snapshot scheme", Unit::Plain),
        Axis::new("allocator", Unit::Plain),
        Axis::new("ratio to flat + bitmap", Unit::Plain).log().range(1.0 / 3.0, 3.0),
        columns,
    )
    .x_names(["flat counts", "lazy counts", "gc tree", "dead lists"])
    .y_names(["bitmap", "space map", "extent tree"])
    .map(Colormap::Diverging)
    .numbers()
    .render(
        &Frame::new("Extent tree with gc tree writes a third of the baseline")
            .caption("made-up data · below 1 is better · grey: case failed"),
        palette,
    )
}

fn scatter(palette: &Palette) -> Figure {
    let dots = [
        ("bitmap", "bitmap + flat", 3.1, 120.0),
        ("bitmap", "bitmap + lazy", 2.6, 180.0),
        ("space map", "space map + flat", 1.9, 260.0),
        ("space map", "space map + lazy", 1.5, 310.0),
        ("extent tree", "extent tree + flat", 2.4, 150.0),
        ("extent tree", "extent tree + lazy", 2.0, 200.0),
        ("buddy", "buddy + flat", 2.0, 205.0),
        ("buddy", "buddy + lazy", 2.9, 330.0),
    ];
    let base = Scatter::new(
        Axis::new("write amplification", Unit::Plain),
        Axis::new("extents per MiB", Unit::Plain),
    );
    let chart = dots.into_iter().fold(base, |all, (name, label, x, y)| {
        all.dot(Dot::new(name, x, y).label(label).x_error(x * 0.95, x * 1.08).y_error(y * 0.9, y * 1.1))
    });
    chart.front(Better::Low, Better::Low).render(
        &Frame::new("Five pairs are not beaten: less amplification costs more extents")
            .legend("allocator")
            .caption("made-up data · median and min–max of 3 seeds · dashed: not beaten by any other"),
        palette,
    )
}

fn facets_lines(palette: &Palette) -> Figure {
    let one = |scale: f64| {
        Lines::new(Axis::new("round", Unit::Plain), Axis::new("throughput", Unit::Named("MB/s".into())))
            .series("bitmap", curve(310.0 * scale, 0.0, 21))
            .series("space map", curve(210.0 * scale, 1.0, 21))
            .series("extent tree", curve(190.0 * scale, 2.0, 21))
    };
    let panels =
        [("keep 1 snapshot", 1.0), ("keep 4", 0.8), ("keep 16", 0.6), ("keep 64", 0.3), ("keep 256", 0.2)];
    panels.into_iter().fold(Facets::new(), |all, (name, scale)| all.panel(name, one(scale))).render(
        &Frame::new("The more snapshots are kept, the slower all allocators become")
            .caption(MADE_UP)
            .legend("allocator"),
        palette,
    )
}

fn facets_bars(palette: &Palette) -> Figure {
    let one = |scale: f64| {
        let bars = |values: [f64; 3]| {
            values.map(|v| Bar::new(v * scale * MIB).error(v * scale * MIB * 0.9, v * scale * MIB * 1.1))
        };
        Bars::new("workload", ["random", "zipf 0.9", "hot/cold"], Axis::new("metadata written", Unit::Bytes))
            .series("bitmap", bars([310.0, 220.0, 184.0]))
            .series("space map", bars([190.0, 175.0, 160.0]))
    };
    Facets::new().panel("flat counts", one(1.0)).panel("lazy counts", one(0.4)).render(
        &Frame::new("Lazy counts write less than half the metadata")
            .caption("made-up data · median and min–max of 3 seeds"),
        palette,
    )
}

fn facets_heat(palette: &Palette) -> Figure {
    let panels = [("bitmap", 0.0), ("space map", 1.0), ("extent tree", 2.0), ("buddy", 3.0)];
    panels
        .into_iter()
        .fold(Facets::new(), |all, (name, shift)| all.panel(name, heat(shift)))
        .render(&Frame::new("Every allocator shows the same waves").caption("made-up data · seed 1"), palette)
}

fn odd(palette: &Palette) -> Figure {
    let odd = [
        Point::new(0.0, 1e-9),
        Point::new(1.0, f64::NAN),
        Point::new(2.0, 0.0),
        Point::new(3.0, 1e12),
        Point::new(4.0, f64::INFINITY),
        Point::new(5.0, 1e3),
        Point::new(6.0, -5.0),
        Point::new(7.0, 1e5).band(0.0, 1e7),
    ];
    Lines::new(
        Axis::new("<x> & \"y\"", Unit::Plain),
        Axis::new("twenty decades", Unit::Named("items".into())).log(),
    )
    .series("one <b>&", odd)
    .series("single point", [Point::new(4.0, 1.0).band(0.01, 100.0)])
    .render(
        &Frame::new("Zeros, negatives and infinities leave gaps & are counted <below>")
            .caption("made-up data"),
        palette,
    )
}
