//! What this machine has: versions, files, rights.

use crate::call::Call;
use crate::house;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The version that `program --version` prints: its first word that starts like a number, without a leading `v`.
pub fn version(program: &str) -> Option<String> {
    version_in(&Call::new(program).arg("--version").first_line()?).map(str::to_owned)
}

fn version_in(line: &str) -> Option<&str> {
    line.split_whitespace()
        .map(|word| word.strip_prefix('v').unwrap_or(word))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether version `found` is `wanted` or later, number by number.
pub fn at_least(found: &str, wanted: &str) -> bool {
    numbers(found) >= numbers(wanted)
}

/// The first number of a version.
pub fn major(version: &str) -> Option<u64> {
    numbers(version).first().copied()
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

/// The version that a Cargo lock file, below the root, pins for a package.
pub fn locked(lock: &str, package: &str) -> Option<String> {
    locked_in(&fs::read_to_string(house::root().join(lock)).ok()?, package).map(str::to_owned)
}

fn locked_in<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let mut lines = lock.lines();
    lines.find(|line| value(line, "name") == Some(package))?;
    value(lines.next()?, "version")
}

/// The oldest Rust that the crate compiles with, from its manifest.
pub fn rust_version() -> Option<String> {
    let manifest = fs::read_to_string(house::root().join("Cargo.toml")).ok()?;
    manifest.lines().find_map(|line| value(line, "rust-version")).map(str::to_owned)
}

/// The text of a TOML line `key = "text"`.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.trim_start().strip_prefix('=')?.trim().strip_prefix('"')?.strip_suffix('"')
}

/// Whether the npm packages of a folder are there and not older than its lock file.
pub fn npm_installed(folder: &Path) -> bool {
    let changed = |file: &str| -> Option<SystemTime> { fs::metadata(folder.join(file)).ok()?.modified().ok() };
    match (changed("package-lock.json"), changed("node_modules/.package-lock.json")) {
        (Some(lock), Some(installed)) => installed >= lock,
        _ => false,
    }
}

/// Whether we may install system packages.
pub fn is_root() -> bool {
    Call::new("id -u").first_line().as_deref() == Some("0")
}

/// The first file that describes a Vulkan driver, where the loader looks for them.
pub fn vulkan_driver() -> Option<String> {
    let named = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];
    if let Some(files) = named.iter().find_map(|name| std::env::var(name).ok()) {
        return Some(files);
    }
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let mut files: Vec<String> = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    files.sort();
    // lavapipe, the software driver, is what the tests were written against.
    let lavapipe = files.iter().position(|file| file.starts_with("lvp"));
    (!files.is_empty()).then(|| files.swap_remove(lavapipe.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_first_word_like_a_number() {
        assert_eq!(version_in("wasm-bindgen 0.2.130"), Some("0.2.130"));
        assert_eq!(version_in("v20.20.2"), Some("20.20.2"));
        assert_eq!(version_in("ChromeDriver 156.0.1 (a21ce95c)"), Some("156.0.1"));
        assert_eq!(version_in("no version"), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(at_least("1.95.0", "1.95"));
        assert!(at_least("20.0.0", "9"));
        assert!(!at_least("1.9.0", "1.10"));
        assert_eq!(major("156.0.8078.79"), Some(156));
    }

    #[test]
    fn the_lock_file_gives_the_version_of_exactly_that_package() {
        let lock =
            "[[package]]\nname = \"a-b\"\nversion = \"2.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"1.5.0\"\n";
        assert_eq!(locked_in(lock, "a"), Some("1.5.0"));
        assert_eq!(locked_in(lock, "a-b"), Some("2.0.0"));
        assert_eq!(locked_in(lock, "b"), None);
    }

    #[test]
    fn packages_count_as_installed_only_if_newer_than_the_lock_file() {
        let folder = std::env::temp_dir().join(format!("webmoe-npm-{}", std::process::id()));
        fs::create_dir_all(folder.join("node_modules")).unwrap();
        let lock = folder.join("package-lock.json");
        fs::write(&lock, "{}").unwrap();
        assert!(!npm_installed(&folder), "nothing is installed yet");
        fs::write(folder.join("node_modules/.package-lock.json"), "{}").unwrap();
        assert!(npm_installed(&folder), "installed after the lock file was written");
        let later = SystemTime::now() + std::time::Duration::from_mins(1);
        fs::File::open(&lock).unwrap().set_modified(later).unwrap();
        assert!(!npm_installed(&folder), "the lock file has changed since");
        fs::remove_dir_all(&folder).unwrap();
    }
}
