//! `cargo xtask demo`: from a fresh clone to the page.

use crate::{build, house, serve};

/// Where the page is served unless told otherwise.
pub const DEFAULT_PORT: u16 = 8080;

/// Reads the value of `--port`.
///
/// # Errors
/// If it is not a port's number.
pub fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("--port wants a number from 1 to 65535, not `{text}`")),
    }
}

/// Builds everything and serves the page until interrupted.
///
/// # Errors
/// What is missing, which step failed, or that the port is taken.
pub fn demo(port: u16) -> Result<(), String> {
    // First, so that a taken port is told before the build and not after it.
    let listener = serve::bind(port)?;
    build::build()?;
    println!("http://localhost:{port}");
    serve::serve(&listener, &house::root().join("dist"))
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn a_port_is_a_number_that_fits() {
        assert_eq!(port("3000"), Ok(3000));
        for bad in ["0", "65536", "-1", "http", ""] {
            assert!(port(bad).unwrap_err().contains(&format!("`{bad}`")), "{bad}");
        }
    }
}
