//! The program as a person and a script meet it: real processes, a data folder of its own for each test. Absent: anything
//! that a unit test beside the code can show.
#![expect(clippy::unwrap_used, reason = "in a test a broken assumption is a failure, helpers included")]

mod bank;
mod beat;
mod browser;
mod calls;
mod configuration;
mod demo;
mod documents;
mod house;
mod lab;
mod mail;
mod probe;
mod python;
mod scanned;
mod serving;
mod text;
mod web;
mod web_shortages;
mod web_tls;
