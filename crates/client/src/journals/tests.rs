//! A folder of journals when it is full, and the binding of a file to its place.

use super::*;

#[test]
fn a_folder_has_a_bound() {
    let folder = tempfile::tempdir().unwrap();
    let _held: Vec<_> = (0..JOURNALS_MAX).map(|_| claim(folder.path(), "").unwrap()).collect();
    let error = claim(folder.path(), "").unwrap_err();
    assert!(error.to_string().contains("all 256 journals"), "{error}");
    assert_eq!(list(folder.path()).unwrap().len(), usize::from(JOURNALS_MAX));
}

#[test]
fn the_binding_tells_places_apart_and_keeps_the_machine_id_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let (opened_a, opened_b) = (open(&a, "p").unwrap(), open(&b, "p").unwrap());
    assert_ne!(opened_a.binding, opened_b.binding);
    assert_eq!(binding(&folder.path().join("./a"), "p").unwrap(), opened_a.binding);
    let machine_id = String::from_utf8(machine_id()).unwrap();
    let id = machine_id.trim();
    assert!(id.is_empty() || !opened_a.binding.machine().contains(id));
}
