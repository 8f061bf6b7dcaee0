//! Runs the program as its users do, and checks what it writes and prints.

mod eval;
mod files;
mod refused;
mod sandbox;
mod table;
