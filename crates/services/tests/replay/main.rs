//! Promises of the services, shown through the engine's door over a real store: every command takes effect
//! once however often it is sent, every refusal is the one that fits and leaves no trace.

#[cfg(test)]
mod bank;
#[cfg(test)]
mod laboratory;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod random;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod text;
