//! The guide's pages show code of these programs.

/// Whether a page of the guide shows this code, all behind its first blank line. What is above are docs.
pub fn shows(page: &str, code: &str) -> bool {
    code.split_once("\n\n")
        .is_some_and(|(_, code)| page.contains(code.trim()))
}
