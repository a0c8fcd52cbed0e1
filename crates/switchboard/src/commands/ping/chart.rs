//! A run as a picture: round trips over time, what was lost on which way beneath, and beside it the share of round trips that are
//! no longer than each. Colours are those of Okabe and Ito. Absent: files, and the run.

use switchboard_probe::statistics::Statistics;

use super::trace::{Fate, Lost, Stretch, Trace};
use crate::picture::scale::{Scale, is_power};
use crate::picture::{Anchor, Colour, Form, Pen, Picture, Shape, Spot, Type, at};

const INK: Colour = Colour(30, 30, 30);
const FAINT: Colour = Colour(95, 95, 95);
const GRID: Colour = Colour(226, 226, 226);
const AXIS: Colour = Colour(120, 120, 120);
/// One for each target; of more targets some share one.
const COLOURS: [Colour; 6] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
];

const TIME: Frame = Frame { left: 84.0, top: 100.0, width: 690.0, height: 330.0 };
const LOST: Frame = Frame { left: 84.0, top: 446.0, width: 690.0, height: 84.0 };
const SHARES: Frame = Frame { left: 850.0, top: 100.0, width: 320.0, height: 430.0 };
/// Room between the frame and the first and last value.
const MARGIN: f64 = 10.0;
/// Where the legend ends; of further targets it tells the number.
const LEGEND_END: f64 = 1_090.0;

/// What is drawn of one target.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) trace: &'a Trace,
    pub(super) statistics: &'a Statistics,
}

/// Draws it.
pub(super) fn draw(series: &[Series<'_>]) -> Picture {
    let round_trips = || series.iter().flat_map(|one| one.trace.stretches());
    let times = round_trips().flat_map(|stretch| [ms(stretch.least_ns), ms(stretch.most_ns)]);
    let scale = Scale::around(times);
    let ends = round_trips().map(|stretch| stretch.at_s);
    let ends = ends.chain(series.iter().flat_map(|one| one.trace.lost()).map(|lost| lost.at_s));
    let span = Span::of(ends.fold(0.0, f64::max));
    let mut shapes = headline(series);
    shapes.extend(TIME.border());
    shapes.extend(LOST.border());
    shapes.extend(SHARES.border());
    shapes.extend(axes(scale, span));
    for (number, one) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        shapes.extend(round_trips_of(one, scale, span, colour));
        shapes.extend(losses_of(one, span, colour));
        shapes.extend(shares_of(one, scale, colour));
    }
    Picture { width: 1200, height: 600, title: finding(series), description: description(series), shapes }
}

/// A rectangle with values in it.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Frame {
    /// Where shares of its width and, from below, of its height stand.
    fn place(self, across: f64, up: f64) -> Spot {
        let x = self.left + MARGIN + across * (self.width - 2.0 * MARGIN);
        let y = self.top + self.height - MARGIN - up * (self.height - 2.0 * MARGIN);
        at(x, y)
    }

    fn right(self) -> f64 {
        self.left + self.width
    }

    fn bottom(self) -> f64 {
        self.top + self.height
    }

    fn border(self) -> Vec<Shape> {
        let (right, bottom) = (self.right(), self.bottom());
        let through = vec![
            at(self.left, self.top),
            at(right, self.top),
            at(right, bottom),
            at(self.left, bottom),
            at(self.left, self.top),
        ];
        vec![Shape::Line { through, pen: Pen { colour: AXIS, width: 1.0, dashed: false } }]
    }

    fn across(self, y: f64, width: f64) -> Shape {
        let pen = Pen { colour: GRID, width, dashed: false };
        Shape::Line { through: vec![at(self.left, y), at(self.right(), y)], pen }
    }

    fn upright(self, x: f64, width: f64) -> Shape {
        let pen = Pen { colour: GRID, width, dashed: false };
        Shape::Line { through: vec![at(x, self.top), at(x, self.bottom())], pen }
    }
}

/// The seconds from left to right.
#[derive(Clone, Copy)]
struct Span {
    end_s: f64,
    step_s: f64,
}

impl Span {
    fn of(end_s: f64) -> Self {
        let end_s = end_s.max(1e-3);
        // About six labels: the first of 1, 2 and 5 times a power of ten that is no less than a sixth.
        let power = 10_f64.powf((end_s / 6.0).log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step * 6.0 >= end_s);
        Self { end_s, step_s: step.unwrap_or(end_s) }
    }

    fn share(self, at_s: f64) -> f64 {
        (at_s / self.end_s).clamp(0.0, 1.0)
    }

    fn steps(self) -> impl Iterator<Item = f64> {
        (0_u8..=10)
            .map(move |n| f64::from(n) * self.step_s)
            .take_while(move |step| *step <= self.end_s * 1.000_1)
    }
}

