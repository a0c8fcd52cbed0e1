//! The text service through arguments, files and standard input.

use crate::house::House;

#[test]
fn letters_of_all_unicode_in_streams_of_any_length() {
    let house = House::new();
    let _server = house.serve(&[]);
    assert_eq!(house.ok(&["text", "upper", "straße ŉ"]), "STRASSE ʼN\n");
    assert_eq!(house.ok(&["text", "lower", "ΟΔΟΣ İ"]), "οδος i\u{307}\n");
    let long = "ΟΔΟΣ straße ".repeat(30_000);
    let upper = house.run_with_input(&["text", "upper"], long.as_bytes());
    assert!(upper.stdout == long.to_uppercase(), "{}", upper.stderr);
    let lower = house.run_with_input(&["text", "lower"], long.as_bytes());
    assert!(lower.stdout == long.to_lowercase(), "{}", lower.stderr);
    let file = house.path().join("text");
    std::fs::write(&file, &long).unwrap();
    let from_file = house.ok(&["text", "upper", "--file", file.to_str().unwrap()]);
    assert!(from_file == long.to_uppercase());
    assert_eq!(house.run_with_input(&["text", "upper"], b"").stdout, "");
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place_in_the_stream() {
    let house = House::new();
    let _server = house.serve(&[]);
    let mut input = vec![b'a'; 200_000];
    input[150_000] = 0xff;
    let ran = house.run_with_input(&["text", "upper"], &input);
    assert_eq!(ran.code, 65);
    assert!(ran.stderr.contains("not UTF-8 from byte 150000 on"), "{}", ran.stderr);
    let lossy = house.run_with_input(&["text", "upper", "--lossy"], b"a\xffb");
    assert_eq!((lossy.code, lossy.stdout.as_str()), (0, "A\u{fffd}B"));
}

#[test]
fn primes_by_argument_and_by_line() {
    let house = House::new();
    let _server = house.serve(&[]);
    assert_eq!(house.ok(&["text", "prime", "97"]), "97 is prime (proved)\n");
    let ran = house.run_with_input(&["text", "prime"], b"4\nseven\n\n-7\n");
    assert_eq!(ran.code, 65);
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.stdout);
    assert!(lines[0].starts_with("4 is not prime") && lines[2].starts_with("-7 is neither"), "{lines:?}");
    assert!(lines[1].starts_with("seven: not an integer number"), "{lines:?}");
    // Too much for the tests of one request: asked in steps.
    let mersenne = "1041321941395270138473".repeat(40);
    assert!(house.ok(&["text", "prime", &mersenne]).contains("prime"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let house = House::new();
    let _server = house.serve(&[]);
    let ran = house.run(&["text", "upper", "--file", "/nonexistent/book"]);
    assert_eq!(ran.code, 74, "{}", ran.stderr);
    assert!(ran.stderr.contains("/nonexistent/book"), "{}", ran.stderr);
}
