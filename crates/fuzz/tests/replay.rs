//! Replays every input in the tree: what fuzzing once found interesting, and what once crashed a target.

use std::panic::catch_unwind;
use std::path::Path;

use fuzz::{TARGETS, Target};

#[test]
fn every_input_of_the_corpus_holds() {
    let mut broken = Vec::new();
    for target in &TARGETS {
        let inputs = inputs(target);
        assert!(!inputs.is_empty(), "{} has no corpus", target.name);
        for (path, bytes) in inputs {
            assert!(
                bytes.len() <= target.input_bytes_max,
                "{} is longer than its target takes",
                path.display()
            );
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                broken.push(path);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn each_target_has_a_folder_and_each_folder_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus can be listed");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry can be read").file_name()).collect();
    folders.sort();
    assert_eq!(folders, TARGETS.map(|target| target.name));
    assert!(TARGETS.iter().all(|target| target.corpus == format!("corpus/{}", target.name)));
}

#[test]
fn the_corpus_stays_small() {
    let bytes: usize = TARGETS.iter().flat_map(inputs).map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= 300 * 1024, "{bytes} bytes; delete the largest inputs that repeat no crash");
}

/// Without instrumentation at hand, the shortest inputs and every cut of the corpus are tried as well.
#[test]
fn short_and_cut_inputs_hold() {
    for target in &TARGETS {
        (0..=u8::MAX).for_each(|first| (target.run)(&[first]));
        (0..=u8::MAX).for_each(|second| (target.run)(&[1, second, 0, 0]));
        for (_, bytes) in inputs(target) {
            (target.run)(&bytes[..bytes.len() / 2]);
        }
    }
}

fn inputs(target: &Target) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    target.inputs(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the corpus can be read")
}
