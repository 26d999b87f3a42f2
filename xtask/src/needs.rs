//! What the commands need, how to tell whether it is there, and what mends it.

use crate::call::Call;
use crate::{house, probe};

/// One thing that a command needs, as this machine has it now.
pub struct Need {
    /// Its name.
    pub what: &'static str,
    /// The version or state that is wanted.
    pub wanted: String,
    /// What is there; `Err` if that will not do.
    pub found: Result<String, String>,
    /// How to get what is wanted.
    pub mend: Mend,
}

/// How to get something that is missing.
pub enum Mend {
    /// These commands do it, one after the other.
    Run(Vec<Call>),
    /// Only the reader can; in a line.
    ByHand(String),
}

impl std::fmt::Display for Mend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(calls) => f.write_str(&calls.iter().map(Call::to_string).collect::<Vec<_>>().join(" && ")),
            Self::ByHand(text) => f.write_str(text),
        }
    }
}

/// Looks for one thing.
pub type Look = fn() -> Need;

/// What `cargo xtask build` and `demo` need.
pub const BUILD: &[Look] = &[rust, wasm_target, wasm_bindgen, node, packages];
/// What `cargo xtask test` needs.
pub const TEST: &[Look] =
    &[rust, rust_components, wasm_target, wasm_bindgen, wasm_pack, node, packages, chromium, vulkan];
/// What `cargo xtask bench` needs.
pub const BENCH: &[Look] = &[rust, wasm_target, wasm_bindgen, node, packages, peer_packages, chromium];
/// Everything, in the order of installation.
pub const ALL: &[Look] =
    &[rust, rust_components, wasm_target, wasm_bindgen, wasm_pack, node, packages, peer_packages, chromium, vulkan];

/// Installs what is missing of `looks`.
///
/// # Errors
/// One line that says what is missing and what to run, where it can't be installed from here.
pub fn install(looks: &[Look]) -> Result<(), String> {
    for look in looks {
        let need = look();
        let Err(found) = need.found else { continue };
        let Mend::Run(calls) = &need.mend else {
            return Err(format!("{}: {found}, wanted {}; {}", need.what, need.wanted, need.mend));
        };
        println!("{}: {found}, wanted {}; installing", need.what, need.wanted);
        let done = calls.iter().try_for_each(Call::run);
        if done.is_err() || look().found.is_err() {
            return Err(format!("{} could not be installed here; run: {}", need.what, need.mend));
        }
    }
    Ok(())
}

fn rust() -> Need {
    let wanted = probe::rust_version().unwrap_or_default();
    let found = present(probe::version("rustc"), |version| probe::at_least(version, &wanted));
    Need { what: "Rust", wanted: format!("{wanted} or later"), found, mend: run(["rustup update stable"]) }
}

fn rust_components() -> Need {
    let found = match (probe::version("rustfmt"), probe::version("cargo clippy")) {
        (Some(_), Some(_)) => Ok("both".to_owned()),
        (Some(_), None) => Err("no clippy".to_owned()),
        (None, Some(_)) => Err("no rustfmt".to_owned()),
        (None, None) => Err("neither".to_owned()),
    };
    Need {
        what: "rustfmt, clippy",
        wanted: "both".to_owned(),
        found,
        mend: run(["rustup component add rustfmt clippy"]),
    }
}

fn wasm_target() -> Need {
    let folder = Call::new("rustc --print target-libdir --target wasm32-unknown-unknown").first_line();
    let found = match folder {
        Some(folder) if std::path::Path::new(&folder).is_dir() => Ok("installed".to_owned()),
        _ => Err("missing".to_owned()),
    };
    Need {
        what: "wasm32-unknown-unknown",
        wanted: "installed".to_owned(),
        found,
        mend: run(["rustup target add wasm32-unknown-unknown"]),
    }
}

fn wasm_bindgen() -> Need {
    let wanted = probe::locked("Cargo.lock", "wasm-bindgen").unwrap_or_default();
    // wasm-pack takes the test runner from beside `wasm-bindgen`; both must be of the crate's version.
    let runner = probe::version("wasm-bindgen-test-runner");
    let found =
        present(probe::version("wasm-bindgen"), |version| *version == wanted && runner.as_ref() == Some(version));
    let pinned = probe::locked("xtask/tools/Cargo.lock", "wasm-bindgen-cli").unwrap_or_default();
    let mend = if pinned == wanted {
        tool("wasm-bindgen")
    } else {
        Mend::ByHand(format!("set wasm-bindgen-cli in xtask/tools/Cargo.toml from {pinned} to ={wanted}"))
    };
    Need { what: "wasm-bindgen", wanted, found, mend }
}

fn wasm_pack() -> Need {
    let wanted = probe::locked("xtask/tools/Cargo.lock", "wasm-pack").unwrap_or_default();
    let found = present(probe::version("wasm-pack"), |version| *version == wanted);
    Need { what: "wasm-pack", wanted, found, mend: tool("wasm-pack") }
}

