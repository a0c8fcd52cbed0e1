//! One panel: a frame with the share lost from left to right and a logarithmic scale upwards, and where a value stands in it.

use super::{FAINT, INK, text};
use crate::lab::loss::quantity::Loss;
use crate::picture::scale::{Scale, is_power};
use crate::picture::{Anchor, Colour, Pen, Shape, Spot, Type, at};

const GRID: Colour = Colour(226, 226, 226);
const AXIS: Colour = Colour(120, 120, 120);
/// Room beside the first and the last value, in pixels.
const MARGIN: f64 = 12.0;

/// A panel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) loss_max: Loss,
    pub(super) scale: Scale,
}

impl Panel {
    /// Where a value at a share lost stands.
    pub(super) fn place(&self, loss: Loss, value: f64) -> Spot {
        at(self.x(loss.permille()), self.y(value))
    }

    fn x(&self, permille: u16) -> f64 {
        let share = f64::from(permille) / f64::from(self.loss_max.permille().max(1));
        self.left + MARGIN + share * (self.width - 2.0 * MARGIN)
    }

    fn y(&self, value: f64) -> f64 {
        let bottom = self.top + self.height;
        bottom - MARGIN - self.scale.share(value) * (self.height - 2.0 * MARGIN)
    }

    /// Grid and border.
    pub(super) fn frame(&self) -> Vec<Shape> {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let line = |from, to, colour, width| {
            let pen = Pen { colour, width, dashed: false };
            Shape::Line { through: vec![from, to], pen }
        };
        let mut shapes: Vec<Shape> = Vec::new();
        for permille in self.tenths() {
            let x = self.x(permille);
            shapes.push(line(at(x, self.top), at(x, bottom), GRID, 1.0));
        }
        for step in self.scale.steps() {
            let y = self.y(step);
            let width = if is_power(step) { 1.4 } else { 0.6 };
            shapes.push(line(at(self.left, y), at(right, y), GRID, width));
        }
        let corners = [
            at(self.left, self.top),
            at(right, self.top),
            at(right, bottom),
            at(self.left, bottom),
            at(self.left, self.top),
        ];
        let pen = Pen { colour: AXIS, width: 1.0, dashed: false };
        shapes.push(Shape::Line { through: corners.to_vec(), pen });
        shapes
    }

    /// The shares lost, below.
    pub(super) fn losses(&self) -> Vec<Shape> {
        let y = self.top + self.height + 17.0;
        let label = |permille: u16| {
            let words = format!("{} %", permille / 10);
            text(at(self.x(permille), y), &words, 11.0, INK, Anchor::Middle, false)
        };
        self.tenths().map(label).collect()
    }

    /// The thresholds, above.
    pub(super) fn thresholds(&self) -> Vec<Shape> {
        let y = self.top - 8.0;
        let of = |permille: u16| Loss::from_permille(permille).and_then(Loss::threshold);
        let label = |permille: u16| {
            let words = match (of(permille)?, permille) {
                (threshold, 0) => format!("T={threshold}"),
                (threshold, _) => threshold.to_string(),
            };
            Some(text(at(self.x(permille), y), &words, 11.0, FAINT, Anchor::Middle, false))
        };
        self.tenths().filter_map(label).collect()
    }

    /// The values, to the left, and what they are.
    pub(super) fn values(&self, what: &str) -> Vec<Shape> {
        let label = |step: f64| {
            let place = at(self.left - 8.0, self.y(step) + 4.0);
            text(place, &step.to_string(), 11.0, INK, Anchor::End, false)
        };
        let labelled = self.scale.steps().filter(|step| self.scale.labels(*step));
        let mut shapes: Vec<Shape> = labelled.map(label).collect();
        let style = Type { size: 13.0, colour: INK, anchor: Anchor::Middle, bold: false, upright: true };
        let place = at(self.left - 54.0, self.top + self.height / 2.0);
        shapes.push(Shape::Text { place, text: what.to_owned(), style });
        shapes
    }

    /// Whole tenths up to the largest share.
    fn tenths(&self) -> impl Iterator<Item = u16> + use<> {
        (0..=self.loss_max.permille()).step_by(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stands_where_its_logarithm_says() {
        let loss_max = Loss::from_permille(900).unwrap();
        let scale = Scale::around([1.0, 100.0].into_iter());
        let panel = Panel { left: 100.0, top: 50.0, width: 224.0, height: 124.0, loss_max, scale };
        assert_eq!(panel.place(Loss::NONE, 1.0), at(112.0, 162.0));
        assert_eq!(panel.place(loss_max, 100.0), at(312.0, 62.0));
        let middle = panel.place(Loss::from_permille(450).unwrap(), 10.0);
        assert!((middle.x - 212.0).abs() < 1e-9 && (middle.y - 112.0).abs() < 1e-9, "{middle:?}");
    }
}
