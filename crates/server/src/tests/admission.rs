//! Who is admitted, and who is not.

use std::net::IpAddr;
use std::sync::Arc;

use crate::admission::{Admission, Full};
use crate::limits::Limits;

fn admission(connections_max: usize, connections_per_address_max: usize) -> Arc<Admission> {
    Arc::new(Admission::new(&Limits { connections_max, connections_per_address_max, ..Limits::default() }))
}

#[test]
fn an_address_gets_its_share_and_gets_it_back() {
    let admission = admission(10, 2);
    let here: Option<IpAddr> = Some("192.0.2.1".parse().unwrap());
    let mapped: Option<IpAddr> = Some("::ffff:192.0.2.1".parse().unwrap());
    let first = admission.admit(here).unwrap();
    let _second = admission.admit(mapped).unwrap();
    assert_eq!(admission.admit(here).unwrap_err(), Full::Address);
    let _other = admission.admit(Some("192.0.2.2".parse().unwrap())).unwrap();
    drop(first);
    admission.admit(here).unwrap();
}

#[test]
fn a_network_of_ipv6_is_one_address() {
    let admission = admission(10, 1);
    let _first = admission.admit(Some("2001:db8::1".parse().unwrap())).unwrap();
    assert_eq!(admission.admit(Some("2001:db8::ffff:2".parse().unwrap())).unwrap_err(), Full::Address);
    admission.admit(Some("2001:db8:0:1::1".parse().unwrap())).unwrap();
}

#[test]
fn a_full_server_has_room_for_its_operator() {
    let admission = admission(1, 10);
    let _first = admission.admit(Some("192.0.2.1".parse().unwrap())).unwrap();
    assert_eq!(admission.admit(Some("192.0.2.2".parse().unwrap())).unwrap_err(), Full::Server);
    admission.admit(None).unwrap();
}
