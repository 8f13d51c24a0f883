//! Where everything of a figure goes: title, caption, panels with shared axes, labels, legend, notes. Invariant:
//! text never lies on data, and the height follows from what must fit, so nothing is squeezed away. It does not
//! know the kinds of chart.

use crate::axis::{Extent, Fit, Resolved};
use crate::colormap::ColorScale;
use crate::figure::Frame;
use crate::fonts::{fit, width, wrap};
use crate::names::{self, NameLabels};
use crate::palette::{GRID, INK, MUTED, Palette};
use crate::panel::{Canvas, Facet, Grid, Key, LeftOut, Need};
use crate::scene::{Area, Scene, Side, Text, at};
use crate::{legend, mark};

/// Sizes of text in logical pixels.
pub(crate) const TITLE: f64 = 17.0;
pub(crate) const CAPTION: f64 = 12.0;
pub(crate) const LABEL: f64 = 12.0;
pub(crate) const TICK: f64 = 11.5;
pub(crate) const NOTE: f64 = 11.0;
/// Room round the figure.
pub(crate) const PAD: f64 = 16.0;
/// The right margin at least: half of a centered tick label must fit ("64 MiB").
const RIGHT: f64 = 30.0;
const GAP_ACROSS: f64 = 26.0;
const GAP_DOWN: f64 = 18.0;
const FACET_NAME: f64 = 20.0;
/// Share of the width that names at line ends may take from the panel.
const MOST_BESIDE: f64 = 0.35;
/// More panels than this are not drawn: nobody compares them by eye, and the picture would not fit in memory.
pub(crate) const MOST_PANELS: usize = 36;
/// All rows of panels together, in logical pixels.
const HIGHEST: f64 = 2400.0;

/// A drawing and what it could not show.
pub(crate) struct Drawing {
    pub(crate) scene: Scene,
    pub(crate) notes: Vec<String>,
}

/// Everything that is known before the first shape is drawn.
struct Plan<'a> {
    frame: &'a Frame,
    palette: &'a Palette,
    facets: &'a [Facet<'a>],
    columns: usize,
    width: f64,
    panel: (f64, f64),
    left: f64,
    top: f64,
    x: Resolved,
    y: Resolved,
    x_names: Option<NameLabels>,
    colors: Option<ColorScale>,
    keys: Vec<Key>,
    direct: bool,
    title: Vec<String>,
    caption: Vec<String>,
}

