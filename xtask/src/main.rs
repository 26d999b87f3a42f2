//! `cargo xtask <command>`: everything that a developer runs, in one place.

mod bench;
mod build;
mod call;
mod demo;
mod doctor;
mod house;
mod needs;
mod probe;
mod serve;
mod tally;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask <command>

  demo [--port N]   install what is missing, build everything, serve the page on http://localhost:8080
  test              install what is missing and run every test; the last line is `N passed, N failed`
  build             leave the npm package in pkg/ and the static page in dist/
  bench [--quick]   the side-by-side benchmark of the peers and webmoe
  bench --routers   what routing costs, for every router
  doctor            say what is installed, what is missing and what mends it";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo"] => demo::demo(demo::DEFAULT_PORT),
        ["demo", "--port", port] => demo::port(port).and_then(demo::demo),
        // Prints its own last line, and nothing may follow it.
        ["test"] => return test::test(),
        ["build"] => build::build(),
        ["bench", flags @ ..] => bench::bench(flags),
        ["doctor"] => doctor::doctor(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}
