//! The program, run as its users run it: what it writes and prints.

mod eval;
mod files;
mod place;
mod refused;
mod table;
