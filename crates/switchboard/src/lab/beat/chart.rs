//! The chart: for each trace a panel, detection time to the right, false alarms upwards, a curve for each detector: the lower
//! and the further left, the better. Colours are those of Okabe and Ito; forms differ as well. Absent: files.

use switchboard_probe::beat::Method;

use super::curve::{Curve, Point};
use super::{Measured, Panel};
use crate::picture::{Anchor, Colour, Form, Pen, Picture, Shape, Spot, Type, at};

const INK: Colour = Colour(30, 30, 30);
const FAINT: Colour = Colour(95, 95, 95);
const GRID: Colour = Colour(226, 226, 226);
const AXIS: Colour = Colour(120, 120, 120);

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 86.0;
const TOP: f64 = 152.0;
const ACROSS: f64 = WIDTH + 56.0;
const DOWN: f64 = HEIGHT + 86.0;
/// Detection times of the axis, in intervals.
const DETECTION_MIN: f64 = 1.0;
const DETECTION_MAX: u8 = 12;
/// Powers of ten of the other axis, false alarms of a million beats.
const ALARMS_MIN: i32 = -1;
const ALARMS_MAX: i32 = 5;

/// Draws it.
pub(crate) fn draw(measured: &Measured) -> Picture {
    let mut shapes = headline(measured);
    shapes.extend(legend());
    for (place, panel) in (0_u8..).zip(&measured.panels) {
        let left = LEFT + f64::from(place % 2) * ACROSS;
        let top = TOP + f64::from(place / 2) * DOWN;
        let field = Field { left, top };
        shapes.extend(field.frame(panel, place % 2 == 0));
        shapes.extend(panel.curves.iter().flat_map(|curve| field.curve(curve)));
    }
    let rows = u32::try_from(measured.panels.len().div_ceil(2)).unwrap_or(1);
    Picture {
        width: 1_220,
        height: 160 + rows * 386,
        title: "Detection time against false alarms of three failure detectors".to_owned(),
        description: description(measured),
        shapes,
    }
}

/// Where one panel stands.
#[derive(Clone, Copy, Debug)]
struct Field {
    left: f64,
    top: f64,
}

impl Field {
    fn x(self, detection: f64) -> f64 {
        let share = (detection - DETECTION_MIN) / (f64::from(DETECTION_MAX) - DETECTION_MIN);
        self.left + share.clamp(0.0, 1.0) * WIDTH
    }

    fn y(self, per_million: f64) -> f64 {
        let (low, high) = (f64::from(ALARMS_MIN), f64::from(ALARMS_MAX));
        let share = (per_million.log10() - low) / (high - low);
        self.top + (1.0 - share.clamp(0.0, 1.0)) * HEIGHT
    }

    fn frame(self, panel: &Panel, first: bool) -> Vec<Shape> {
        let (right, bottom) = (self.left + WIDTH, self.top + HEIGHT);
        let line = |from, to| Shape::Line { through: vec![from, to], pen: pen(GRID, 1.0) };
        let mut shapes = vec![text(
            at(self.left, self.top - 12.0),
            &format!("{} ({} beats)", panel.title, panel.sent),
            13.0,
            INK,
            Anchor::Start,
            true,
        )];
        for interval in 1..=DETECTION_MAX {
            let x = self.x(f64::from(interval));
            shapes.push(line(at(x, self.top), at(x, bottom)));
            shapes.push(text(at(x, bottom + 17.0), &interval.to_string(), 11.0, INK, Anchor::Middle, false));
        }
        for power in ALARMS_MIN..=ALARMS_MAX {
            let value = 10_f64.powi(power);
            let y = self.y(value);
            shapes.push(line(at(self.left, y), at(right, y)));
            shapes.push(text(
                at(self.left - 8.0, y + 4.0),
                &value.to_string(),
                11.0,
                INK,
                Anchor::End,
                false,
            ));
        }
        let corners = [
            at(self.left, self.top),
            at(right, self.top),
            at(right, bottom),
            at(self.left, bottom),
            at(self.left, self.top),
        ];
        shapes.push(Shape::Line { through: corners.to_vec(), pen: pen(AXIS, 1.0) });
        let below = "intervals within which 99 of 100 ends are found";
        shapes.push(text(
            at(self.left + WIDTH / 2.0, bottom + 36.0),
            below,
            12.0,
            FAINT,
            Anchor::Middle,
            false,
        ));
        if first {
            let style =
                Type { size: 12.0, colour: FAINT, anchor: Anchor::Middle, bold: false, upright: true };
            let place = at(self.left - 62.0, self.top + HEIGHT / 2.0);
            shapes.push(Shape::Text { place, text: "false alarms of a million beats".to_owned(), style });
        }
        shapes
    }

