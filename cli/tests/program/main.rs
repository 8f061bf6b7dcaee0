//! The program, run as its users run it: what it writes and prints.

mod eval;
mod files;
mod refused;
mod sandbox;
mod table;
