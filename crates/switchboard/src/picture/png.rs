//! A drawing as PNG. The letters are outlines of a font that is part of the program, so that the picture is the same on a
//! machine without fonts. Absent: kerning and scripts other than those written letter by letter from left to right.

use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

use super::{Anchor, Colour, Form, Pen, Picture, Shape, Spot, Type, corners};

/// Why there are no pixels.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PngError {
    /// More pixels than can be painted.
    #[error("a picture of {width} x {height} pixels is too large to be painted; ask for a smaller scale")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// They could not be encoded.
    #[error("the painted picture cannot be encoded as PNG; write it as SVG instead")]
    Encode(String),
}

/// How much broader the strokes of bold letters are, as a share of their size.
const BOLD: f32 = 0.035;

pub(super) fn paint(picture: &Picture, scale: f64) -> Result<Vec<u8>, PngError> {
    let [width, height] = [picture.width, picture.height].map(|length| scaled(length, scale));
    let mut canvas = Pixmap::new(width, height).ok_or(PngError::TooLarge { width, height })?;
    canvas.fill(Color::WHITE);
    let mut painter = Painter { canvas, scale: single(scale), font: Letters::new() };
    for shape in &picture.shapes {
        painter.shape(shape);
    }
    painter.canvas.encode_png().map_err(|error| PngError::Encode(error.to_string()))
}

struct Painter {
    canvas: Pixmap,
    scale: f32,
    font: Letters,
}

impl Painter {
    fn shape(&mut self, shape: &Shape) {
        match shape {
            Shape::Line { through, pen } => self.line(through, *pen),
            Shape::Surface { corners, colour, opacity } => {
                let paint = paint_of(*colour, single(*opacity));
                self.fill(polygon(corners, Ending::Closed), &paint);
            }
            Shape::Mark { place, form, radius, colour, note: _ } => {
                self.mark(*place, *form, *radius, *colour)
            }
            Shape::Text { place, text, style } => self.words(*place, text, *style),
        }
    }

    fn line(&mut self, through: &[Spot], pen: Pen) {
        let Some(path) = polygon(through, Ending::Open) else { return };
        let stroke = Stroke {
            width: single(pen.width),
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash: if pen.dashed { StrokeDash::new(vec![5.0, 4.0], 0.0) } else { None },
            ..Stroke::default()
        };
        self.canvas.stroke_path(&path, &paint_of(pen.colour, 1.0), &stroke, self.whole(), None);
    }

    fn mark(&mut self, place: Spot, form: Form, radius: f64, colour: Colour) {
        let path = match form {
            Form::Disc => PathBuilder::from_circle(single(place.x), single(place.y), single(radius)),
            Form::Diamond | Form::Square => polygon(&corners(place, form, radius), Ending::Closed),
        };
        if let Some(path) = &path {
            let rim = Stroke { width: 2.0, ..Stroke::default() };
            let white = paint_of(Colour(255, 255, 255), 1.0);
            self.canvas.stroke_path(path, &white, &rim, self.whole(), None);
        }
        self.fill(path, &paint_of(colour, 1.0));
    }

    fn words(&mut self, place: Spot, text: &str, style: Type) {
        let size = single(style.size);
        let (outlines, width) = self.font.outlines(text, size);
        let Some(outlines) = outlines else { return };
        let left = match style.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -width / 2.0,
            Anchor::End => -width,
        };
        let turned = Transform::from_rotate(if style.upright { -90.0 } else { 0.0 });
        let put = Transform::from_translate(left, 0.0)
            .post_concat(turned)
            .post_translate(single(place.x), single(place.y))
            .post_scale(self.scale, self.scale);
        let paint = paint_of(style.colour, 1.0);
        self.canvas.fill_path(&outlines, &paint, FillRule::Winding, put, None);
        if style.bold {
            let stroke = Stroke { width: size * BOLD, ..Stroke::default() };
            self.canvas.stroke_path(&outlines, &paint, &stroke, put, None);
        }
    }

    fn fill(&mut self, path: Option<Path>, paint: &Paint<'_>) {
        if let Some(path) = path {
            self.canvas.fill_path(&path, paint, FillRule::Winding, self.whole(), None);
        }
    }

    fn whole(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Open,
    Closed,
}

fn polygon(through: &[Spot], ending: Ending) -> Option<Path> {
    let mut path = PathBuilder::new();
    let (first, rest) = through.split_first()?;
    path.move_to(single(first.x), single(first.y));
    rest.iter().for_each(|spot| path.line_to(single(spot.x), single(spot.y)));
    if ending == Ending::Closed {
        path.close();
    }
    path.finish()
}

fn paint_of(Colour(red, green, blue): Colour, opacity: f32) -> Paint<'static> {
    let part = |byte: u8| f32::from(byte) / 255.0;
    let colour = Color::from_rgba(part(red), part(green), part(blue), opacity.clamp(0.0, 1.0));
    let mut paint = Paint::default();
    paint.set_color(colour.expect("every part is within 0 and 1"));
    paint.anti_alias = true;
    paint
}

/// The font that is part of the program.
struct Letters {
    font: Face<'static>,
}

impl Letters {
    fn new() -> Self {
        let font = Face::parse(dejavu::sans::regular(), 0);
        Self { font: font.expect("the font of the crate dejavu is a font") }
    }

    /// The outlines of a line of text, its left end at the origin, and how wide it is.
    fn outlines(&self, text: &str, size: f32) -> (Option<Path>, f32) {
        let scale = size / f32::from(self.font.units_per_em());
        let mut trace = Trace { path: PathBuilder::new(), x: 0.0, scale };
        for letter in text.chars() {
            let glyph = self.font.glyph_index(letter).unwrap_or_default();
            // A letter without an outline, such as a space, leaves its room empty.
            let _drawn = self.font.outline_glyph(glyph, &mut trace);
            trace.x += scale * f32::from(self.font.glyph_hor_advance(glyph).unwrap_or_default());
        }
        let width = trace.x;
        (trace.path.finish(), width)
    }
}

/// Outlines as a path: y grows downwards there.
struct Trace {
    path: PathBuilder,
    /// Where the letter begins, in pixels.
    x: f32,
    /// Pixels for each unit of the font.
    scale: f32,
}

impl Trace {
    fn put(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Trace {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.put(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.put(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.put(x1, y1), self.put(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.put(x1, y1), self.put(x2, y2), self.put(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// Pixels are painted in single precision.
#[expect(clippy::cast_possible_truncation, reason = "a place on a picture needs no more than seven digits")]
fn single(value: f64) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what 32 bits hold; a picture of that size is refused"
)]
fn scaled(length: u32, scale: f64) -> u32 {
    (f64::from(length) * scale).round().clamp(1.0, f64::from(u32::MAX)) as u32
}
