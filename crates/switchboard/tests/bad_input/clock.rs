//! Stores that were made under a clock far ahead or far behind: new calls work at once, and repeated ones are not done twice.
//! Absent: clocks that jump while a server runs; the engine's tests give it such clocks.

use switchboard_store::{Folder, Options, Store};

use crate::house::House;
use crate::till::{check_books, furnish};

/// A data folder made by a server whose clock showed this, in microseconds since 1970.
fn check(made_us: u64) {
    let house = House::new();
    std::fs::create_dir_all(house.data()).unwrap();
    let database = Folder::database_in(&house.data());
    drop(Store::open_file(&database, None, &Options::default(), made_us).unwrap());
    let server = house.serve(&[]);
    furnish(&house, 10);
    let withdrawn = house.run(&["bank", "withdraw", "1", "1.00", "--json"]).json();
    let id = withdrawn["call"].as_str().unwrap();
    assert_eq!(house.run(&["call", "status", id, "--json"]).json()["state"], "done");
    assert_eq!(server.stop().0, 0);
    let _server = house.serve(&[]);
    assert_eq!(house.run(&["call", "status", id, "--json"]).json()["state"], "done");
    house.ok(&["bank", "withdraw", "1", "1.00"]);
    check_books(&house, 8);
}

#[test]
fn a_store_from_the_year_2100_serves_today() {
    check(4_102_444_800_000_000);
}

#[test]
fn a_store_from_1970_serves_today() {
    check(0);
}
