//! The chart: for each case a column, time above and attempts below, what was measured over what theory expects. Colours are
//! those of Okabe and Ito, which people who do not see some colours can tell apart; forms differ as well. Absent: files.

mod panel;
mod words;

use std::collections::BTreeSet;

use super::experiment::{Measured, Point, Theory};
use super::quantity::{Case, Loss};
use super::statistics::Spread;
use crate::picture::scale::Scale;
use crate::picture::{Anchor, Colour, Form, Pen, Picture, Shape, Spot, Type, at};
use panel::Panel;

const INK: Colour = Colour(30, 30, 30);
const FAINT: Colour = Colour(95, 95, 95);
const THEORY: Colour = Colour(90, 90, 90);
const ADAPTIVE: Colour = Colour(0, 114, 178);
const FIXED: Colour = Colour(213, 94, 0);
const SOCKETS: Colour = Colour(0, 0, 0);

const LEFT: f64 = 78.0;
const COLUMN: f64 = 352.0;
const GAP: f64 = 22.0;
/// Tops of the two rows, and how high a panel is.
const TIME_TOP: f64 = 186.0;
const ATTEMPTS_TOP: f64 = 506.0;
const PANEL: f64 = 300.0;
/// Where the legend stands, and the name of the axis.
const LEGEND: f64 = 110.0;
const AXIS_TOP: f64 = ATTEMPTS_TOP + PANEL + 42.0;
/// How opaque the band is.
const BAND: f64 = 0.18;

/// Draws it.
pub(crate) fn draw(measured: &Measured) -> Picture {
    let mut shapes = headline(measured);
    shapes.extend(legend(measured));
    let loss_max = measured.points.iter().map(|point| point.loss).max().unwrap_or(Loss::NONE);
    let times = measured.points.iter().flat_map(time_values);
    let time_scale = Scale::around(times);
    let counts = measured.points.iter().flat_map(attempt_values);
    let attempt_scale = Scale::around(counts);
    for (column, case) in (0_u8..).zip(Case::ALL) {
        let left = LEFT + f64::from(column) * (COLUMN + GAP);
        let panel = |top, scale| Panel { left, top, width: COLUMN, height: PANEL, loss_max, scale };
        let points: Vec<&Point> = measured.of(case).collect();
        let (above, below) = (panel(TIME_TOP, time_scale), panel(ATTEMPTS_TOP, attempt_scale));
        shapes.extend(above.frame());
        shapes.extend(below.frame());
        shapes.extend(above.thresholds());
        shapes.extend(below.losses());
        if column == 0 {
            shapes.extend(above.values("seconds until it is done"));
            shapes.extend(below.values("attempts"));
        }
        shapes.push(text(
            at(left + COLUMN / 2.0, TIME_TOP - 32.0),
            case.title(),
            15.0,
            INK,
            Anchor::Middle,
            true,
        ));
        shapes.extend(times_of(measured, &above, &points));
        shapes.extend(attempts_of(&below, &points));
    }
    Picture {
        width: 1200,
        height: 930,
        title: words::finding(measured),
        description: words::description(measured),
        shapes,
    }
}

fn headline(measured: &Measured) -> Vec<Shape> {
    let faint = |y, words: &str, size| text(at(24.0, y), words, size, FAINT, Anchor::Start, false);
    let mut shapes = vec![text(at(24.0, 38.0), &words::finding(measured), 20.0, INK, Anchor::Start, true)];
    let subject = words::subject(measured);
    shapes.extend(
        (0_u8..).zip(&subject).map(|(line, words)| faint(63.0 + 19.0 * f64::from(line), words, 13.0)),
    );
    let middle = LEFT + COLUMN * 1.5 + GAP;
    let axis = "share of messages lost";
    shapes.push(text(at(middle, AXIS_TOP), axis, 13.0, INK, Anchor::Middle, false));
    let threshold = "above the columns: the threshold T of a generator that drops a message when a number drawn from 0 to 99 \
                     exceeds T, so that 1 - (T + 1) / 100 is lost";
    shapes.push(text(at(middle, AXIS_TOP + 19.0), threshold, 11.0, FAINT, Anchor::Middle, false));
    let conditions = words::conditions(measured);
    shapes.extend(
        (0_u8..)
            .zip(&conditions)
            .map(|(line, words)| faint(AXIS_TOP + 50.0 + 16.0 * f64::from(line), words, 11.0)),
    );
    shapes
}

