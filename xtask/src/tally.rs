//! How many tests passed and failed, read from what their runners print.

use std::fmt;
use std::ops::AddAssign;

/// A count of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
}

impl Tally {
    /// One test that passed.
    pub const PASS: Self = Self { passed: 1, failed: 0 };
    /// One test that failed.
    pub const FAIL: Self = Self { passed: 0, failed: 1 };

    /// Reads the line with which a Rust test binary ends, native or in the browser:
    /// `test result: ok. 5 passed; 0 failed; 0 ignored; …`.
    pub fn of_rust(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut counts = counts.split("; ");
        Some(Self { passed: count(counts.next()?, " passed")?, failed: count(counts.next()?, " failed")? })
    }

    /// Reads the line with which our own runners end: `5 passed, 0 failed`.
    pub fn of_runner(line: &str) -> Option<Self> {
        let (passed, failed) = line.split_once(", ")?;
        Some(Self { passed: count(passed, " passed")?, failed: count(failed, " failed")? })
    }
}

fn count(text: &str, word: &str) -> Option<u64> {
    text.strip_suffix(word)?.parse().ok()
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_last_line_of_a_rust_test_binary_is_read() {
        let good = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(Tally::of_rust(good), Some(Tally { passed: 12, failed: 0 }));
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 filtered out; finished in 1.20s";
        assert_eq!(Tally::of_rust(bad), Some(Tally { passed: 3, failed: 2 }));
        assert_eq!(Tally::of_rust("test tally::tests ... ok"), None);
        assert_eq!(Tally::of_rust("3 passed, 2 failed"), None);
    }

    #[test]
    fn the_last_line_of_a_node_runner_is_read_only_if_it_is_the_whole_line() {
        assert_eq!(Tally::of_runner("3 passed, 2 failed"), Some(Tally { passed: 3, failed: 2 }));
        for other in ["all 3 passed, 2 failed", "3 passed, 2 failed.", "3 passed", ""] {
            assert_eq!(Tally::of_runner(other), None, "{other}");
        }
    }

    #[test]
    fn a_tally_prints_as_a_runner_does() {
        let mut tally = Tally { passed: 3, failed: 2 };
        tally += Tally::FAIL;
        assert_eq!(tally.to_string(), "3 passed, 3 failed");
        assert_eq!(Tally::of_runner(&tally.to_string()), Some(tally));
    }
}
