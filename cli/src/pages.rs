//! `vecodec completions` and `vecodec man`: what a shell and a reader of manuals need.

use clap::CommandFactory as _;

use crate::args::{Args, CompletionsArgs};
use crate::error::{CliError, Result};
use crate::output;

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "vecodec", &mut script);
    output::bytes(&script)
}

/// Prints the manual page of the program, and then a page for each command.
pub fn man() -> Result<()> {
    let mut command = Args::command();
    command.build();
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    let mut pages = Vec::new();
    for page in [&command].into_iter().chain(commands) {
        clap_mangen::Man::new(page.clone()).render(&mut pages).map_err(CliError::stdout)?;
    }
    output::bytes(&pages)
}