/// Draws the panels of a figure, left to right and top to bottom; notes that `more_panels` are not drawn.
pub(crate) fn compose(
    frame: &Frame,
    palette: &Palette,
    facets: &[Facet<'_>],
    more_panels: usize,
    columns: Option<usize>,
) -> Drawing {
    let keys = keys_of(facets);
    let names: Vec<String> = facets.iter().flat_map(|facet| facet.panel.names()).collect();
    let palette = &palette.completed(names.iter().map(String::as_str));
    let plan = plan(frame, palette, facets, keys, columns);
    let mut scene = Scene { width: plan.width, ..Scene::default() };
    draw_head(&plan, &mut scene);
    let mut left_out = LeftOut::default();
    for (number, facet) in facets.iter().enumerate() {
        left_out.add(draw_panel(&plan, &mut scene, number, facet));
    }
    if let Some(colors) = &plan.colors {
        legend::color_bar(&mut scene, &plan.area(plan.columns - 1), colors);
    }
    if plan.direct {
        legend::at_line_ends(&mut scene, &plan.area(0), &facets[0], (&plan.x, &plan.y), palette);
    }
    let mut notes = notes_of(facets, &plan.y, &left_out);
    if more_panels > 0 {
        notes.push(format!("{more_panels} more panels are not drawn"));
    }
    draw_foot(&plan, &mut scene, &notes);
    Drawing { scene, notes }
}

fn plan<'a>(
    frame: &'a Frame,
    palette: &'a Palette,
    facets: &'a [Facet<'a>],
    keys: Vec<Key>,
    columns: Option<usize>,
) -> Plan<'a> {
    let columns = columns_of(facets.len(), columns);
    let width = f64::from(frame.width.unwrap_or(if columns > 2 { 1100 } else { 860 }).clamp(320, 1600));
    let usual = match facets {
        [only] => only.panel.usual_height(),
        _ => 180.0,
    };
    let high = frame.panel_height.map_or(usual, |height| f64::from(height.clamp(80, 800)));
    let high = high.min(HIGHEST / facets.len().div_ceil(columns) as f64);
    let inner = width - 2.0 * PAD;
    let title = wrap(&frame.title, inner, TITLE, true, 2);
    let caption = wrap(&frame.caption, inner, CAPTION, false, 2);
    let colors = color_scale(facets);
    let y = y_axis(facets, high);
    let left = PAD + names::y_width(&y) + 8.0;
    let right = right_margin(facets, colors.as_ref(), &keys, (width, high));
    let gaps = GAP_ACROSS * (columns as f64 - 1.0);
    let wide = ((width - left - right.width - gaps) / columns as f64).max(40.0);
    let x = x_axis(facets, wide);
    let direct = right.direct && legend::ends_at_the_right(facets[0].panel, &x, &y);
    let (wide, x) = if right.direct && !direct {
        let wide = width - left - RIGHT;
        (wide, x_axis(facets, wide))
    } else {
        (wide, x)
    };
    let x_names = x.slots.is_some().then(|| names::x_labels(&x, wide));
    let head = title.len() as f64 * 22.0 + caption.len() as f64 * 16.0;
    let top = PAD + head + 8.0 + if y.title.is_empty() { 4.0 } else { 27.0 };
    let panel = (wide, high);
    Plan {
        frame,
        palette,
        facets,
        columns,
        width,
        panel,
        left,
        top,
        x,
        y,
        x_names,
        colors,
        keys,
        direct,
        title,
        caption,
    }
}

fn columns_of(panels: usize, wish: Option<usize>) -> usize {
    let usual = match panels {
        0..=3 => panels,
        4 => 2,
        _ => 3,
    };
    wish.unwrap_or(usual).clamp(1, panels.clamp(1, 6))
}

impl Plan<'_> {
    fn named(&self) -> bool {
        self.facets.len() > 1 || self.facets.iter().any(|facet| !facet.name.is_empty())
    }
    fn rows(&self) -> usize {
        self.facets.len().div_ceil(self.columns)
    }
    fn row_height(&self) -> f64 {
        self.panel.1 + GAP_DOWN + if self.named() { FACET_NAME } else { 0.0 }
    }
    fn area(&self, number: usize) -> Area {
        let (column, row) = (number % self.columns, number / self.columns);
        let name = if self.named() { FACET_NAME } else { 0.0 };
        let left = self.left + column as f64 * (self.panel.0 + GAP_ACROSS);
        let top = self.top + row as f64 * self.row_height() + name;
        Area::new(left, top, self.panel.0, self.panel.1)
    }
    /// Whether no panel stands below this one.
    fn is_lowest(&self, number: usize) -> bool {
        number + self.columns >= self.facets.len()
    }
    /// The bottom of the lowest panels.
    fn bottom(&self) -> f64 {
        self.area((self.rows() - 1) * self.columns).bottom()
    }
}

struct RightMargin {
    width: f64,
    direct: bool,
}