fn legend(measured: &Measured) -> Vec<Shape> {
    let mut shapes = Vec::new();
    let mut x = 24.0;
    let mut entry = |drawn: Vec<Shape>, words: &str, width: f64| {
        shapes.extend(drawn);
        shapes.push(text(at(x + 34.0, LEGEND + 4.5), words, 13.0, INK, Anchor::Start, false));
        x += width;
    };
    let rule = |left: f64, pen| Shape::Line { through: vec![at(left, LEGEND), at(left + 26.0, LEGEND)], pen };
    let sample = |left: f64, form, colour| mark(at(left + 13.0, LEGEND), form, colour, String::new());
    entry(vec![rule(24.0, solid(THEORY))], "theory", 105.0);
    entry(
        vec![rule(129.0, solid(FIXED)), sample(129.0, Form::Square, FIXED)],
        "sends again every second",
        232.0,
    );
    let (top, bottom) = (LEGEND - 7.0, LEGEND + 7.0);
    let band = vec![at(361.0, top), at(387.0, top), at(387.0, bottom), at(361.0, bottom)];
    let band = Shape::Surface { corners: band, colour: ADAPTIVE, opacity: BAND };
    let ours = vec![band, rule(361.0, solid(ADAPTIVE)), sample(361.0, Form::Disc, ADAPTIVE)];
    entry(ours, "Switchboard: RFC 6298 estimate, doubling to 1 s (mean; band p10 to p90)", 547.0);
    if measured.plan.sockets.is_some() {
        let sockets = vec![rule(908.0, dashed(SOCKETS)), sample(908.0, Form::Diamond, SOCKETS)];
        entry(sockets, "Switchboard on real sockets", 0.0);
    }
    shapes
}

fn times_of(measured: &Measured, panel: &Panel, points: &[&Point]) -> Vec<Shape> {
    let adaptive = |point: &Point| point.simulated.adaptive.seconds;
    let upper = points.iter().map(|point| panel.place(point.loss, adaptive(point).p90));
    let lower = points.iter().rev().map(|point| panel.place(point.loss, adaptive(point).p10));
    let corners = upper.chain(lower).collect();
    let round_trip_us = measured.plan.round_trip_us;
    let theory = |round_trip_us| move |case, loss| Theory::of(case, loss, round_trip_us);
    let ours = theory(round_trip_us);
    let mut shapes = vec![
        Shape::Surface { corners, colour: ADAPTIVE, opacity: BAND },
        curve(panel, points, solid(FIXED), |case, loss| ours(case, loss).fixed_s),
        curve(panel, points, solid(ADAPTIVE), |case, loss| ours(case, loss).adaptive_s),
    ];
    if let Some(round_trip_us) = measured.socket_round_trip_us() {
        let on_sockets = theory(round_trip_us);
        let tried: Vec<&Point> = points.iter().copied().filter(|point| point.sockets.is_some()).collect();
        shapes.push(curve(panel, &tried, dashed(SOCKETS), |case, loss| on_sockets(case, loss).adaptive_s));
    }
    for point in points {
        let place = |value| panel.place(point.loss, value);
        let fixed = point.simulated.fixed.seconds;
        shapes.push(mark(place(fixed.mean), Form::Square, FIXED, note(point, "every second", &fixed, "s")));
        let ours = adaptive(point);
        shapes.push(mark(place(ours.mean), Form::Disc, ADAPTIVE, note(point, "Switchboard", &ours, "s")));
        if let Some(found) = &point.sockets {
            let seconds = found.summary.seconds;
            shapes.push(mark(
                place(seconds.mean),
                Form::Diamond,
                SOCKETS,
                note(point, "sockets", &seconds, "s"),
            ));
        }
    }
    shapes
}

