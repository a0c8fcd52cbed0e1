//! A drawing as data: shapes in order, in pixels from the upper left corner. Written as SVG or painted as PNG, both the same.
//! Absent: axes and everything else that knows what is drawn.

mod png;
pub(crate) mod scale;
mod svg;

pub(crate) use png::PngError;

/// A colour: red, green, blue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Colour(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// A place, in pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spot {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A place, in pixels.
pub(crate) fn at(x: f64, y: f64) -> Spot {
    Spot { x, y }
}

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Pen {
    pub(crate) colour: Colour,
    pub(crate) width: f64,
    pub(crate) dashed: bool,
}

/// Which side of its place a text stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Type {
    /// Height of the letters, in pixels.
    pub(crate) size: f64,
    pub(crate) colour: Colour,
    pub(crate) anchor: Anchor,
    pub(crate) bold: bool,
    /// Read from below, turned about its place.
    pub(crate) upright: bool,
}

/// The form of a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Disc,
    Diamond,
    Square,
}

/// One piece of a drawing.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Shape {
    /// Straight lines from place to place.
    Line { through: Vec<Spot>, pen: Pen },
    /// A closed surface.
    Surface { corners: Vec<Spot>, colour: Colour, opacity: f64 },
    /// A mark with a white rim; `note` is shown by a browser when one points at it.
    Mark { place: Spot, form: Form, radius: f64, colour: Colour, note: String },
    /// A line of text.
    Text { place: Spot, text: String, style: Type },
}

/// A drawing on white.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Picture {
    /// In pixels.
    pub(crate) width: u32,
    /// In pixels.
    pub(crate) height: u32,
    /// For who cannot see it.
    pub(crate) title: String,
    /// For who cannot see it.
    pub(crate) description: String,
    /// What is drawn, from back to front.
    pub(crate) shapes: Vec<Shape>,
}

impl Picture {
    /// As a document.
    pub(crate) fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// As pixels, `scale` of them for each in either direction.
    ///
    /// # Errors
    /// When the picture is too large to be painted.
    pub(crate) fn to_png(&self, scale: f64) -> Result<Vec<u8>, PngError> {
        png::paint(self, scale)
    }
}

/// The corners of a mark other than a disc.
fn corners(place: Spot, form: Form, radius: f64) -> Vec<Spot> {
    let Spot { x, y } = place;
    match form {
        Form::Diamond => {
            // As large a surface as a disc of this radius looks.
            let reach = radius * 1.25;
            vec![at(x, y - reach), at(x + reach, y), at(x, y + reach), at(x - reach, y)]
        }
        Form::Square | Form::Disc => {
            let reach = radius * 0.9;
            vec![
                at(x - reach, y - reach),
                at(x + reach, y - reach),
                at(x + reach, y + reach),
                at(x - reach, y + reach),
            ]
        }
    }
}

#[cfg(test)]
mod tests;
