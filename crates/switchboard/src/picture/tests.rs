//! The same drawing as text and as pixels.

use tiny_skia::Pixmap;

use super::*;

const RED: Colour = Colour(200, 0, 0);

fn picture(shapes: Vec<Shape>) -> Picture {
    Picture { width: 40, height: 20, title: "a < b & c".to_owned(), description: String::new(), shapes }
}

fn dark_pixels(picture: &Picture) -> usize {
    let pixels = Pixmap::decode_png(&picture.to_png(1.0).unwrap()).unwrap();
    pixels.pixels().iter().filter(|pixel| pixel.green() < 128).count()
}

#[test]
fn every_shape_is_in_the_document_and_text_is_escaped() {
    let style = Type { size: 10.0, colour: RED, anchor: Anchor::Middle, bold: true, upright: true };
    let pen = Pen { colour: RED, width: 2.0, dashed: true };
    let drawn = picture(vec![
        Shape::Line { through: vec![at(0.0, 0.0), at(10.0, 5.25)], pen },
        Shape::Surface { corners: vec![at(0.0, 0.0), at(9.0, 0.0), at(9.0, 9.0)], colour: RED, opacity: 0.5 },
        Shape::Mark {
            place: at(5.0, 5.0),
            form: Form::Disc,
            radius: 3.0,
            colour: RED,
            note: "1 < 2".to_owned(),
        },
        Shape::Text { place: at(1.0, 2.0), text: "p & q".to_owned(), style },
    ]);
    expect_test::expect![[r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" viewBox="0 0 40 20" role="img" aria-labelledby="title description" font-family="DejaVu Sans, Verdana, sans-serif">
        <title id="title">a &lt; b &amp; c</title>
        <desc id="description"></desc>
        <rect width="40" height="20" fill="#ffffff"/>
        <polyline points="0.0,0.0 10.0,5.2" fill="none" stroke="#c80000" stroke-width="2" stroke-linejoin="round" stroke-dasharray="5 4"/>
        <polygon points="0.0,0.0 9.0,0.0 9.0,9.0" fill="#c80000" fill-opacity="0.5"/>
        <circle cx="5.0" cy="5.0" r="3" fill="#c80000" stroke="#ffffff" stroke-width="1"><title>1 &lt; 2</title></circle>
        <text x="1.0" y="2.0" font-size="10" fill="#c80000" text-anchor="middle" font-weight="bold" transform="rotate(-90 1.0 2.0)">p &amp; q</text>
        </svg>
    "##]]
    .assert_eq(&drawn.to_svg());
}

#[test]
fn pixels_are_where_the_shapes_are() {
    assert_eq!(dark_pixels(&picture(vec![])), 0);
    let square = vec![at(10.0, 5.0), at(20.0, 5.0), at(20.0, 15.0), at(10.0, 15.0)];
    assert_eq!(
        dark_pixels(&picture(vec![Shape::Surface { corners: square, colour: RED, opacity: 1.0 }])),
        100
    );
    let style = Type { size: 16.0, colour: RED, anchor: Anchor::Start, bold: false, upright: false };
    let letters = |text: &str| {
        dark_pixels(&picture(vec![Shape::Text { place: at(2.0, 16.0), text: text.to_owned(), style }]))
    };
    assert_eq!(letters(" "), 0);
    assert!(letters("M") > 20, "{}", letters("M"));
    assert!(letters("MM") > letters("M") * 3 / 2);
}

#[test]
fn a_picture_that_cannot_be_painted_is_refused() {
    let error = Picture { width: u32::MAX, height: u32::MAX, ..picture(vec![]) }.to_png(1.0).unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
}
