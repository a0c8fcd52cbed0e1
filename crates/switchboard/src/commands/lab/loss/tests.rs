//! What is measured when nothing is said, and what is refused.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(line: &str) -> Arguments {
    Line::parse_from(std::iter::once("loss").chain(line.split_whitespace())).arguments
}

fn texts(points: &[Loss]) -> Vec<String> {
    points.iter().map(ToString::to_string).collect()
}

#[test]
fn without_words_the_axis_has_twentieths_and_the_sockets_tenths() {
    let plan = plan(&arguments("--seed 1")).unwrap();
    assert_eq!(plan.points.len(), 19);
    assert_eq!(plan.calls, 10_000);
    let sockets = plan.sockets.unwrap();
    assert_eq!(texts(&sockets.points), ["0.00", "0.10", "0.20", "0.30", "0.40", "0.50", "0.60", "0.70"]);
    assert!(sockets.points.iter().all(|point| plan.points.contains(point)));
}

#[test]
fn points_are_sorted_and_those_beyond_the_sockets_stay_virtual() {
    let plan = plan(&arguments("--points 0.9,0.5,0.25,0.5")).unwrap();
    assert_eq!(texts(&plan.points), ["0.25", "0.50", "0.90"]);
    assert_eq!(texts(&plan.sockets.unwrap().points), ["0.25", "0.50"]);
    let virtual_only = super::plan(&arguments("--points 0.9")).unwrap();
    assert!(virtual_only.sockets.is_none());
    assert!(super::plan(&arguments("--no-sockets")).unwrap().sockets.is_none());
}

#[test]
fn a_file_that_exists_or_cannot_be_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loss.csv");
    let with = |flags: &str| arguments(&flags.replace("FILE", path.to_str().unwrap()));
    assert!(Files::named(&with("--csv FILE").files).is_ok());
    let refused = |flags: &str, words: &str| {
        let failure = Files::named(&with(flags).files).unwrap_err();
        assert!(failure.to_string().contains(words), "{failure}");
    };
    refused("--csv FILE --svg FILE", "named for two files");
    refused("--svg /nonexistent/loss.svg", "there is no folder");
    refused("--png /tmp", "is a folder");
    std::fs::write(&path, "mine").unwrap();
    refused("--csv FILE", "exists");
    assert!(Files::named(&with("--csv FILE --overwrite").files).is_ok());
}
