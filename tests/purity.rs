//! Who may know whom: the folders' independence, read off the source.
//!
//! Comments and the tests beside the code are stripped before anything is looked for.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What does IO, locks, logs, waits, or tells the time.
const IMPURE: [&str; 13] = [
    "tokio",
    "hyper",
    "tower",
    "Mutex",
    "RwLock",
    "atomic",
    "tracing",
    "trace::",
    "Instant::now",
    "SystemTime::now",
    "std::io",
    "std::net",
    "async",
];

/// What reads a clock.
const CLOCKS: [&str; 4] = [
    "Instant::now",
    "SystemTime::now",
    ".elapsed()",
    "UNIX_EPOCH",
];

/// One file without comments and tests.
struct Source {
    /// Below `src`, with `/`.
    path: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            code: without_tests(&without_comments(text)).to_owned(),
        }
    }

    /// Which of the words stand in the code.
    fn mentions<'a>(&self, words: &[&'a str]) -> Vec<&'a str> {
        let stands = |word: &&str| self.code.contains(*word);
        words.iter().copied().filter(stands).collect()
    }

    /// The modules at the crate's root that the code names, and what it takes from the root itself.
    fn roots(&self) -> Vec<String> {
        let code: String = self.code.split_whitespace().collect();
        let mut roots = Vec::new();
        for (start, _) in code.match_indices("crate::") {
            let rest = &code[start + "crate::".len()..];
            if rest.starts_with('{') {
                // A group would need a parser, and one `use` per module is the style.
                roots.push("{".to_owned());
                continue;
            }
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            roots.push(rest[..end].to_owned());
        }
        roots
    }
}

/// All files below `src/<folder>`, but those that are tests.
fn sources(folder: &str) -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src.join(folder), &mut files);
    files.sort();
    let sources: Vec<_> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&src).unwrap().to_str().unwrap();
            let text = fs::read_to_string(file).unwrap();
            Source::new(&path.replace('\\', "/"), &text)
        })
        .collect();
    assert!(!sources.is_empty(), "there is something in {folder:?}");
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            files.push(path);
        }
    }
}

/// The code before the tests at its end.
fn without_tests(code: &str) -> &str {
    let Some(start) = code.find("#[cfg(test)]\nmod tests {") else {
        return code;
    };
    let tests = &code[start..];
    let end = tests.find("\n}").map_or(tests.len(), |end| end + 2);
    assert!(tests[end..].trim().is_empty(), "tests stand last in a file");
    &code[..start]
}

/// The code with each comment replaced by a blank. Literals stay, whatever they look like.
fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            code.push(' ');
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            code.push(' ');
            block_comment(rest)
        } else {
            let length = literal(rest).unwrap_or_else(|| first.len_utf8());
            code.push_str(&rest[..length]);
            length
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of the block comment at the beginning; they nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
        if depth == 0 || at == text.len() {
            return at;
        }
    }
}

/// The length of the string or character at the beginning.
fn literal(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let closing = format!("\"{}", "#".repeat(hashes));
        let body = raw[hashes..].strip_prefix('"')?;
        return Some(hashes + 2 + body.find(&closing)? + closing.len());
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(at + 1),
            // A lifetime.
            _ if quote == '\'' && !text[at + c.len_utf8()..].starts_with('\'') => return None,
            _ => {}
        }
    }
    None
}

#[test]
fn the_decisions_do_no_io_and_read_no_clock() {
    for source in sources("proto") {
        let found = source.mentions(&IMPURE);

        assert!(
            found.is_empty(),
            "src/{} mentions {found:?}: facts are arguments there",
            source.path
        );
    }
}

#[test]
fn one_file_reads_the_clocks() {
    let readers: Vec<_> = sources("")
        .into_iter()
        .filter(|source| !source.mentions(&CLOCKS).is_empty())
        .map(|source| source.path)
        .collect();

    assert_eq!(readers, ["clock.rs"], "time comes from there");
}

/// All modules of the crate, and which modules each may use: only such as stand before it, so that there
/// is no circle.
const ARROWS: [(&str, &[&str]); 25] = [
    ("error", &[]),
    ("executor", &[]),
    ("task", &[]),
    ("trace", &[]),
    ("policy", &["error"]),
    ("proto", &["policy"]),
    ("clock", &["proto", "trace"]),
    ("timer", &["clock"]),
    ("pool_timeout", &["policy", "proto"]),
    ("stats", &["proto"]),
    ("origin", &["error", "policy", "proto"]),
    ("observe", &["origin", "proto"]),
    (
        "keep_alive",
        &[
            "clock", "executor", "observe", "origin", "policy", "proto", "stats", "trace",
        ],
    ),
    (
        "builder",
        &[
            "error",
            "executor",
            "keep_alive",
            "observe",
            "origin",
            "policy",
        ],
    ),
    (
        "connection",
        &["keep_alive", "observe", "origin", "policy", "proto"],
    ),
    (
        "connect",
        &[
            "clock",
            "connection",
            "error",
            "executor",
            "keep_alive",
            "origin",
            "policy",
            "proto",
            "task",
            "timer",
        ],
    ),
    ("client", &["connection", "keep_alive", "origin", "proto"]),
    (
        "pool",
        &[
            "client",
            "clock",
            "connect",
            "connection",
            "executor",
            "keep_alive",
            "origin",
        ],
    ),
    ("https", &["client", "connect", "keep_alive", "pool"]),
    ("http1", &["connect", "connection"]),
    ("reqwest", &[]),
    ("replay", &["connection", "proto"]),
    (
        "serve",
        &[
            "clock", "error", "observe", "policy", "proto", "task", "timer", "trace",
        ],
    ),
    ("cli", &["clock", "origin", "policy", "proto"]),
    ("guide", &[]),
];

