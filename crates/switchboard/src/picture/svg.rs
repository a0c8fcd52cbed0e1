//! A drawing as SVG 1.1: text stays text, so that it can be searched and read aloud. Absent: scripts, styles, fonts; the
//! reader's sans-serif is used.

use std::fmt::Write as _;

use super::{Anchor, Colour, Form, Pen, Picture, Shape, Spot, Type, corners};

pub(super) fn write(picture: &Picture) -> String {
    let Picture { width, height, title, description, shapes } = picture;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-labelledby=\"title description\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"description\">{}</desc>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
        escaped(title),
        escaped(description)
    );
    for shape in shapes {
        out.push_str(&element(shape));
        out.push('\n');
    }
    out.push_str("</svg>\n");
    out
}

fn element(shape: &Shape) -> String {
    match shape {
        Shape::Line { through, pen } => line(through, *pen),
        Shape::Surface { corners, colour, opacity } => {
            format!(
                "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
                places(corners),
                hexadecimal(*colour)
            )
        }
        Shape::Mark { place, form, radius, colour, note } => mark(*place, *form, *radius, *colour, note),
        Shape::Text { place, text, style } => words(*place, text, *style),
    }
}

fn line(through: &[Spot], pen: Pen) -> String {
    let dashes = if pen.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
    format!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}/>",
        places(through),
        hexadecimal(pen.colour),
        pen.width
    )
}

fn mark(place: Spot, form: Form, radius: f64, colour: Colour, note: &str) -> String {
    let look = format!("fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"1\"", hexadecimal(colour));
    let note = if note.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(note)) };
    match form {
        Form::Disc => {
            let Spot { x, y } = place;
            format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" {look}>{note}</circle>")
        }
        Form::Diamond | Form::Square => {
            format!("<polygon points=\"{}\" {look}>{note}</polygon>", places(&corners(place, form, radius)))
        }
    }
}

fn words(place: Spot, text: &str, style: Type) -> String {
    let Spot { x, y } = place;
    let anchor = match style.anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
    let turn =
        if style.upright { format!(" transform=\"rotate(-90 {x:.1} {y:.1})\"") } else { String::new() };
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{anchor}\"{weight}{turn}>{}</text>",
        style.size,
        hexadecimal(style.colour),
        escaped(text)
    )
}

fn places(spots: &[Spot]) -> String {
    let mut text = String::new();
    for Spot { x, y } in spots {
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{x:.1},{y:.1}").expect("writing into a String cannot fail");
    }
    text
}

fn hexadecimal(Colour(red, green, blue): Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
