//! Promises of the engine, each shown through the door with a real store in a folder of its own.

mod batches;
mod counter;
mod laboratory;
mod races;
mod rules;
mod schedules;
