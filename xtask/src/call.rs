//! A command as one would type it in the repository's root.

use crate::house;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// A program, its arguments and what it needs in its environment.
pub struct Call {
    words: Vec<String>,
    set: Vec<(&'static str, OsString)>,
    unset: Vec<&'static str>,
}

impl Call {
    /// The words of `line`, split at spaces.
    pub fn new(line: &str) -> Self {
        Self { words: line.split_whitespace().map(str::to_owned).collect(), set: Vec::new(), unset: Vec::new() }
    }

    /// Adds one argument, which may contain spaces.
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.set.push((name, value.into()));
        self
    }

    /// Compiles for wasm with the flags of `.cargo/config.toml`, which a `RUSTFLAGS` in the environment would replace:
    /// without them the CPU engine has no SIMD.
    pub fn for_wasm(mut self) -> Self {
        self.unset.extend(["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"]);
        self
    }

    /// Prints the command and runs it, its output going where ours goes.
    ///
    /// # Errors
    /// Names the command if it could not start or did not succeed.
    pub fn run(&self) -> Result<(), String> {
        println!("$ {self}");
        let status = self.command().status().map_err(|e| self.no_start(&e))?;
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed ({status})")) }
    }

    /// As [`Call::run`], and shows every line of the standard output to `see` as it is passed on.
    ///
    /// # Errors
    /// As [`Call::run`].
    pub fn watch(&self, mut see: impl FnMut(&str)) -> Result<(), String> {
        println!("$ {self}");
        let mut child = self.command().stdout(Stdio::piped()).spawn().map_err(|e| self.no_start(&e))?;
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            see(text.trim_end());
            line.clear();
        }
        let status = child.wait().map_err(|e| self.no_start(&e))?;
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed ({status})")) }
    }

    /// The first line that the command prints; `None` if it can't run, fails or prints nothing.
    pub fn first_line(&self) -> Option<String> {
        let output = self.command().stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next()?.trim();
        (output.status.success() && !line.is_empty()).then(|| line.to_owned())
    }

    fn command(&self) -> Command {
        let (program, arguments) = self.words.split_first().expect("a command has a program");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(house::root()).env("PATH", path_with_tools());
        if env::var_os("CARGO_TARGET_DIR").is_some() {
            // Given relative to where the developer stands, which is not where the command runs.
            command.env("CARGO_TARGET_DIR", house::target());
        }
        for name in &self.unset {
            command.env_remove(name);
        }
        command.envs(self.set.iter().map(|(name, value)| (name, value)));
        command
    }

    fn no_start(&self, error: &std::io::Error) -> String {
        format!("`{self}` could not run: {error}")
    }
}

/// `PATH` with the programs of `xtask/tools` first.
fn path_with_tools() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(house::tools()).chain(env::split_paths(&path));
    env::join_paths(folders).unwrap_or(path)
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.words.iter().enumerate() {
            let space = if i == 0 { "" } else { " " };
            let quote = if word.contains(char::is_whitespace) { "'" } else { "" };
            write!(f, "{space}{quote}{word}{quote}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn a_command_prints_as_it_is_typed() {
        let call = Call::new("npm  run build").arg("a b").env("HIDDEN", "1");
        assert_eq!(call.to_string(), "npm run build 'a b'");
    }

    #[test]
    fn a_failing_command_is_named() {
        let why = Call::new("node --eval").arg("process.exit(3)").watch(|_| ()).unwrap_err();
        assert!(why.starts_with("`node --eval process.exit(3)` failed"), "{why}");
        let why = Call::new("no-such-program-here").run().unwrap_err();
        assert!(why.starts_with("`no-such-program-here` could not run"), "{why}");
    }

    #[test]
    fn watching_sees_every_line_of_the_output() {
        let mut lines = Vec::new();
        Call::new("cargo --version --verbose").watch(|line| lines.push(line.to_owned())).unwrap();
        assert!(lines[0].starts_with("cargo "), "{lines:?}");
        assert!(lines.len() > 1, "{lines:?}");
    }
}
