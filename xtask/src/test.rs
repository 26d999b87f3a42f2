//! `cargo xtask test`: every test there is, and one count at the end.

use crate::call::Call;
use crate::tally::Tally;
use crate::{build, house, needs};
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

/// Installs what is missing and runs everything, whatever fails on the way. The last line is `N passed, N failed`.
pub fn test() -> ExitCode {
    let mut report = Report::default();
    match needs::install(needs::TEST) {
        Ok(()) => run_all(&mut report),
        Err(why) => {
            eprintln!("xtask: {why}");
            report.rows.push(Row { name: "installation".to_owned(), tally: Tally::FAIL, seconds: 0 });
        }
    }
    report.print()
}

fn run_all(report: &mut Report) {
    report.check("formatting", || Call::new("cargo fmt --all --check").run());
    report.check("lints, native", || Call::new("cargo clippy --workspace --all-targets -- -D warnings").run());
    report.check("lints, wasm", || {
        let call = Call::new("cargo clippy --package webmoe --target wasm32-unknown-unknown --lib --tests");
        call.arg("--").arg("-D").arg("warnings").for_wasm().run()
    });
    report.suite("native tests", &native(), Ends::EachBinary);
    for test in browser_tests() {
        report.suite(&format!("tests/{test}.rs in Chromium"), &in_chromium(&test), Ends::EachBinary);
    }
    let built = report.check("package and page", build::assemble);
    for runner in ["tests/package/run.mjs", "tests/page/run.mjs"] {
        if !house::root().join(runner).exists() {
            continue;
        }
        if built {
            report.suite(runner, &Call::new("node").arg(runner), Ends::Once);
        } else {
            report.check(runner, || Err("not run: there is nothing built to test".to_owned()));
        }
    }
}

fn native() -> Call {
    let call = Call::new("cargo test --workspace --no-fail-fast");
    // The Vulkan loader complains without it.
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(_) => call,
        None => call.env("XDG_RUNTIME_DIR", std::env::temp_dir()),
    }
}

/// The names of the test files that run in the browser: `tests/web*.rs`.
fn browser_tests() -> Vec<String> {
    let files = fs::read_dir(house::root().join("tests")).into_iter().flatten();
    let mut names: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name.starts_with("web"))
        .collect();
    names.sort();
    names
}

fn in_chromium(test: &str) -> Call {
    Call::new("wasm-pack test --mode no-install --headless --chrome -- --test")
        .arg(test)
        // In seconds, for all tests of the file; the default of 20 is too short for compiling every shader.
        .env("WASM_BINDGEN_TEST_TIMEOUT", "600")
        .for_wasm()
}

/// Where a suite's counts stand in its output.
#[derive(Clone, Copy)]
enum Ends {
    /// Each of its binaries ends with Rust's `test result:` line; they add up.
    EachBinary,
    /// The suite ends with `N passed, N failed`.
    Once,
}

/// One line of the summary.
struct Row {
    name: String,
    tally: Tally,
    seconds: u64,
}

#[derive(Default)]
struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Does something that counts as one test, and says whether it passed.
    fn check(&mut self, name: &str, act: impl FnOnce() -> Result<(), String>) -> bool {
        let started = begin(name);
        let done = act();
        let tally = if done.is_ok() { Tally::PASS } else { Tally::FAIL };
        self.end(name, tally, started, &done);
        done.is_ok()
    }

    /// Runs a suite and reads its counts.
    fn suite(&mut self, name: &str, call: &Call, ends: Ends) {
        let started = begin(name);
        let mut counted = None;
        let done = call.watch(|line| match ends {
            Ends::EachBinary => {
                if let Some(tally) = Tally::of_rust(line) {
                    *counted.get_or_insert_with(Tally::default) += tally;
                }
            }
            Ends::Once => counted = Tally::of_runner(line).or(counted),
        });
        self.end(name, verdict(counted, done.is_ok()), started, &done);
    }

    fn end(&mut self, name: &str, tally: Tally, started: Instant, done: &Result<(), String>) {
        if let Err(why) = done {
            eprintln!("xtask: {why}");
        }
        self.rows.push(Row { name: name.to_owned(), tally, seconds: started.elapsed().as_secs() });
    }

    /// Prints the summary and the total.
    fn print(&self) -> ExitCode {
        println!("\n== summary");
        let mut total = Tally::default();
        for Row { name, tally, seconds } in &self.rows {
            println!("{name:<36}{:<24}{seconds:>5} s", tally.to_string());
            total += *tally;
        }
        println!("\n{total}");
        if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn begin(name: &str) -> Instant {
    println!("\n== {name}");
    Instant::now()
}

/// What a suite's counts and exit status say together: a suite that counted nothing did not run, and one that failed
/// without a failed test was cut short. Either is one failure.
fn verdict(counted: Option<Tally>, succeeded: bool) -> Tally {
    match counted {
        None => Tally::FAIL,
        Some(mut tally) => {
            if !succeeded && tally.failed == 0 {
                tally += Tally::FAIL;
            }
            tally
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_could_not_run_is_one_failure() {
        assert_eq!(verdict(None, false), Tally::FAIL);
        assert_eq!(verdict(None, true), Tally::FAIL);
    }

    #[test]
    fn a_suite_that_broke_off_without_a_failed_test_has_one() {
        let counted = Tally { passed: 7, failed: 0 };
        assert_eq!(verdict(Some(counted), false), Tally { passed: 7, failed: 1 });
        assert_eq!(verdict(Some(counted), true), counted);
    }

    #[test]
    fn failed_tests_are_counted_once() {
        let counted = Tally { passed: 7, failed: 2 };
        assert_eq!(verdict(Some(counted), false), counted);
    }

    #[test]
    fn counts_of_several_binaries_add_up_and_of_a_runner_the_last_stands() {
        let mut report = Report::default();
        let script = "console.log('test result: ok. 2 passed; 0 failed; 0 ignored\\n1 passed, 1 failed\\n\
                      test result: ok. 3 passed; 0 failed; 0 ignored\\n4 passed, 0 failed')";
        let call = Call::new("node -e").arg(script);
        report.suite("rust", &call, Ends::EachBinary);
        report.suite("runner", &call, Ends::Once);
        assert_eq!(report.rows[0].tally, Tally { passed: 5, failed: 0 });
        assert_eq!(report.rows[1].tally, Tally { passed: 4, failed: 0 });
    }

    #[test]
    fn a_failed_check_fails_the_whole() {
        let mut report = Report::default();
        assert!(report.check("good", || Ok(())));
        assert_eq!(report.print(), ExitCode::SUCCESS);
        assert!(!report.check("bad", || Err("made to fail".to_owned())));
        assert_eq!(report.print(), ExitCode::FAILURE);
    }
}
