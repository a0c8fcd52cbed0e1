//! Latency by percentile as SVG: both axes logarithmic, so that a tail is seen as long as it is. Absent: figures to read off
//! exactly; those are in the table.

use std::fmt::Write as _;

use super::Point;
use crate::figure::number;

/// The drawing, in user units.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 80.0;
const TOP: f64 = 50.0;
/// The field of the curves.
const FIELD_WIDTH: f64 = 580.0;
const FIELD_HEIGHT: f64 = 330.0;
/// Percentiles up to all but one of ten to this power.
const NINES: u32 = 4;
/// Places of a curve between two powers of ten.
const STEPS: u32 = 20;
/// Told apart by people who do not tell red from green (Okabe and Ito, "Color Universal Design").
const COLOURS: [&str; 7] = ["#0072b2", "#56b4e9", "#009e73", "#d55e00", "#e69f00", "#cc79a7", "#000000"];

/// The chart.
pub(crate) fn svg(points: &[Point]) -> String {
    let scale = Scale::over(points);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"28\" font-size=\"16\">Latency of a withdrawal by percentile, from when it was due (open loop)</text>\n"
    );
    scale.draw_grid(&mut text);
    for (number, (point, colour)) in points.iter().zip(COLOURS.iter().cycle()).enumerate() {
        draw_curve(&mut text, &scale, point, colour, number);
    }
    text.push_str("</svg>\n");
    text
}

/// Powers of ten, in microseconds, at the foot and the top of the field.
struct Scale {
    foot: f64,
    top: f64,
}

impl Scale {
    fn over(points: &[Point]) -> Self {
        let low = points.iter().map(|point| point.latency_us.min()).min().unwrap_or(1).max(1);
        let high = points.iter().map(|point| point.latency_us.max()).max().unwrap_or(1).max(10);
        let foot = number(low).log10().floor();
        Self { foot, top: number(high).log10().ceil().max(foot + 1.0) }
    }

    /// `nines` is minus the logarithm of the share that took longer.
    fn x(nines: f64) -> f64 {
        LEFT + nines / f64::from(NINES) * FIELD_WIDTH
    }

    fn y(&self, us: f64) -> f64 {
        TOP + (self.top - us.max(1.0).log10()) / (self.top - self.foot) * FIELD_HEIGHT
    }

    fn draw_grid(&self, text: &mut String) {
        let (right, foot) = (LEFT + FIELD_WIDTH, TOP + FIELD_HEIGHT);
        for (nines, label) in ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"].into_iter().enumerate() {
            let x = Self::x(number(u64::try_from(nines).unwrap_or(0)));
            let under = foot + 20.0;
            write!(
                text,
                "<path d=\"M{x:.1} {TOP}V{foot}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{x:.1}\" y=\"{under}\" text-anchor=\"middle\">{label}</text>\n"
            )
            .expect("writing into a String cannot fail");
        }
        let mut power = self.foot;
        while power <= self.top {
            let us = 10_f64.powf(power);
            let (y, label) = (self.y(us), time_in_words(us));
            let (before, middle) = (LEFT - 8.0, y + 4.0);
            write!(
                text,
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\n\
                 <text x=\"{before}\" y=\"{middle:.1}\" text-anchor=\"end\">{label}</text>\n"
            )
            .expect("writing into a String cannot fail");
            power += 1.0;
        }
    }
}

fn draw_curve(text: &mut String, scale: &Scale, point: &Point, colour: &str, line: usize) {
    let mut path = String::new();
    for step in 0..=NINES * STEPS {
        let nines = f64::from(step) / f64::from(STEPS);
        let us = point.latency_us.value_at_quantile(1.0 - 10_f64.powf(-nines));
        let (letter, x, y) = (if step == 0 { 'M' } else { 'L' }, Scale::x(nines), scale.y(number(us)));
        write!(path, "{letter}{x:.1} {y:.1}").expect("writing into a String cannot fail");
    }
    let (x, y) = (LEFT + FIELD_WIDTH + 20.0, TOP + 14.0 + 22.0 * number(u64::try_from(line).unwrap_or(0)));
    let (end, words, under) = (x + 24.0, x + 32.0, y + 4.0);
    let label = format!("{}: {:.0}/s", point.name, point.asked_per_second);
    write!(
        text,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
         <path d=\"M{x} {y}H{end}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
         <text x=\"{words}\" y=\"{under}\">{label}</text>\n"
    )
    .expect("writing into a String cannot fail");
}

fn time_in_words(us: f64) -> String {
    match us {
        us if us >= 999_999.0 => format!("{:.0} s", us / 1e6),
        us if us >= 999.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}