fn attempts_of(panel: &Panel, points: &[&Point]) -> Vec<Shape> {
    let expected = |case, loss| Theory::of(case, loss, 0).attempts;
    let mut shapes = vec![curve(panel, points, solid(THEORY), expected)];
    for point in points {
        let place = |value| panel.place(point.loss, value);
        let (fixed, ours) = (point.simulated.fixed.attempts, point.simulated.adaptive.attempts);
        shapes.push(mark(
            place(fixed.mean),
            Form::Square,
            FIXED,
            note(point, "every second", &fixed, "attempts"),
        ));
        shapes.push(mark(
            place(ours.mean),
            Form::Disc,
            ADAPTIVE,
            note(point, "Switchboard", &ours, "attempts"),
        ));
        if let Some(found) = &point.sockets {
            let attempts = found.summary.attempts;
            let note = note(point, "sockets", &attempts, "attempts");
            shapes.push(mark(place(attempts.mean), Form::Diamond, SOCKETS, note));
        }
    }
    shapes
}

fn time_values(point: &Point) -> Vec<f64> {
    let (adaptive, fixed) = (point.simulated.adaptive.seconds, point.simulated.fixed.seconds);
    let sockets = point.sockets.iter().map(|found| found.summary.seconds.mean);
    let theory = [point.theory.adaptive_s, point.theory.fixed_s];
    [adaptive.p10, adaptive.p90, adaptive.mean, fixed.mean].into_iter().chain(theory).chain(sockets).collect()
}

fn attempt_values(point: &Point) -> Vec<f64> {
    let simulated = [point.simulated.adaptive.attempts.mean, point.simulated.fixed.attempts.mean];
    let sockets = point.sockets.iter().map(|found| found.summary.attempts.mean);
    simulated.into_iter().chain([point.theory.attempts]).chain(sockets).collect()
}

/// What theory expects over the range of the points, per cent by per cent.
fn curve(panel: &Panel, points: &[&Point], pen: Pen, value: impl Fn(Case, Loss) -> f64) -> Shape {
    let [first, last] =
        [points.first(), points.last()].map(|end| end.map_or(0, |point| point.loss.permille()));
    let case = points.first().map_or(Case::Both, |point| point.case);
    let measured = points.iter().map(|point| point.loss.permille());
    let between = (first..=last).step_by(10).chain(measured).collect::<BTreeSet<u16>>();
    let losses = between.into_iter().filter_map(Loss::from_permille);
    Shape::Line { through: losses.map(|loss| panel.place(loss, value(case, loss))).collect(), pen }
}

fn solid(colour: Colour) -> Pen {
    Pen { colour, width: 1.6, dashed: false }
}

fn dashed(colour: Colour) -> Pen {
    Pen { colour, width: 1.2, dashed: true }
}

fn mark(place: Spot, form: Form, colour: Colour, note: String) -> Shape {
    let radius = match form {
        Form::Disc => 3.6,
        Form::Square => 5.0,
        Form::Diamond => 4.2,
    };
    Shape::Mark { place, form, radius, colour, note }
}

fn note(point: &Point, who: &str, spread: &Spread, unit: &str) -> String {
    let Spread { mean, p50, p99, .. } = spread;
    format!("{who}, {} lost: mean {mean:.3} {unit}, median {p50:.3}, p99 {p99:.3}", point.loss)
}

fn text(place: Spot, words: &str, size: f64, colour: Colour, anchor: Anchor, bold: bool) -> Shape {
    let style = Type { size, colour, anchor, bold, upright: false };
    Shape::Text { place, text: words.to_owned(), style }
}