fn right_margin(
    facets: &[Facet<'_>],
    colors: Option<&ColorScale>,
    keys: &[Key],
    (wide, high): (f64, f64),
) -> RightMargin {
    if let Some(colors) = colors {
        return RightMargin { width: legend::bar_width(colors), direct: false };
    }
    let ends = if facets.len() == 1 { facets[0].panel.ends() } else { Vec::new() };
    let fits = !keys.is_empty() && keys.len() as f64 * legend::LINE <= high && ends.len() == keys.len();
    let widest = keys.iter().map(|key| width(&key.name, LABEL, false)).fold(0.0, f64::max);
    let beside = legend::DIRECT_BEFORE + widest + PAD;
    if fits && widest <= legend::DIRECT_NAME && beside <= wide * MOST_BESIDE {
        return RightMargin { width: beside, direct: true };
    }
    RightMargin { width: RIGHT, direct: false }
}

fn keys_of(facets: &[Facet<'_>]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for key in facets.iter().flat_map(|facet| facet.panel.keys()) {
        if !key.name.trim().is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn color_scale(facets: &[Facet<'_>]) -> Option<ColorScale> {
    let all: Vec<_> = facets.iter().filter_map(|facet| facet.panel.colors()).collect();
    let mut extent = Extent::default();
    all.iter().for_each(|(_, of_one, _)| extent.merge(of_one));
    all.first().map(|(axis, _, map)| ColorScale::of(axis, &extent, *map))
}

fn x_axis(facets: &[Facet<'_>], wide: f64) -> Resolved {
    let mut extent = Extent::default();
    facets.iter().for_each(|facet| extent.merge(&facet.panel.extents().0));
    match facets[0].panel.needs().0 {
        Need::Names(title, _) => {
            let needs = facets.iter().map(|facet| facet.panel.needs().0);
            Resolved::of_names(title, united(needs))
        }
        Need::Numbers(axis, how) => {
            let most = (wide / 70.0).clamp(1.0, 10.0) as usize;
            let all = (1..=most).rev().map(|wanted| Resolved::of(&axis, &extent, how, wanted));
            let roomy = |axis: &Resolved| names::ticks_fit(axis, wide);
            let mut all = all.peekable();
            let fewest = || Resolved::of(&axis, &extent, how, 1);
            all.find(roomy).unwrap_or_else(fewest)
        }
    }
}

fn y_axis(facets: &[Facet<'_>], high: f64) -> Resolved {
    let mut extent = Extent::default();
    facets.iter().for_each(|facet| extent.merge(&facet.panel.extents().1));
    match facets[0].panel.needs().1 {
        Need::Names(title, _) => {
            let needs = facets.iter().map(|facet| facet.panel.needs().1);
            Resolved::of_names(title, united(needs))
        }
        Need::Numbers(axis, how) => {
            Resolved::of(&axis, &extent, how, (high / 45.0).clamp(2.0, 10.0) as usize)
        }
    }
}

/// The names of all panels, each once, in the order met.
fn united(needs: impl Iterator<Item = Need>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for need in needs {
        let Need::Names(_, more) = need else { continue };
        for name in more {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn draw_head(plan: &Plan<'_>, scene: &mut Scene) {
    let mut y = PAD;
    for line in &plan.title {
        scene.text(Text::new(line, at(PAD, y + 11.0), TITLE, INK).bold());
        y += 22.0;
    }
    for line in &plan.caption {
        scene.text(Text::new(line, at(PAD, y + 9.0), CAPTION, MUTED));
        y += 16.0;
    }
    let title = fit(&plan.y.title, plan.width - 2.0 * PAD, LABEL, false);
    if !title.is_empty() {
        scene.text(Text::new(title, at(PAD, y + 18.0), LABEL, INK));
    }
}

fn draw_panel(plan: &Plan<'_>, scene: &mut Scene, number: usize, facet: &Facet<'_>) -> LeftOut {
    let area = plan.area(number);
    if plan.named() {
        let name = fit(facet.name, area.width, LABEL, true);
        scene.text(Text::new(name, at(area.left, area.top - 10.0), LABEL, INK).bold());
    }
    draw_grid(plan, scene, &area, facet.panel.grid());
    draw_axes(plan, scene, &area, number);
    if facet.panel.is_empty() {
        scene.text(Text::new("no data", area.middle(), 15.0, MUTED).across(Side::Middle));
    }
    let mut canvas = Canvas {
        area,
        x: &plan.x,
        y: &plan.y,
        colors: plan.colors.as_ref(),
        palette: plan.palette,
        scene,
        labels_left_out: 0,
    };
    facet.panel.draw(&mut canvas);
    let labels = canvas.labels_left_out;
    let counted = facet.panel.left_out(&plan.x, &plan.y);
    LeftOut { labels: counted.labels + labels, ..counted }
}

fn draw_grid(plan: &Plan<'_>, scene: &mut Scene, area: &Area, grid: Grid) {
    let stroke = mark::thin(GRID);
    if grid != Grid::None {
        for tick in &plan.y.ticks {
            let y = area.bottom() - tick.position * area.height;
            scene.line(at(area.left, y), at(area.right(), y), stroke);
        }
    }
    if grid == Grid::Both {
        for tick in &plan.x.ticks {
            let x = area.left + tick.position * area.width;
            scene.line(at(x, area.top), at(x, area.bottom()), stroke);
        }
    }
}

fn draw_axes(plan: &Plan<'_>, scene: &mut Scene, area: &Area, number: usize) {
    let corner = at(area.left, area.bottom());
    scene.line(corner, at(area.right(), area.bottom()), mark::thin(MUTED));
    scene.line(at(area.left, area.top), corner, mark::thin(MUTED));
    if number.is_multiple_of(plan.columns) {
        names::draw_y(scene, &plan.y, area);
    }
    if plan.is_lowest(number) {
        match &plan.x_names {
            Some(labels) => labels.draw(scene, &plan.x, area),
            None => names::draw_x(scene, &plan.x, area),
        }
    }
}

fn notes_of(facets: &[Facet<'_>], y: &Resolved, left_out: &LeftOut) -> Vec<String> {
    let mut notes = Vec::new();
    let empty = facets.iter().filter(|facet| facet.panel.is_empty()).count();
    if empty > 0 {
        notes.push(if facets.len() == 1 {
            "no data".to_owned()
        } else {
            format!("no data in {empty} panels")
        });
    }
    notes.extend(left_out.notes());
    // Heights invite comparison; points of a scatter and rows of a heat map do not.
    let compares_heights = matches!(facets[0].panel.needs().1, Need::Numbers(_, Fit::Ticks));
    if compares_heights && y.is_linear_above_zero() {
        notes.push("the vertical axis does not start at zero".to_owned());
    }
    notes
}

/// Title of the x axis, legend and notes; then the height of the figure is known.
fn draw_foot(plan: &Plan<'_>, scene: &mut Scene, notes: &[String]) {
    let mut y = plan.bottom() + plan.x_names.as_ref().map_or(22.0, |labels| labels.height + 6.0);
    if !plan.x.title.is_empty() {
        let limit = plan.width - plan.left - PAD;
        let title = fit(&plan.x.title, limit, LABEL, false);
        let right = plan.area(plan.columns.min(plan.facets.len()) - 1).right();
        let middle = (plan.left + right) / 2.0;
        scene.text(Text::new(title, at(middle, y + 9.0), LABEL, INK).across(Side::Middle));
        y += 20.0;
    }
    if !plan.direct && !plan.keys.is_empty() {
        let room = Area::new(plan.left, y + 6.0, plan.width - plan.left - PAD, 0.0);
        y = legend::below(scene, &room, &plan.keys, &plan.frame.legend, plan.palette);
    }
    for line in
        notes.iter().flat_map(|note| wrap(&format!("Note: {note}"), plan.width - 2.0 * PAD, NOTE, false, 2))
    {
        scene.text(Text::new(line, at(PAD, y + 10.0), NOTE, MUTED));
        y += 15.0;
    }
    scene.height = y + PAD * 0.75;
}
