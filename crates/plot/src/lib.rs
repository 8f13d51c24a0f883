//! Figures by plotters with an embedded font: lines, bars, heat maps, scatter, as SVG and PNG. Knows nothing of volumes.