/// The module that a file belongs to.
fn module(path: &str) -> &str {
    let end = path.find(['/', '.']).unwrap();
    &path[..end]
}

#[test]
fn arrows_point_one_way() {
    for source in sources("") {
        let module = module(&source.path);
        if matches!(module, "lib" | "bin") {
            continue;
        }
        let (_, allowed) = ARROWS
            .into_iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is not in the table"));
        for root in source.roots() {
            assert!(
                root == module || allowed.contains(&root.as_str()),
                "src/{} uses `crate::{root}`",
                source.path
            );
        }
    }
}

#[test]
fn there_is_no_circle() {
    for (at, (module, allowed)) in ARROWS.iter().enumerate() {
        let before: Vec<_> = ARROWS[..at].iter().map(|(name, _)| *name).collect();
        for used in *allowed {
            assert!(before.contains(used), "{used} stands before {module}");
        }
    }
}

#[test]
fn the_table_has_every_module_and_no_arrow_that_nobody_uses() {
    let sources = sources("");
    for (name, allowed) in ARROWS {
        let files = || sources.iter().filter(|source| module(&source.path) == name);
        assert!(files().count() > 0, "there is no {name}");
        for arrow in allowed {
            let is_used = |source: &Source| source.roots().iter().any(|root| root == arrow);
            assert!(files().any(is_used), "{name} does not use {arrow}");
        }
    }
}

/// Else the tests above prove nothing.
mod the_scan {
    use super::*;

    #[test]
    fn looks_at_all_files_of_a_folder() {
        let paths: Vec<_> = sources("proto").into_iter().map(|s| s.path).collect();

        for path in [
            "proto/mod.rs",
            "proto/connection/end.rs",
            "proto/framing/body.rs",
        ] {
            assert!(
                paths.iter().any(|found| found == path),
                "{path} in {paths:?}"
            );
        }
        let is_test = |path: &&String| path.ends_with("tests.rs") || path.contains("/tests/");
        assert_eq!(paths.iter().find(is_test), None);
    }

    #[test]
    fn finds_each_word_planted_in_the_code_of_each_file() {
        for source in sources("proto") {
            for word in IMPURE.into_iter().chain(CLOCKS) {
                let planted = format!("use {word};\n{}", source.code);
                let planted = Source::new(&source.path, &planted);

                assert!(planted.mentions(&[word]) == [word], "{word}");
            }
            for planted in ["use crate::client;", "use\n    crate :: client::X;"] {
                let planted = Source::new(&source.path, &format!("{planted}{}", source.code));
                assert!(planted.roots().contains(&"client".to_owned()));
            }
        }
    }

    #[test]
    fn tells_code_from_comments_and_tests() {
        for (text, mentions) in [
            ("use tokio;", true),
            ("// use tokio;", false),
            ("//! use tokio;\n/// use tokio;\n", false),
            ("/* /* */ use tokio; */", false),
            ("/* */ use tokio;", true),
            ("let a = \"// \"; use tokio;", true),
            ("let a = \"\\\"// \"; use tokio;", true),
            ("let a = r#\"\"// \"#; use tokio;", true),
            ("let a = ('\"', '\\'', b'\"'); // tokio", false),
            ("let a = ('\"', '\\'', b'\"'); use tokio; '\"'", true),
            ("fn f<'a>(a: &'a str) {} // tokio", false),
            ("fn f<'a>(a: &'a str) {} /* \" */ use tokio;", true),
            (
                "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use tokio;\n}\n",
                false,
            ),
            ("#[cfg(test)]\nmod tests;\nuse tokio;\n", true),
            ("let a = \"é // \"; /* é */ use tokio;", true),
        ] {
            let found = Source::new("", text).mentions(&["tokio"]);

            assert_eq!(!found.is_empty(), mentions, "{text}");
        }
    }

    #[test]
    #[should_panic(expected = "tests stand last")]
    fn refuses_code_behind_tests() {
        Source::new("", "#[cfg(test)]\nmod tests {\n}\nuse tokio;\n");
    }

    #[test]
    fn tells_a_module_from_one_whose_name_is_longer() {
        let source = Source::new(
            "",
            "use crate::connection::X; crate::connect::Y; pub(crate) fn f() {} use crate::{a, b};",
        );

        assert_eq!(source.roots(), ["connection", "connect", "{"]);
    }
}
