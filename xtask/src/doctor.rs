//! `cargo xtask doctor`: what is installed, what is missing, and the command that mends it.

use crate::needs;

/// Prints the table.
///
/// # Errors
/// If something is missing.
pub fn doctor() -> Result<(), String> {
    let mut missing = 0;
    println!("{:<28}{:<24}{:<24}what mends it", "what", "found", "wanted");
    for look in needs::ALL {
        let need = look();
        let (found, mend) = match &need.found {
            Ok(found) => (found, String::new()),
            Err(found) => {
                missing += 1;
                (found, need.mend.to_string())
            }
        };
        let mark = if need.found.is_ok() { "ok" } else { "--" };
        println!("{}", format!("{mark} {:<25}{found:<23} {:<23} {mend}", need.what, need.wanted).trim_end());
    }
    match missing {
        0 => Ok(()),
        1 => Err("one thing is missing".to_owned()),
        n => Err(format!("{n} things are missing")),
    }
}