fn node() -> Need {
    // The oldest that Vite runs on.
    const OLDEST: &str = "20.19";
    let found = match (probe::version("node"), probe::version("npm")) {
        (Some(node), Some(npm)) if probe::at_least(&node, OLDEST) => Ok(format!("{node}, npm {npm}")),
        (Some(node), Some(_)) => Err(node),
        (Some(node), None) => Err(format!("{node}, no npm")),
        (None, _) => Err("missing".to_owned()),
    };
    Need {
        what: "Node.js with npm",
        wanted: format!("{OLDEST} or later"),
        found,
        mend: Mend::ByHand(format!("install Node.js {OLDEST} or later and put node and npm on the PATH")),
    }
}

fn packages() -> Need {
    npm("npm packages of www/", "www")
}

fn peer_packages() -> Need {
    npm("npm packages of peers", "benches/peers")
}

fn npm(what: &'static str, folder: &str) -> Need {
    let installed = probe::npm_installed(&house::root().join(folder));
    Need {
        what,
        wanted: "as locked".to_owned(),
        found: if installed { Ok("as locked".to_owned()) } else { Err("not as locked".to_owned()) },
        // No install scripts: some packages fetch programs from elsewhere in theirs, and we need none of those.
        mend: Mend::Run(vec![Call::new("npm --prefix").arg(folder).arg("ci").arg("--ignore-scripts")]),
    }
}

fn chromium() -> Need {
    let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(probe::version);
    let found = match (browser, probe::version("chromedriver")) {
        (Some(browser), Some(driver)) if probe::major(&browser) == probe::major(&driver) => Ok(browser),
        (Some(browser), Some(driver)) => Err(format!("Chromium {browser} with chromedriver {driver}")),
        (Some(browser), None) => Err(format!("{browser}, no chromedriver")),
        (None, _) => Err("missing".to_owned()),
    };
    Need {
        what: "Chromium, chromedriver",
        wanted: "both, of one version".to_owned(),
        found,
        mend: debian("chromium chromium-driver", "install Chromium and its chromedriver and put them on the PATH"),
    }
}

fn vulkan() -> Need {
    let opted_out = std::env::var_os("WEBMOE_NO_GPU").is_some_and(|value| value == "1");
    let found = match probe::vulkan_driver() {
        Some(driver) => Ok(driver),
        None if opted_out => Ok("none, WEBMOE_NO_GPU=1".to_owned()),
        None => Err("missing".to_owned()),
    };
    Need {
        what: "Vulkan driver",
        wanted: "any, lavapipe will do".to_owned(),
        found,
        mend: debian(
            "mesa-vulkan-drivers",
            "install a Vulkan driver, or set WEBMOE_NO_GPU=1 to leave out the native GPU tests",
        ),
    }
}

/// `found` if it is there and `enough`; else what is wrong with it.
fn present(found: Option<String>, enough: impl Fn(&String) -> bool) -> Result<String, String> {
    match found {
        Some(version) if enough(&version) => Ok(version),
        Some(version) => Err(version),
        None => Err("missing".to_owned()),
    }
}

fn run<const N: usize>(lines: [&str; N]) -> Mend {
    Mend::Run(lines.map(Call::new).into())
}

/// Builds one of the programs of `xtask/tools`, from its own lock file.
fn tool(feature: &str) -> Mend {
    let folder = house::as_typed(&house::target().join("tools"));
    let call = Call::new("cargo build --release --locked --manifest-path xtask/tools/Cargo.toml --target-dir");
    Mend::Run(vec![call.arg(folder).arg("--features").arg(feature)])
}

/// Installs Debian packages if we may, or says how; `otherwise` where there is no apt.
fn debian(packages: &str, otherwise: &str) -> Mend {
    let update = "apt-get update";
    let install = format!("apt-get install -y --no-install-recommends {packages}");
    if probe::version("apt-get").is_none() {
        Mend::ByHand(otherwise.to_owned())
    } else if probe::is_root() {
        run([update, &install])
    } else {
        Mend::ByHand(format!("run: sudo {update} && sudo {install}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_pin_the_wasm_bindgen_of_the_crate() {
        let tools = probe::locked("xtask/tools/Cargo.lock", "wasm-bindgen-cli");
        assert!(tools.is_some(), "xtask/tools/Cargo.lock pins wasm-bindgen-cli");
        assert_eq!(tools, probe::locked("Cargo.lock", "wasm-bindgen"));
    }

    #[test]
    fn a_need_that_nothing_mends_stops_with_one_line() {
        fn never() -> Need {
            Need {
                what: "a unicorn",
                wanted: "one".to_owned(),
                found: Err("none".to_owned()),
                mend: Mend::ByHand("find one".to_owned()),
            }
        }
        assert_eq!(install(&[never]), Err("a unicorn: none, wanted one; find one".to_owned()));
    }

    #[test]
    fn a_need_whose_mending_changes_nothing_says_what_to_run() {
        fn stubborn() -> Need {
            Need {
                what: "a unicorn",
                wanted: "one".to_owned(),
                found: Err("none".to_owned()),
                mend: run(["node --eval 1", "node --eval 2"]),
            }
        }
        let why = "a unicorn could not be installed here; run: node --eval 1 && node --eval 2";
        assert_eq!(install(&[stubborn]), Err(why.to_owned()));
    }
}