fn headline(series: &[Series<'_>]) -> Vec<Shape> {
    let mut shapes = vec![
        text(at(24.0, 36.0), &finding(series), 20.0, INK, Anchor::Start, true),
        text(at(TIME.left, TIME.top - 10.0), "round trip", 13.0, INK, Anchor::Start, true),
        text(
            at(SHARES.left, SHARES.top - 10.0),
            "share of round trips no longer than",
            13.0,
            INK,
            Anchor::Start,
            true,
        ),
    ];
    let mut x = 24.0;
    for (number, one) in series.iter().enumerate() {
        let words = if series.len() == 1 { summary(one) } else { one.name.to_owned() };
        let letters = u32::try_from(words.chars().count()).unwrap_or(u32::MAX);
        let width = 52.0 + f64::from(letters) * 7.4;
        if number > 0 && x + width > LEGEND_END {
            let more = format!("and {} more", series.len() - number);
            shapes.push(text(at(x, 64.5), &more, 13.0, FAINT, Anchor::Start, false));
            break;
        }
        let pen = Pen { colour: COLOURS[number % COLOURS.len()], width: 3.0, dashed: false };
        shapes.push(Shape::Line { through: vec![at(x, 60.0), at(x + 18.0, 60.0)], pen });
        shapes.push(text(at(x + 24.0, 64.5), &words, 13.0, INK, Anchor::Start, false));
        x += width;
    }
    shapes
}

/// One target's figures in a line.
fn summary(one: &Series<'_>) -> String {
    let counts = one.statistics.counts();
    format!("{}: {} sent, {} not in time", one.name, counts.sent, counts.no_answer)
}

fn finding(series: &[Series<'_>]) -> String {
    match series {
        [one] => match one.statistics.rtt().quantiles() {
            Some(of) => format!(
                "{}: median {}, p99 {}, {} of {} not in time",
                one.name,
                duration(of.median_ns / 1e6),
                duration(of.p99_ns / 1e6),
                one.statistics.counts().no_answer,
                one.statistics.counts().sent,
            ),
            None => format!("{} did not answer", one.name),
        },
        several => format!("Round trips to {} targets", several.len()),
    }
}

fn description(series: &[Series<'_>]) -> String {
    let lines: Vec<String> = series.iter().map(summary).collect();
    format!("Round trips over time, losses by direction, and the distribution. {}", lines.join("; "))
}

fn axes(scale: Scale, span: Span) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for step in span.steps() {
        let x = TIME.place(span.share(step), 0.0).x;
        shapes.extend([TIME.upright(x, 0.6), LOST.upright(x, 0.6)]);
        let words = if step == 0.0 { "0".to_owned() } else { duration(step * 1e3) };
        shapes.push(text(at(x, LOST.bottom() + 17.0), &words, 11.0, INK, Anchor::Middle, false));
    }
    let since = at(TIME.left + TIME.width / 2.0, LOST.bottom() + 36.0);
    shapes.push(text(since, "since the first probe", 12.0, FAINT, Anchor::Middle, false));
    for step in scale.steps() {
        let width = if is_power(step) { 1.4 } else { 0.6 };
        let (y, x) = (TIME.place(0.0, scale.share(step)).y, SHARES.place(scale.share(step), 0.0).x);
        shapes.extend([TIME.across(y, width), SHARES.upright(x, width)]);
        if scale.labels(step) {
            shapes.push(text(at(TIME.left - 8.0, y + 4.0), &duration(step), 11.0, INK, Anchor::End, false));
            let words = duration(step);
            shapes.push(text(at(x, SHARES.bottom() + 17.0), &words, 11.0, INK, Anchor::Middle, false));
        }
    }
    for (lane, fate) in Fate::ALL.into_iter().enumerate() {
        let place = at(LOST.left - 8.0, lane_y(lane) + 4.0);
        shapes.push(text(place, fate.name(), 11.0, INK, Anchor::End, false));
    }
    for (share, words) in
        [(0.0, "0"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (0.9, "90 %"), (1.0, "100 %")]
    {
        let y = SHARES.place(0.0, share).y;
        shapes.push(SHARES.across(y, 0.6));
        shapes.push(text(at(SHARES.left - 8.0, y + 4.0), words, 11.0, INK, Anchor::End, false));
    }
    shapes
}

fn lane_y(lane: usize) -> f64 {
    let lane = u32::try_from(lane).unwrap_or(0);
    LOST.top + 12.0 + f64::from(lane) * 15.0
}

fn round_trips_of(one: &Series<'_>, scale: Scale, span: Span, colour: Colour) -> Vec<Shape> {
    let place = |at_s, ns| TIME.place(span.share(at_s), scale.share(ms(ns)));
    let draw = |stretch: &Stretch| {
        let (most, least) = (place(stretch.at_s, stretch.most_ns), place(stretch.at_s, stretch.least_ns));
        if stretch.probes == 1 {
            let note = format!("{} at {}", duration(ms(stretch.most_ns)), duration(stretch.at_s * 1e3));
            return Shape::Mark { place: most, form: Form::Disc, radius: 2.2, colour, note };
        }
        // Where extremes are alike a line would be too short to be seen.
        let low = at(least.x, least.y.max(most.y + 1.5));
        Shape::Line { through: vec![most, low], pen: Pen { colour, width: 1.2, dashed: false } }
    };
    one.trace.stretches().iter().map(draw).collect()
}

/// Where the reflector does not count, nobody knows on which way a probe was lost. Where it counts, no more are drawn as lost
/// on a way than it says.
fn losses_of(one: &Series<'_>, span: Span, colour: Colour) -> Vec<Shape> {
    let drawn_as =
        |fate| u64::try_from(one.trace.lost().filter(|lost| lost.fate == fate).count()).unwrap_or(0);
    let counted = one.statistics.loss_by_direction();
    let known =
        counted.is_some_and(|lost| drawn_as(Fate::There) <= lost.up && drawn_as(Fate::Back) <= lost.down);
    let draw = |lost: &Lost| {
        let fate = match lost.fate {
            Fate::There | Fate::Back if !known => Fate::Unknown,
            fate @ (Fate::There | Fate::Back | Fate::Unknown | Fate::Corrupt | Fate::Late) => fate,
        };
        let lane = Fate::ALL.into_iter().position(|one| one == fate).unwrap_or(0);
        let (x, y) = (LOST.place(span.share(lost.at_s), 0.0).x, lane_y(lane));
        // A bar, so that those beside it are not hidden.
        let through = vec![at(x, y - 5.5), at(x, y + 5.5)];
        Shape::Line { through, pen: Pen { colour, width: 2.0, dashed: false } }
    };
    one.trace.lost().map(draw).collect()
}

fn shares_of(one: &Series<'_>, scale: Scale, colour: Colour) -> Vec<Shape> {
    let mut through = Vec::new();
    let mut last = 0.0;
    for (ns, share) in one.statistics.rtt().shares() {
        let across = scale.share(ns / 1e6);
        through.extend([SHARES.place(across, last), SHARES.place(across, share)]);
        last = share;
    }
    if through.is_empty() {
        return Vec::new();
    }
    through.push(SHARES.place(1.0, 1.0));
    vec![Shape::Line { through, pen: Pen { colour, width: 1.8, dashed: false } }]
}

fn ms(ns: u64) -> f64 {
    let of_a_day = u32::try_from(ns / 1_000).unwrap_or(u32::MAX);
    f64::from(of_a_day) / 1e3 + f64::from(u32::try_from(ns % 1_000).unwrap_or(0)) / 1e6
}

/// Milliseconds in the unit in which they are short to read.
fn duration(ms: f64) -> String {
    let (number, unit) = match ms {
        ms if ms < 1e-3 => (ms * 1e6, "ns"),
        ms if ms < 1.0 => (ms * 1e3, "µs"),
        ms if ms < 1e3 => (ms, "ms"),
        ms => (ms / 1e3, "s"),
    };
    let digits = format!("{number:.3}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    // Three digits in all are enough.
    let short = if number >= 100.0 { format!("{number:.0}") } else { digits.chars().take(4).collect() };
    format!("{} {unit}", short.trim_end_matches('.'))
}

fn text(place: Spot, words: &str, size: f64, colour: Colour, anchor: Anchor, bold: bool) -> Shape {
    let style = Type { size, colour, anchor, bold, upright: false };
    Shape::Text { place, text: words.to_owned(), style }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let told = [0.0001, 0.05, 0.0254, 1.0, 12.34, 250.0, 1_000.0, 90_000.0].map(duration);
        assert_eq!(told, ["100 ns", "50 µs", "25.4 µs", "1 ms", "12.3 ms", "250 ms", "1 s", "90 s"]);
    }

    #[test]
    fn a_span_has_a_few_round_steps() {
        for (end_s, steps) in [(4.0, 5), (9.95, 5), (60.0, 7), (0.19, 4), (3_600.0, 4)] {
            assert_eq!(Span::of(end_s).steps().count(), steps, "{end_s}");
        }
    }

    #[test]
    fn a_run_without_any_answer_is_drawn_too() {
        let (trace, statistics) = (Trace::of_one_among(1), Statistics::new(1));
        let picture = draw(&[Series { name: "192.0.2.1", trace: &trace, statistics: &statistics }]);
        assert!(picture.to_svg().contains("192.0.2.1 did not answer"));
        let many: Vec<Series<'_>> =
            (0..20).map(|_| Series { name: "192.0.2.1", trace: &trace, statistics: &statistics }).collect();
        assert!(draw(&many).to_svg().contains("and 12 more"));
    }
}
