//! The chart of a table as an SVG file: the error and the recall over the bytes per row.

use std::ffi::OsStr;
use std::fmt::Display;
use std::ops::Range;
use std::path::Path;

use plotters::chart::{MeshStyle, SeriesLabelStyle};
use plotters::coord::Shift;
use plotters::coord::combinators::WithKeyPoints;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use vecodec::NewFile;

use super::table::Row;
use crate::error::{CliError, Result};
use crate::numbers::number;

const FONT: &str = "sans-serif";
const SIZE: (u32, u32) = (1080, 480);
/// The kinds of codes, with their names in the legend and their colours.
const SERIES: [(&str, &str, RGBColor); 2] = [
    ("int8", "int8 (8-bit codes)", RGBColor(0xd5, 0x5e, 0x00)),
    ("bits", "bits (bit codes)", RGBColor(0x00, 0x72, 0xb2)),
];
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Fails if the path of the chart does not end with .svg.
pub fn check_name(path: &Path) -> Result<()> {
    match path.extension().and_then(OsStr::to_str) {
        Some(extension) if extension.eq_ignore_ascii_case("svg") => Ok(()),
        _ => Err(CliError::file(path, "the plot is written as SVG: name it .svg")),
    }
}

/// Draws the results and writes the file in one step.
pub fn write(path: &Path, title: &str, results: &[Row], keep: f64) -> Result<()> {
    let svg = draw(title, results, keep)
        .map_err(|e| CliError::file(path, format!("the plot cannot be drawn: {e}")))?;
    let mut file = NewFile::create(path)?;
    file.append(svg.as_bytes())?;
    Ok(file.finish()?)
}

type Drawn<T = ()> = std::result::Result<T, String>;

fn failed(error: impl Display) -> String {
    error.to_string()
}

fn draw(title: &str, results: &[Row], keep: f64) -> Drawn<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let area = area.margin(8, 0, 0, 0);
        let area = area.titled(title, (FONT, 20).into_font().color(&TEXT)).map_err(failed)?;
        let (left, right) = area.split_horizontally(SIZE.0 / 2);
        draw_error(&left, results)?;
        draw_recall(&right, results, keep)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn draw_error(area: &Area<'_>, results: &[Row]) -> Drawn {
    let series = |codes| {
        let points = results.iter().filter(move |row| row.codes == codes);
        let points = points.map(|row| (row.bytes_per_row as f64, row.relative_mse));
        // A logarithmic axis cannot show an error of 0.
        points.filter(|(_, error)| *error > 0.0 && error.is_finite())
    };
    let errors = || SERIES.iter().flat_map(|(codes, ..)| series(*codes)).map(|(_, error)| error);
    let range = match (errors().reduce(f64::min), errors().reduce(f64::max)) {
        (Some(min), Some(max)) => min / 1.3..10f64.powf(max.log10().ceil()),
        _ => 1e-3..1.0,
    };
    let ticks = decimal_ticks(&range);
    let mut chart = builder(area)
        .build_cartesian_2d(bytes_axis(results), range.log_scale().with_key_points(ticks))
        .map_err(failed)?;
    mesh(&mut chart.configure_mesh(), "relative MSE", &error_label)?;
    for (codes, name, color) in SERIES {
        let line = LineSeries::new(series(codes), stroke(color)).point_size(4);
        let drawn = chart.draw_series(line).map_err(failed)?;
        drawn.label(name).legend(move |at| sample(at, color));
    }
    legend(&mut chart.configure_series_labels(), SeriesLabelPosition::LowerLeft)
}

fn draw_recall(area: &Area<'_>, results: &[Row], keep: f64) -> Drawn {
    let least = results.iter().map(|row| row.recall_at_10).fold(keep, f64::min);
    let range = ((least * 10.0).floor() / 10.0).min(0.9)..1.0;
    let bytes = bytes_range(results);
    let mut chart = builder(area).build_cartesian_2d(bytes_axis(results), range).map_err(failed)?;
    mesh(&mut chart.configure_mesh(), "recall@10", &recall_label)?;
    for (codes, name, color) in SERIES {
        let points = results.iter().filter(|row| row.codes == codes);
        let points = points.map(|row| (row.bytes_per_row as f64, row.recall_at_10));
        let line = LineSeries::new(points, stroke(color)).point_size(4);
        let drawn = chart.draw_series(line).map_err(failed)?;
        drawn.label(name).legend(move |at| sample(at, color));
    }
    let line = [(bytes.start, keep), (bytes.end, keep)].into_iter();
    let line = DashedLineSeries::new(line, 6, 4, TEXT.stroke_width(1));
    let drawn = chart.draw_series(line).map_err(failed)?;
    drawn
        .label(format!("--keep {keep}"))
        .legend(|(x, y)| DashedPathElement::new([(x, y), (x + 24, y)], 6, 4, TEXT.stroke_width(1)));
    legend(&mut chart.configure_series_labels(), SeriesLabelPosition::LowerRight)
}

fn builder<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).margin_right(24).x_label_area_size(48).y_label_area_size(70);
    builder
}

/// Axes, labels and a grid.
fn mesh<'a, X, Y>(
    style: &mut MeshStyle<'a, '_, X, Y, SVGBackend<'_>>,
    name: &str,
    label: &'a dyn Fn(&f64) -> String,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    style
        .x_desc("bytes per row")
        .y_desc(name)
        .x_label_formatter(&|bytes| number(*bytes, 0))
        .y_label_formatter(label)
        .label_style((FONT, 13, &TEXT))
        .axis_desc_style((FONT, 15, &TEXT))
        .axis_style(TEXT)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)
}

fn legend<'a, X, Y>(
    style: &mut SeriesLabelStyle<'a, '_, SVGBackend<'a>, Cartesian2d<X, Y>>,
    position: SeriesLabelPosition,
) -> Drawn
where
    X: Ranged,
    Y: Ranged,
{
    style
        .position(position)
        .margin(10)
        .legend_area_size(34)
        .background_style(WHITE)
        .border_style(GRID)
        .label_font((FONT, 14, &TEXT))
        .draw()
        .map_err(failed)
}

/// A piece of a series' line, for the legend.
fn sample((x, y): (i32, i32), color: RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new([(x, y), (x + 24, y)], stroke(color))
}

fn stroke(color: RGBColor) -> ShapeStyle {
    color.filled().stroke_width(2)
}

fn bytes_range(results: &[Row]) -> Range<f64> {
    let bytes = || results.iter().map(|row| row.bytes_per_row as f64);
    bytes().fold(f64::MAX, f64::min) / 1.2..bytes().fold(1.0, f64::max) * 1.2
}

/// A logarithmic axis with a tick at each power of two.
fn bytes_axis(results: &[Row]) -> WithKeyPoints<LogCoord<f64>> {
    let range = bytes_range(results);
    let powers = (0..53).map(|power| f64::from(power).exp2());
    let ticks = powers.filter(|power| range.contains(power)).collect();
    range.log_scale().with_key_points(ticks)
}

/// Ticks of a logarithmic axis: powers of ten. A short axis also has 2 and 5 times the powers.
fn decimal_ticks(range: &Range<f64>) -> Vec<f64> {
    let steps: &[f64] = if range.end / range.start > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let powers = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let ticks = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    ticks.filter(|tick| (range.start..=range.end).contains(tick)).collect()
}

fn error_label(error: &f64) -> String {
    if *error < 0.1 { format!("{error:.0e}") } else { format!("{error:.1}") }
}

fn recall_label(recall: &f64) -> String {
    // The ticks are sums, which may miss 0 by a rounding error.
    number((recall * 100.0).round() / 100.0, 2)
}