    /// The curve down to its last false alarm; where there was none, nothing is known.
    fn curve(self, curve: &Curve) -> Vec<Shape> {
        let (colour, form) = look(curve.method);
        let shown = |point: &&Point| {
            point.false_alarms > 0
                && point.detection_p99 <= f64::from(DETECTION_MAX)
                && point.per_million <= 1e5
        };
        let points: Vec<&Point> = curve.points.iter().filter(shown).collect();
        let place = |point: &Point| at(self.x(point.detection_p99), self.y(point.per_million));
        let mut shapes = vec![Shape::Line {
            through: points.iter().map(|point| place(point)).collect(),
            pen: pen(colour, 2.0),
        }];
        let whole = points.iter().filter(|point| (point.detection_p99 * 2.0).fract() < 1e-6);
        shapes.extend(whole.map(|point| Shape::Mark {
            place: place(point),
            form,
            radius: 4.0,
            colour,
            note: note(curve.method, point),
        }));
        shapes
    }
}

fn headline(measured: &Measured) -> Vec<Shape> {
    let title = "How soon a dead host is found, against how often a living one is called dead";
    let subject = format!(
        "three detectors on the same beats (seed {}), delays in intervals; further left is sooner, lower is more reliable; a curve ends where its trace \
         knows no rarer false alarm",
        measured.seed
    );
    let scale = "at a beat a second a month has 2.6 million beats: a host at 1 of a million has a false alarm about every twelve days";
    vec![
        text(at(24.0, 38.0), title, 20.0, INK, Anchor::Start, true),
        text(at(24.0, 62.0), &subject, 13.0, FAINT, Anchor::Start, false),
        text(at(24.0, 81.0), scale, 13.0, FAINT, Anchor::Start, false),
    ]
}

fn legend() -> Vec<Shape> {
    let mut shapes = Vec::new();
    let words = ["NFD-E (expected arrivals of the last 32 beats)", "fixed time-out", "phi-accrual"];
    let methods = [Method::Expected, Method::TimeOut, Method::Accrual];
    let mut x = 24.0;
    for ((words, method), width) in words.into_iter().zip(methods).zip([390.0, 170.0, 0.0]) {
        let (colour, form) = look(method);
        let y = 108.0;
        shapes.push(Shape::Line { through: vec![at(x, y), at(x + 26.0, y)], pen: pen(colour, 2.0) });
        let place = at(x + 13.0, y);
        shapes.push(Shape::Mark { place, form, radius: 4.0, colour, note: String::new() });
        shapes.push(text(at(x + 34.0, y + 4.5), words, 13.0, INK, Anchor::Start, false));
        x += width;
    }
    shapes
}

fn look(method: Method) -> (Colour, Form) {
    match method {
        Method::Expected => (Colour(0, 114, 178), Form::Disc),
        Method::TimeOut => (Colour(213, 94, 0), Form::Square),
        Method::Accrual => (Colour(0, 130, 95), Form::Diamond),
    }
}

fn note(method: Method, point: &Point) -> String {
    let Point { margin, detection_mean, detection_p99, per_million, .. } = point;
    format!(
        "{}, margin {margin:.2}: found within {detection_p99:.1} intervals ({detection_mean:.2} on average), {per_million:.2} false alarms \
         of a million beats",
        method.name()
    )
}

fn description(measured: &Measured) -> String {
    let of = |panel: &Panel| {
        let ends = panel.curves.iter().filter_map(|curve| {
            let detection = curve.detection_at(10.0)?;
            Some(format!("{} {detection:.1} intervals", curve.method.name()))
        });
        format!("{}: {}", panel.title, ends.collect::<Vec<_>>().join(", "))
    };
    let panels: Vec<String> = measured.panels.iter().map(of).collect();
    format!("Detection at 10 false alarms of a million beats. {}.", panels.join(". "))
}

fn pen(colour: Colour, width: f64) -> Pen {
    Pen { colour, width, dashed: false }
}

fn text(place: Spot, words: &str, size: f64, colour: Colour, anchor: Anchor, bold: bool) -> Shape {
    let style = Type { size, colour, anchor, bold, upright: false };
    Shape::Text { place, text: words.to_owned(), style }
}
